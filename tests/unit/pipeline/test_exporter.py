from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import exposition as openmetrics

from models.alert import CrisisAlert
from models.detection.base import Kind
from models.series import SeriesPoint
from pipeline.exporter import Exporter
from pipeline.feed import Erased, News, fold
from pipeline.ledger import Ledger
from pipeline.metrics import ExporterMetrics
from pipeline.tracing import trace_id_of
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, series_point

NOW_MS = 1_800_000_000_000


class Desk:
    """An exporter with a clock that stands still."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ledger = Ledger()
        metrics = ExporterMetrics(self.registry, max_brands=10)
        self.exporter = Exporter(self.ledger, metrics, wall_ms=lambda: NOW_MS)

    def take(self, *records: CrisisAlert | SeriesPoint | Erased, live: bool = True) -> None:
        news = []
        for record in records:
            brand = fold(self.ledger, record)
            assert brand is not None
            news.append(News(brand, record, live))
        self.exporter.take(news)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


FIRING = {"kind": "surge-negative", "severity": "error", "transition": "firing"}


def test_live_transitions_are_counted_and_history_is_not() -> None:
    desk = Desk()
    desk.take(crisis_alert(0, "firing", minute=1), live=False)
    assert desk.value("czujka_alerts_total", **FIRING) is None
    desk.take(crisis_alert(0, "firing", minute=2))
    assert desk.value("czujka_alerts_total", **FIRING) == 1


def test_history_that_still_fires_is_active() -> None:
    desk = Desk()
    desk.take(crisis_alert(0, "firing"), live=False)
    labels = {"brand": "orzel-air", "kind": Kind.SURGE_NEGATIVE.value}
    assert desk.value("czujka_crisis_active", **labels) == 1


def test_delay_runs_from_the_closing_heartbeat_to_now() -> None:
    desk = Desk()
    desk.take(
        series_point(1, pipeline_sent_ms=NOW_MS - 3_000),
        series_point(2, pipeline_sent_ms=NOW_MS + 500),  # clocks differ: no delay, never a negative
        series_point(3, pipeline_sent_ms=0),  # not known: not counted
        crisis_alert(pipeline_sent_ms=NOW_MS - 40_000),
    )
    assert desk.value("czujka_delay_seconds_count", topic="series") == 2
    assert desk.value("czujka_delay_seconds_sum", topic="series") == pytest.approx(3.0)
    assert desk.value("czujka_delay_seconds_bucket", topic="alerts", le="30.0") == 0
    assert desk.value("czujka_delay_seconds_bucket", topic="alerts", le="45.0") == 1


def test_the_watermark_is_not_a_number_until_a_bucket_has_closed() -> None:
    desk = Desk()
    assert math.isnan(desk.value("czujka_watermark_timestamp_seconds") or 0)
    desk.take(series_point(0))
    assert desk.value("czujka_watermark_timestamp_seconds") == NOON_MS / 1000 + 60


def test_an_erased_alert_no_longer_fires() -> None:
    desk = Desk()
    alert = crisis_alert()
    desk.take(alert)
    desk.take(Erased(alert.alert_id))
    labels = {"brand": "orzel-air", "kind": Kind.SURGE_NEGATIVE.value}
    assert desk.value("czujka_crisis_active", **labels) == 0


def test_a_delay_of_an_alert_leads_to_its_trace() -> None:
    desk = Desk()
    alert = crisis_alert(0, "firing", pipeline_sent_ms=NOW_MS - 5_000)
    desk.take(alert)
    text = openmetrics.generate_latest(desk.registry).decode()
    (line,) = (line for line in text.splitlines() if " # {" in line)
    assert line.startswith('czujka_delay_seconds_bucket{le="5.0",topic="alerts"}')
    assert f'trace_id="{trace_id_of(alert.alert_id)}"' in line
