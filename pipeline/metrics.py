"""Every metric of the pipeline: what it counts, in which unit, by which labels, and what to do.

Names follow Prometheus: base units, ``_total`` for counters, ``_seconds``, ``_ratio``. Labels have
few values by design; the only open-ended one is ``brand``, and `ExporterMetrics` bounds it. Where
an age is of interest, the metric is a timestamp and the age is ``time() - metric``, which goes on
growing when the process behind it hangs.

One process has one registry (`REGISTRY`) and a role makes its metrics once, when it starts: so a
process shows what it measures, and no zeros of other roles. The server runs on a thread of its own,
so that a blocked event loop can still be seen.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)

from models.detection.base import BUCKET_MS, Kind
from pipeline.ledger import BrandView, crisis_levels
from pipeline.listening import listen, port_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    _Wsgi = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

disable_created_metrics()  # type: ignore[no-untyped-call]
# A `_created` series beside every counter would double what Prometheus stores.

__all__ = [
    "REGISTRY",
    "CollectorRegistry",
    "ExporterMetrics",
    "FeedMetrics",
    "MetricsServer",
    "ScoreMetrics",
    "WatchMetrics",
    "serve_metrics",
]

REGISTRY = CollectorRegistry()
"""The registry of this process."""
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

BATCH_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DELAY_BUCKETS_S = (1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800)
"""120 is among them: the objective is "posts decided within 120 s"."""
RECOVERY_BUCKETS_S = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900)


class ScoreMetrics:
    """Of the score stage.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # Records taken from `posts`, heartbeats included. Flat while lag grows: score hangs;
        # look at its log, then restart it (it keeps no state).
        self.records = Counter(
            "czujka_score_records_total", "Records read from posts.", registry=registry
        )
        # Posts among them, by op (create, update, delete, author-delete). None while the
        # platforms are busy: the connectors find nothing; check their filters.
        self.posts = Counter(
            "czujka_score_posts_total", "Posts read, by operation.", ["op"], registry=registry
        )
        # Posts that matched a brand, once for each brand. None with posts flowing: the watchlist
        # matches nothing; try it with `czujka check`.
        self.mentions = Counter(
            "czujka_score_mentions_total", "Mentions of brands.", registry=registry
        )
        # Posts dropped because their id stood in the duplicate window. A burst follows each
        # reconnect of a connector; a steady share means that two connectors read the same source.
        self.duplicates = Counter(
            "czujka_score_duplicates_total", "Posts dropped as duplicates.", registry=registry
        )
        # Mentions of buckets that had closed already. A steady share: raise CZUJKA_LATENESS_S.
        self.late = Counter(
            "czujka_score_late_total", "Mentions of closed buckets.", registry=registry
        )
        # Posts dated ahead of their connector's clock. Any: a platform's or a connector's clock
        # is wrong.
        self.future = Counter(
            "czujka_score_future_total", "Posts dated in the future.", registry=registry
        )
        # Records sent to `dead-letters`, by reason (a short fixed word). Read them there: each
        # carries its reason in full and where it came from.
        self.dead_letters = Counter(
            "czujka_score_dead_letters_total",
            "Records set aside, by reason.",
            ["reason"],
            registry=registry,
        )
        # Blocks of `posts` finished and committed. Slower than records / block size: a partition
        # is stuck.
        self.blocks = Counter(
            "czujka_score_blocks_total", "Blocks finished and committed.", registry=registry
        )
        # Frames sent to `tallies`. None for a minute while posts flow: the broker refuses writes.
        self.frames = Counter(
            "czujka_score_frames_total", "Frames sent to tallies.", registry=registry
        )
        # Records not yet read, by partition of `posts`. Growing: add a replica of score, up to
        # the number of partitions.
        self.lag = Gauge(
            "czujka_score_lag_records",
            "Records of posts not yet read.",
            ["partition"],
            registry=registry,
        )
        # Assignments of partitions. More than one or two a deployment or a step of the autoscaler:
        # workers come and go, or stall beyond their session; each reads its window again.
        self.rebalances = Counter(
            "czujka_score_rebalances_total", "Assignments of partitions.", registry=registry
        )
        # Seconds of work on one batch. Rising without larger batches: the machine is short of CPU.
        self.batch = Histogram(
            "czujka_score_batch_seconds",
            "Work on one batch.",
            buckets=BATCH_BUCKETS_S,
            registry=registry,
        )
        # Answers about sentiment that score has learned from and that are not taken back. 0 with
        # answers given: score runs with --no-feedback, or cannot read `feedback` (see its log).
        self.corrections = Gauge(
            "czujka_score_corrections", "Corrections of sentiment that count.", registry=registry
        )
        # Answers that reached score after a post for which they should have counted. Any: score
        # was cut off from the broker, or clocks differ; a crash may then tally an open block anew.
        self.corrections_late = Counter(
            "czujka_score_corrections_late_total",
            "Corrections heard of too late.",
            registry=registry,
        )
        # Mean of 1 - P(what people say it is) over the recent answers. People correct what is
        # wrong, so the level says little; see the next.
        self.corrected_error = Gauge(
            "czujka_score_corrected_error_ratio",
            "Error of the model on corrected posts.",
            registry=registry,
        )
        # Mean P(negative) of mentions since its level last changed.
        self.negative_mean = Gauge(
            "czujka_score_negative_ratio", "Mean P(negative) of mentions.", registry=registry
        )
        # Changes that ADWIN found, by `of`: "corrections" (the error above) or "mentions" (the mean
        # above). A crisis moves mentions; when they move without one, or corrections do, the
        # calibration no longer fits what people write: look at samples, then retrain.
        self.sentiment_drifts = Counter(
            "czujka_score_sentiment_drifts_total",
            "Changes of level in sentiment.",
            ["of"],
            registry=registry,
        )
        for of in ("corrections", "mentions"):
            self.sentiment_drifts.labels(of=of)


class WatchMetrics:
    """Of the watch stage.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # Frames taken from `tallies`. Flat while score sends: watch hangs or rebalances.
        self.frames = Counter(
            "czujka_watch_frames_total", "Frames read from tallies.", registry=registry
        )
        # Frames ignored because a newer one was known. A burst follows each restart (replay); a
        # steady share means that two score processes own one partition.
        self.stale_frames = Counter(
            "czujka_watch_stale_frames_total", "Frames older than known ones.", registry=registry
        )
        # Frames that were deleted from `tallies` before watch came to read them. Any: buckets are
        # incomplete; raise the topic's retention, and find out why watch was away for so long.
        self.lost_frames = Counter(
            "czujka_watch_lost_frames_total",
            "Frames gone before they were read.",
            registry=registry,
        )
        # Frames set aside as unreadable, by reason. After an upgrade: watch goes before score.
        self.dead_letters = Counter(
            "czujka_watch_dead_letters_total",
            "Frames set aside, by reason.",
            ["reason"],
            registry=registry,
        )
        # Assignments of partitions. More than one or two a deployment: workers come and go, or
        # stall beyond their session.
        self.rebalances = Counter(
            "czujka_watch_rebalances_total", "Assignments of partitions.", registry=registry
        )
        # Seconds from an assignment of partitions to the end of recovery; nothing is decided then.
        # Growing from time to time: the changelog is compacted too seldom, or holds more brands.
        self.recovery = Histogram(
            "czujka_watch_recovery_seconds",
            "From an assignment to the end of recovery.",
            buckets=RECOVERY_BUCKETS_S,
            registry=registry,
        )
        # 1 while this worker decides, 0 from an assignment to the end of recovery. 0 for minutes:
        # see the log of Kafka's and of this worker; other workers keep theirs.
        self.ready = Gauge("czujka_watch_ready", "Whether state is recovered.", registry=registry)
        # Brands in frames that the watchlist of watch does not know. Above 0: score and watch run
        # with different watchlists; roll out the same one to both.
        self.unknown_brands = Gauge(
            "czujka_watch_unknown_brands", "Brands not in the watchlist.", registry=registry
        )
        # Buckets closed, over all partitions. Below one a minute and partition in a live run: a
        # watermark stands still; look for a silent connector.
        self.buckets_closed = Counter(
            "czujka_watch_buckets_closed_total", "Minutes closed.", registry=registry
        )
        # Revisions sent to `alerts`. Many with few brands: one flaps; look at its baseline.
        self.alerts_sent = Counter(
            "czujka_watch_alerts_sent_total",
            "Alert revisions sent.",
            ["kind", "severity", "status"],
            registry=registry,
        )
        # Seconds to write a checkpoint. Near CZUJKA_CHECKPOINT_INTERVAL_S: fewer brands a worker,
        # or a longer interval.
        self.checkpoint = Histogram(
            "czujka_watch_checkpoint_seconds",
            "Time to write a checkpoint.",
            buckets=BATCH_BUCKETS_S,
            registry=registry,
        )
        # Wall clock of the last checkpoint. `time() - this` beyond minutes: a crash now replays
        # that much; look for a broker that refuses the changelog.
        self.checkpoint_timestamp = Gauge(
            "czujka_watch_checkpoint_timestamp_seconds",
            "When state was last written.",
            registry=registry,
        )
        self.checkpoint_timestamp.set(math.nan)  # none yet: 0 would be an age of decades
        # Frames folded but not yet acknowledged. Growing without bound: buckets do not close.
        self.held_frames = Gauge(
            "czujka_watch_held_frames", "Frames not yet acknowledged.", registry=registry
        )
        # Event time up to which each partition of `tallies` here is decided. One that stays behind
        # the others: its worker hangs; restart that one.
        self.watermark = Gauge(
            "czujka_watch_watermark_timestamp_seconds",
            "End of the newest closed bucket, event time.",
            ["partition"],
            registry=registry,
        )

    def note_decided(self, partition: int, bucket: int | None) -> None:
        """Sets the watermark of a partition to the end of its last closed bucket, if it has one."""
        if bucket is not None:
            self.watermark.labels(str(partition)).set((bucket + 1) * BUCKET_MS / 1000)

    def forget_partition(self, partition: int) -> None:
        """Removes what another worker tells from now on."""
        with suppress(KeyError):
            self.watermark.remove(str(partition))


class FeedMetrics:
    """Of the reading side that exporter and console share.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # Records read, by topic. Flat for minutes on `series`: watch closes no buckets.
        self.records = Counter(
            "czujka_feed_records_total", "Records read.", ["topic"], registry=registry
        )
        # Records that could not be understood, by topic. Any: a foreign or a newer writer; the
        # log names partition and offset.
        self.bad_records = Counter(
            "czujka_feed_bad_records_total", "Unreadable records.", ["topic"], registry=registry
        )
        # Records not yet read. Growing: this process is starved.
        self.lag = Gauge("czujka_feed_lag_records", "Records not yet read.", registry=registry)
        # 1 while the broker answers. 0: what is shown is old; mend the broker, the rest follows.
        self.connected = Gauge(
            "czujka_feed_connected", "Whether the broker answers.", registry=registry
        )


class ExporterMetrics:
    """Brand signals, as rules and dashboards see them.

    Counters and the delay histogram count only what came in after the exporter had caught up:
    history read at the start must not look like an incident of now.

    Args:
        registry: where they are registered.
        max_brands: brands that get series of their own. A brand in crisis gets its crisis series
            even past this; nothing that fires is ever hidden.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, max_brands: int = 1000) -> None:
        self._max_brands = max_brands
        self._shown: set[str] = set()
        # 1 once the history of `alerts` has been read; until then what stands below may be long
        # over, and no rule looks at it. 0 for minutes: the broker is slow, or away. It stands
        # first: a scrape that reads 1 here reads the current state of all that follows.
        self.caught_up = Gauge(
            "czujka_exporter_caught_up", "Whether history has been read.", registry=registry
        )
        # 1 while a crisis fires. Page on this; the console says what to do.
        self.crisis_active = Gauge(
            "czujka_crisis_active",
            "Whether an alert fires.",
            ["brand", "kind"],
            registry=registry,
        )
        # 0 none, 1 info, 2 warning, 3 error, 4 critical. Routes the page.
        self.crisis_severity = Gauge(
            "czujka_crisis_severity",
            "Severity of the firing alert: 0 none, 1 info, 2 warning, 3 error, 4 critical.",
            ["brand", "kind"],
            registry=registry,
        )
        # Revisions of alerts, by the status that they led to. Many `resolved` soon after `firing`:
        # the brand's budget of false alarms is too generous.
        self.alerts = Counter(
            "czujka_alerts_total",
            "Alert revisions seen.",
            ["kind", "severity", "transition"],
            registry=registry,
        )
        # Wall clock from the heartbeat that let a bucket close to the arrival of its series point
        # or alert here. Above 120 s: look at the lag of score, then of watch.
        self.delay = Histogram(
            "czujka_delay_seconds",
            "From the closing heartbeat to arrival here.",
            ["topic"],
            buckets=DELAY_BUCKETS_S,
            registry=registry,
        )
        # Share of what should be seen that is seen, 0 to 1. Below 1: a connector is silent; until
        # it is back the brand is partly blind, which is not the same as calm.
        self.coverage = Gauge(
            "czujka_brand_coverage_ratio", "Share seen of all.", ["brand"], registry=registry
        )
        # Mentions of the newest closed bucket (one minute).
        self.mentions = Gauge(
            "czujka_brand_mentions", "Mentions, newest minute.", ["brand"], registry=registry
        )
        # What the baseline expected of that minute, and the ends of its 95 % interval.
        self.expected = Gauge(
            "czujka_brand_expected_mentions",
            "Expected mentions, newest minute.",
            ["brand"],
            registry=registry,
        )
        # Mentions below this for long: a connector is blind to some of them; compare coverage.
        self.expected_low = Gauge(
            "czujka_brand_expected_low_mentions",
            "Lower end of the 95 % interval.",
            ["brand"],
            registry=registry,
        )
        # Mentions above this now and then are chance (one minute in forty); the test decides.
        self.expected_high = Gauge(
            "czujka_brand_expected_high_mentions",
            "Upper end of the 95 % interval.",
            ["brand"],
            registry=registry,
        )
        # Rolling mean of P(positive) - P(negative), -1 to 1; absent until there are posts.
        self.sentiment = Gauge(
            "czujka_brand_sentiment", "Rolling sentiment, -1 to 1.", ["brand"], registry=registry
        )
        # The crisis test and what it is compared with (natural log units). It fires at or above.
        self.statistic = Gauge(
            "czujka_brand_statistic", "Statistic of the crisis test.", ["brand"], registry=registry
        )
        # Set by the brand's budget of false alarms; fires too often: give it a smaller one.
        self.threshold = Gauge(
            "czujka_brand_threshold", "It fires at or above this.", ["brand"], registry=registry
        )
        # Event time up to which all is decided. `time() - this` beyond minutes in a live run: the
        # pipeline stands still or a connector is far behind; nothing can fire until it moves.
        self.watermark = Gauge(
            "czujka_watermark_timestamp_seconds",
            "End of the newest closed bucket, event time.",
            registry=registry,
        )
        # Brands without series of their own. Above 0: raise --max-brands if Prometheus can bear it.
        self.brands_left_out = Gauge(
            "czujka_exporter_left_out_brands",
            "Brands beyond the limit on label values.",
            registry=registry,
        )
        self._left_out: set[str] = set()
        self.watermark.set(math.nan)  # no bucket yet: 0 would be an age of decades

    def show(self, view: BrandView) -> None:
        """Brings the gauges of one brand up to date."""
        levels = crisis_levels(view)
        if self._admit(view.brand):
            self._show_levels(view.brand, levels)
            self._show_bucket(view)
        elif any(levels.values()):
            self._show_levels(view.brand, levels)
        else:
            self._hide_levels(view.brand)

    def _admit(self, brand: str) -> bool:
        if brand in self._shown:
            return True
        if len(self._shown) < self._max_brands:
            self._shown.add(brand)
            return True
        self._left_out.add(brand)
        self.brands_left_out.set(len(self._left_out))
        return False

    def _show_levels(self, brand: str, levels: dict[Kind, int]) -> None:
        for kind, level in levels.items():
            self.crisis_active.labels(brand, kind.value).set(1 if level else 0)
            self.crisis_severity.labels(brand, kind.value).set(level)

    def _hide_levels(self, brand: str) -> None:
        for kind in Kind:
            self.crisis_active.remove(brand, kind.value)
            self.crisis_severity.remove(brand, kind.value)

    def _show_bucket(self, view: BrandView) -> None:
        point = view.latest
        if point is None:
            return
        self.coverage.labels(view.brand).set(point.coverage)
        self.mentions.labels(view.brand).set(point.mentions)
        self.expected.labels(view.brand).set(point.expected)
        self.expected_low.labels(view.brand).set(point.low)
        self.expected_high.labels(view.brand).set(point.high)
        self.statistic.labels(view.brand).set(point.statistic)
        self.threshold.labels(view.brand).set(point.threshold)
        if point.rolling_sentiment is not None:
            self.sentiment.labels(view.brand).set(point.rolling_sentiment)


Probe = Callable[[], bool]


class MetricsServer:
    """Serves ``/metrics``, ``/healthz`` and ``/readyz`` from a thread of its own."""

    def __init__(self, server: WSGIServer) -> None:
        self.port = port_of(server.socket)
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops serving; waits for the thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serve_metrics(
    host: str,
    port: int,
    *,
    registry: CollectorRegistry = REGISTRY,
    healthy: Probe = lambda: True,
    ready: Probe = lambda: True,
    option: str = "CZUJKA_METRICS_PORT",
) -> MetricsServer:
    """Starts to serve the metrics of a registry; `MetricsServer.port` is the port it has.

    Args:
        host: interface to listen on.
        port: 0 picks a free one.
        registry: what ``/metrics`` shows.
        healthy: ``/healthz`` answers 200 while this holds, else 503. Called on another thread.
        ready: the same for ``/readyz``.
        option: what sets the port, for the message.

    Raises:
        ListenError: the port cannot be had.
    """
    listener = listen(host, port, option)
    server = _Server(listener.getsockname()[:2], _SilentHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = host, port_of(listener)
    server.setup_environ()
    server.set_app(_application(registry, {"/healthz": healthy, "/readyz": ready}))
    return MetricsServer(server)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is no news."""


def _application(registry: CollectorRegistry, probes: dict[str, Probe]) -> _Wsgi:
    show_metrics: _Wsgi = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            return show_metrics(environ, start_response)
        if path in probes:
            passed = probes[path]()
            status, body = ("200 OK", b"ok\n") if passed else ("503 Service Unavailable", b"no\n")
        else:
            status, body = "404 Not Found", b"/metrics, /healthz, /readyz\n"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [body]

    return answer
