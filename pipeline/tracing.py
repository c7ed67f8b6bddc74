"""Traces by OpenTelemetry: optional (the extra ``tracing``), and off without an address to send to.

The id of a trace is a function of the alert's id: every role finds the same one without being told,
and the log (``trace_id``) and the exemplars of ``czujka_delay_seconds`` carry it too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from models.alert import CrisisAlert
from models.errors import UserError
from pipeline.settings import Settings

NoteAlert = Callable[[CrisisAlert, int, int], None]
"""Notes a step of an alert: the alert, begin and end in ns since the epoch."""


def trace_id_of(alert_id: str) -> str:
    """Id of the trace of an alert: 32 hexadecimal digits.

    Example:
        >>> len(trace_id_of("orzel-air.surge-negative.20261106T1240Z"))
        32
    """
    return hashlib.sha256(alert_id.encode()).hexdigest()[:32]


def ids_of(alert: CrisisAlert) -> dict[str, str | int]:
    """What logs, traces and exemplars call an alert by."""
    return {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "brand": alert.brand,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "status": alert.status,
        "trace_id": trace_id_of(alert.alert_id),
    }


def open_tracing(settings: Settings, role: str, step: str) -> NoteAlert | None:
    """What notes a role's step of each alert as a span; none where traces are off.

    Args:
        settings: say where to.
        role: ``service.name`` becomes ``czujka-<role>``.
        step: name of the span.

    Raises:
        UserError: traces are wanted and OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import (
            NonRecordingSpan,
            SpanContext,
            TraceFlags,
            set_span_in_context,
        )
    except ImportError as error:
        raise UserError(
            "CZUJKA_OTLP_ENDPOINT is set and OpenTelemetry is not installed: "
            "pip install 'czujka[tracing]', or unset it"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": f"czujka-{role}"}))
    address = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
    tracer = provider.get_tracer("czujka")
    sampled = TraceFlags(TraceFlags.SAMPLED)

    def note(alert: CrisisAlert, begin_ns: int, end_ns: int) -> None:
        trace_id = trace_id_of(alert.alert_id)
        root = SpanContext(int(trace_id, 16), int(trace_id[:16], 16), True, sampled)
        attributes = {f"czujka.{name}": value for name, value in ids_of(alert).items()}
        span = tracer.start_span(
            step,
            context=set_span_in_context(NonRecordingSpan(root)),
            start_time=begin_ns,
            attributes=attributes,
        )
        span.end(end_ns)

    return note
