"""Turns alerts and series into metrics that Prometheus scrapes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from models.alert import CrisisAlert
from models.series import SeriesPoint
from pipeline.feed import ALERTS, SERIES, Content, Erased, Feed, News, Said
from pipeline.ledger import Ledger
from pipeline.metrics import (
    REGISTRY,
    CollectorRegistry,
    ExporterMetrics,
    FeedMetrics,
    serve_metrics,
)
from pipeline.role import Pulse, run_until
from pipeline.settings import Settings
from pipeline.tracing import NoteAlert, open_tracing, trace_id_of

SERIES_TAIL_RECORDS = 10_000
"""Enough for the newest bucket of as many brands."""
HISTORY_BUCKETS = 1
STALLED_AFTER_S = 30.0


class Exporter:
    """Keeps the metrics in step with a ledger.

    Args:
        ledger: the view, already up to date when news of it comes in.
        metrics: what is exported.
        wall_ms: the wall clock, ms since the epoch.
        note_alert: told of each alert that comes in, where traces are wanted.
    """

    def __init__(
        self,
        ledger: Ledger,
        metrics: ExporterMetrics,
        wall_ms: Callable[[], int],
        note_alert: NoteAlert | None = None,
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._wall_ms = wall_ms
        self._note_alert = note_alert

    def take(self, news: Sequence[News]) -> None:
        """Counts what is live, and shows each brand concerned once."""
        for item in news:
            if item.live:
                self._count(item.record)
        for brand in {item.brand for item in news}:
            if (view := self._ledger.brand(brand)) is not None:
                self._metrics.show(view)
        if (watermark := self._ledger.watermark) is not None:
            self._metrics.watermark.set(watermark.timestamp())

    def _count(self, record: Content) -> None:
        match record:
            case CrisisAlert():
                self._metrics.alerts.labels(
                    record.kind.value, record.severity.value, record.status
                ).inc()
                self._observe_delay(ALERTS, record.pipeline_sent_ms, record)
            case SeriesPoint():
                self._observe_delay(SERIES, record.pipeline_sent_ms)
            case Erased() | Said():
                pass

    def _observe_delay(self, topic: str, sent_ms: int, alert: CrisisAlert | None = None) -> None:
        if not sent_ms:
            return
        now_ms = self._wall_ms()
        # An exemplar leads from a slow delivery to the alert's trace and its lines in the log.
        exemplar = None if alert is None else {"trace_id": trace_id_of(alert.alert_id)}
        self._metrics.delay.labels(topic).observe(max(0.0, (now_ms - sent_ms) / 1000), exemplar)
        if alert is not None and self._note_alert is not None:
            self._note_alert(alert, sent_ms * 1_000_000, now_ms * 1_000_000)


async def serve_exporter(
    settings: Settings,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    max_brands: int,
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Runs the exporter until `stop` is set.

    Raises:
        UserError: no broker, no topic, or no port.
    """
    ledger = Ledger(history_buckets=HISTORY_BUCKETS)
    metrics = ExporterMetrics(registry, max_brands)
    exporter = Exporter(ledger, metrics, wall_ms, open_tracing(settings, "exporter", "arrive"))
    feed = Feed(settings, ledger, FeedMetrics(registry), exporter.take, SERIES_TAIL_RECORDS)
    metrics.caught_up.set_function(lambda: float(feed.told))
    pulse = Pulse(STALLED_AFTER_S)
    server = serve_metrics(
        host,
        port,
        registry=registry,
        healthy=pulse.beats,
        ready=lambda: feed.caught_up,
        option="--port",
    )
    try:
        await feed.open()
        print(f"exporter: http://{host}:{server.port}/metrics", flush=True)
        await run_until(stop, feed.run(), pulse.run())
    finally:
        await feed.close()
        server.close()


def wall_ms() -> int:
    """Wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000
