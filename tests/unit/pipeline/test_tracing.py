from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from models.errors import UserError
from pipeline.settings import Settings
from pipeline.tracing import open_tracing, trace_id_of
from tests.unit.pipeline.alert_samples import crisis_alert


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Address of a collector, and what it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_an_address_there_are_no_traces() -> None:
    assert open_tracing(Settings(), "watch", "decide") is None


def test_all_roles_put_their_step_of_an_alert_into_one_trace(
    collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, bodies = collector
    providers: list[TracerProvider] = []
    add = TracerProvider.add_span_processor
    monkeypatch.setattr(
        TracerProvider,
        "add_span_processor",
        lambda self, processor: (providers.append(self), add(self, processor))[1],
    )
    alert = crisis_alert(0, "firing")
    for role, step in (("watch", "decide"), ("exporter", "arrive")):
        note = open_tracing(Settings(otlp_endpoint=address), role, step)
        assert note is not None
        note(alert, 1_000_000_000, 3_000_000_000)
    for provider in providers:
        provider.shutdown()
    found = {}
    for body in bodies:
        (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
        names = {a.key: a.value.string_value for a in resource.resource.attributes}
        (span,) = resource.scope_spans[0].spans
        attributes = {a.key: a.value.string_value for a in span.attributes}
        assert span.trace_id.hex() == trace_id_of(alert.alert_id)
        assert attributes["czujka.alert_id"] == alert.alert_id
        assert span.end_time_unix_nano - span.start_time_unix_nano == 2_000_000_000
        found[names["service.name"]] = span.name
    assert found == {"czujka-watch": "decide", "czujka-exporter": "arrive"}


def test_wanted_traces_that_cannot_be_had_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'czujka\[tracing\]'"):
        open_tracing(Settings(otlp_endpoint="http://127.0.0.1:4318"), "watch", "decide")
