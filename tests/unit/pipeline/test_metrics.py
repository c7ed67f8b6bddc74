from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from models.detection.base import Kind
from pipeline.ledger import Ledger
from pipeline.listening import ListenError, listen, port_of
from pipeline.metrics import (
    ExporterMetrics,
    FeedMetrics,
    MetricsServer,
    ScoreMetrics,
    WatchMetrics,
    serve_metrics,
)
from tests.unit.pipeline.alert_samples import crisis_alert, series_point


def exporter_registry(max_brands: int = 100) -> tuple[CollectorRegistry, ExporterMetrics]:
    registry = CollectorRegistry()
    FeedMetrics(registry)
    return registry, ExporterMetrics(registry, max_brands)


def every_registry() -> list[CollectorRegistry]:
    score, watch = CollectorRegistry(), CollectorRegistry()
    ScoreMetrics(score)
    WatchMetrics(watch)
    return [score, watch, exporter_registry()[0]]


def test_every_metric_explains_itself_and_counters_are_totals() -> None:
    for registry in every_registry():
        for family in registry.collect():
            assert family.documentation.endswith(".") or not family.name.startswith("czujka_")
        text = generate_latest(registry).decode()
        for name in re.findall(r"^# TYPE (czujka_\w+) counter$", text, re.MULTILINE):
            assert name.endswith("_total")
        assert "_created" not in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say() -> None:
    for registry in every_registry():
        subprocess.run(
            ["promtool", "check", "metrics"], input=generate_latest(registry), check=True
        )


def test_the_registry_of_a_process_shows_no_role_that_did_not_start_in_it() -> None:
    code = (
        "from pipeline.metrics import *; ScoreMetrics(); print(generate_latest(REGISTRY).decode())"
    )
    code = f"from prometheus_client import generate_latest; {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(re.findall(r"^# TYPE (czujka_[a-z]+)_", run.stdout, re.MULTILINE))
    assert names == {"czujka_score"}


def crisis(registry: CollectorRegistry, brand: str, name: str = "active") -> float | None:
    labels = {"brand": brand, "kind": Kind.SURGE_NEGATIVE.value}
    return registry.get_sample_value(f"czujka_crisis_{name}", labels)


def show(exporter: ExporterMetrics, ledger: Ledger, brand: str) -> None:
    view = ledger.brand(brand)
    assert view is not None
    exporter.show(view)


def test_a_crisis_is_active_from_firing_to_resolved() -> None:
    registry, exporter = exporter_registry()
    ledger = Ledger()
    seen = []
    for revision, status in enumerate(["pending", "firing", "resolved"]):
        ledger.fold_alert(crisis_alert(revision, status))
        show(exporter, ledger, "orzel-air")
        seen.append((crisis(registry, "orzel-air"), crisis(registry, "orzel-air", "severity")))
    assert seen == [(0, 0), (1, 3), (0, 0)]


def test_the_newest_minute_is_shown_and_an_unknown_mood_is_not() -> None:
    registry, exporter = exporter_registry()
    ledger = Ledger()
    ledger.fold_point(series_point(mentions=7, coverage=0.5, rolling_sentiment=None))
    show(exporter, ledger, "orzel-air")
    brand = {"brand": "orzel-air"}
    assert registry.get_sample_value("czujka_brand_mentions", brand) == 7
    assert registry.get_sample_value("czujka_brand_coverage_ratio", brand) == 0.5
    assert registry.get_sample_value("czujka_brand_sentiment", brand) is None


def test_beyond_the_limit_a_brand_has_no_series_unless_it_is_in_crisis() -> None:
    registry, exporter = exporter_registry(max_brands=2)
    ledger = Ledger()
    for number in range(5):
        ledger.fold_point(series_point(brand=f"b{number}"))
        show(exporter, ledger, f"b{number}")
    assert registry.get_sample_value("czujka_brand_mentions", {"brand": "b2"}) is None
    assert registry.get_sample_value("czujka_exporter_left_out_brands") == 3
    assert crisis(registry, "b4") is None

    ledger.fold_alert(crisis_alert(0, "firing", brand="b4"))
    show(exporter, ledger, "b4")
    assert crisis(registry, "b4") == 1
    ledger.fold_alert(crisis_alert(1, "resolved", brand="b4"))
    show(exporter, ledger, "b4")
    assert crisis(registry, "b4") is None


def test_each_partition_shows_how_far_it_is_decided_until_it_goes_elsewhere() -> None:
    registry = CollectorRegistry()
    metrics = WatchMetrics(registry)
    name, here = "czujka_watch_watermark_timestamp_seconds", {"partition": "3"}
    metrics.note_decided(3, None)
    assert registry.get_sample_value(name, here) is None
    metrics.note_decided(3, 10)
    assert registry.get_sample_value(name, here) == 660
    metrics.forget_partition(3)
    metrics.forget_partition(3)
    assert registry.get_sample_value(name, here) is None


def fetch(server: MetricsServer, path: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{server.port}{path}"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_server_answers_with_metrics_and_what_the_probes_say() -> None:
    registry = CollectorRegistry()
    Counter("czujka_test_total", "A test.", registry=registry).inc(3)
    is_ready = False
    server = serve_metrics("127.0.0.1", 0, registry=registry, ready=lambda: is_ready)
    try:
        assert "czujka_test_total 3.0" in fetch(server, "/metrics")[1]
        assert fetch(server, "/healthz")[0] == 200
        assert fetch(server, "/readyz")[0] == 503
        is_ready = True
        assert fetch(server, "/readyz")[0] == 200
        assert fetch(server, "/elsewhere")[0] == 404
    finally:
        server.close()


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with listen("127.0.0.1", 0, "--port") as taken:
        port = port_of(taken)
        with pytest.raises(ListenError, match=rf"port {port} .* is taken: .*--port 0"):
            serve_metrics("127.0.0.1", port, registry=CollectorRegistry(), option="--port")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_foreign_address_is_named_with_the_way_out(host: str) -> None:
    with pytest.raises(ListenError, match="no address of this machine: give --host"):
        listen(host, 0, "--port")
