"""The Faust app of the watch stage: one agent over `tallies`, one table for the state.

Traps of Faust that shaped this file: raw bytes in and no exception out of the agent (an exception
acknowledges and skips the message), manual acknowledgement, few table writes, and a crash of the
whole process whenever something is not understood: the design makes a restart harmless.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faust
from faust.types import TP, EventT, FutureMessage, StreamT
from mode.utils.queues import FlowControlEvent

from models.alert import CrisisAlert
from models.detection.base import BUCKET_MS
from models.errors import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK, UserError
from models.recall import Recall, without
from models.tally import decode_frame
from models.watching import BrandWatch
from pipeline.burial import bury
from pipeline.client import group_arguments, probe, ssl_context
from pipeline.metrics import WatchMetrics
from pipeline.report.reading import list_alerts
from pipeline.role import StopLimit
from pipeline.settings import Settings, variable
from pipeline.topics import STATE_TABLE
from pipeline.tracing import ids_of, open_tracing
from pipeline.watch.checkpoint import (
    Manifest,
    carry_out,
    make_writes,
    read_checkpoint,
    read_manifest,
)
from pipeline.watch.stage import Output, PartitionStage
from pipeline.watch.verdicts import Verdicts

log = logging.getLogger(__name__)

MakeWatch = Callable[[int], BrandWatch]
"""Builds the empty watch of the brands of one partition of `tallies`."""
GAP_LIMIT_S = 30.0
"""So long the broker may take to say whether frames that were not delivered still exist."""
REST_PER_CHECKPOINT = 20
"""So many times as long as a checkpoint took, the next one waits: with thousands of brands too, no
more than a twentieth of the time goes into saving."""


class StateTable(faust.Table):
    """A table that keeps the promises of its changelog writes, so that they can be awaited."""

    logger = logging.getLogger("faust.tables")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unsent: list[FutureMessage] = []

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Sends the write to the changelog."""
        self.unsent.append(self.send_changelog(self.partition_for_key(key), key, value))
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: bytes) -> None:
        """Sends the deletion to the changelog."""
        partition = self.partition_for_key(key)
        self.unsent.append(self.send_changelog(partition, key, None, value_serializer="raw"))
        self._sensor_on_del(self, key)

    async def delivered(self) -> None:
        """Waits until every write so far is in the changelog."""
        unsent, self.unsent = self.unsent, []
        for future in unsent:
            await future


class UndeliveredError(Exception):
    """Frames are on the broker and were not handed to us."""


class FlowControl(FlowControlEvent):
    """Opens and closes the queues of the streams.

    Faust opens them twice after a rebalance, and empties them each time. What was delivered between
    is not fetched again: frames were lost (faust-streaming issue 596).
    """

    def resume(self) -> None:
        """Opens the queues, and empties them if they were closed."""
        if not self.is_active():
            super().resume()


class App(faust.App):
    """Faust's, with flow control that loses nothing."""

    logger = logging.getLogger("faust.app")  # not ours: it tells each start and stop

    @cached_property
    def flow_control(self) -> FlowControl:
        """See `FlowControl`."""
        return FlowControl(loop=self.loop)


@dataclass(slots=True)
class _Owned:
    """A partition of `tallies` that this worker has."""

    stage: PartitionStage[EventT]
    manifest: Manifest | None
    due_s: float  # monotonic time of the next checkpoint
    next_offset: int  # of the frame after the last one taken
    checked: bool = True  # a frame was taken since the last assignment


class WatchStage:
    """Carries frames through the partitions' stages, and their outputs to `series` and `alerts`."""

    def __init__(
        self, app: faust.App, settings: Settings, make_watch: MakeWatch, metrics: WatchMetrics
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._note_alert = open_tracing(settings, "watch", "decide")
        self._settings = settings
        self._make_watch = make_watch
        self.verdicts = Verdicts()
        self._owned: dict[int, _Owned] = {}
        self._unsent: list[FutureMessage] = []
        self._turn = asyncio.Lock()  # held while a frame is handled
        self._closed = True  # a rebalance is under way
        self._assigned_s: float | None = None
        self._table: StateTable = app.Table(
            STATE_TABLE,
            # Not as a schema: with one, what was written raw would be read back as JSON.
            key_type=bytes,
            value_type=bytes,
            partitions=settings.tallies_partitions,
        )
        self._series = app.topic(
            settings.topic("series"), key_serializer="raw", value_serializer="raw"
        )
        self._alerts = app.topic(
            settings.topic("alerts"), key_serializer="raw", value_serializer="raw"
        )
        self._dead_letters = app.topic(
            settings.topic("dead-letters"), key_serializer="raw", value_serializer="raw"
        )

    async def on_revoked(self) -> None:
        """Lets the frame under way end, and takes no other until the rebalance is over.

        Otherwise we would still save a state when somebody else has read the one before.
        """
        self._closed = True
        async with self._turn:
            pass

    def on_recovered(self) -> None:
        """Notes that the tables are up to date after an assignment."""
        self._closed = False
        self._metrics.ready.set(1)
        if self._assigned_s is not None:
            self._metrics.recovery.observe(time.monotonic() - self._assigned_s)
            self._assigned_s = None

    def on_assigned(self, assigned: set[TP]) -> None:
        """Forgets partitions that went elsewhere; the others are compared with the table."""
        self._closed = True
        topic = self._settings.topic("tallies")
        here = {tp.partition for tp in assigned if tp.topic == topic}
        for partition in set(self._owned) - here:
            del self._owned[partition]
            self._metrics.forget_partition(partition)
        for owned in self._owned.values():
            owned.checked = False
        self._metrics.rebalances.inc()
        self._metrics.ready.set(0)
        self._assigned_s = time.monotonic()
        log.info(
            "assigned partitions of tallies: %s", sorted(here), extra={"partitions": sorted(here)}
        )

    async def take(self, event: EventT) -> None:
        """Handles one frame.

        Raises:
            UserError: the state cannot be read.
            UndeliveredError: frames before it are missing.
        """
        async with self._turn:
            if not self._closed:  # else it is delivered again after the rebalance
                await self._handle(event)

    async def _handle(self, event: EventT) -> None:
        partition, offset = event.message.partition, event.message.offset
        owned = self._own(partition, offset)
        if offset > owned.next_offset:
            await self._explain_gap(event.message.tp, owned, offset)
        owned.next_offset = max(owned.next_offset, offset + 1)
        try:
            frame = decode_frame(event.message.value or b"")
        except ValueError as error:
            await self._bury(event, str(error))
            owned.stage.skip(event)
            return
        output = owned.stage.take(event, frame)
        await self._publish(output)
        self._metrics.note_decided(partition, owned.stage.folded)
        if owned.stage.unknown_brands:
            self._metrics.unknown_brands.set(len(owned.stage.unknown_brands))
        self._metrics.held_frames.set(sum(len(own.stage) for own in self._owned.values()))
        if time.monotonic() >= owned.due_s and owned.stage.worth_saving:
            await self._checkpoint(partition, owned)

    def _own(self, partition: int, offset: int) -> _Owned:
        owned = self._owned.get(partition)
        if owned is not None and not owned.checked:
            owned.checked = True
            there = read_manifest(partition, self._table)
            saved = owned.manifest.next_offset if owned.manifest else 0
            if offset > owned.next_offset or (there is not None and there.next_offset > saved):
                log.warning("partition %d was elsewhere for a while: loading its state", partition)
                owned = None
        if owned is None:
            stage, manifest = self._load(partition)
            due_s = time.monotonic() + self._settings.checkpoint_interval_s
            owned = _Owned(stage, manifest, due_s, manifest.next_offset if manifest else 0)
            self._owned[partition] = owned
        return owned

    async def _explain_gap(self, tp: TP, owned: _Owned, offset: int) -> None:
        """Counts frames before this one as lost if they were deleted before we came.

        Raises:
            UndeliveredError: they are there. Whoever starts next reads on from the saved state.
        """
        saved = owned.manifest.next_offset if owned.manifest else 0
        async with asyncio.timeout(GAP_LIMIT_S):
            first = (await self._app.consumer.earliest_offsets(tp))[tp]
            if offset > first:
                await self._app.consumer._commit({tp: max(saved, first)})
                raise UndeliveredError(
                    f"frames {max(owned.next_offset, first)} to {offset - 1} of partition "
                    f"{tp.partition} were not delivered"
                )
        if owned.manifest is not None:
            log.error(
                "tallies of partition %d from offset %d to %d are gone: the buckets they spoke of "
                "are incomplete (raise the topic's retention)",
                tp.partition,
                owned.next_offset,
                offset - 1,
            )
            self._metrics.lost_frames.inc(offset - owned.next_offset)

    def _load(self, partition: int) -> tuple[PartitionStage[EventT], Manifest | None]:
        """The stage of a partition as it was saved.

        Raises:
            UserError: the state is damaged, or of another release.
        """
        try:
            checkpoint = read_checkpoint(partition, self._table)
            stage: PartitionStage[EventT] = PartitionStage(
                lambda: self._make_watch(partition), checkpoint
            )
        except ValueError as error:
            raise UserError(
                f"the state of partition {partition} cannot be read ({error}): run the release "
                "that wrote it, or process again from a point in time (docs/operations.md)"
            ) from error
        return stage, None if checkpoint is None else checkpoint.manifest

    async def _publish(self, output: Output) -> None:
        for point in output.series:
            self._unsent.append(await self._series.send(key=point.key(), value=point.encode()))
        for alert in output.alerts:
            await self._send_alert(alert)
        if output.recalls:
            await self._recall(output.recalls)
        self._metrics.frames.inc()
        self._metrics.stale_frames.inc(output.stale)
        self._metrics.buckets_closed.inc(output.buckets)

    async def _send_alert(self, alert: CrisisAlert) -> None:
        self._unsent.append(
            await self._alerts.send(
                key=alert.alert_id.encode(), value=alert.encode(), headers=alert.headers()
            )
        )
        self._tell(alert)

    async def _recall(self, recalls: Sequence[Recall]) -> None:
        """Takes what was erased out of alerts that are over: they lie on the topic alone.

        Doing it again changes nothing: what is gone from the last revision is not found there.
        """
        await self._delivered()
        newest = {alert.alert_id: alert for alert in await list_alerts(self._settings)}
        for recall in recalls:
            alert = newest.get(recall.alert_id)
            revised = alert and without(alert, recall.posts, recall.authors)
            if revised:
                newest[recall.alert_id] = revised
                await self._send_alert(revised)

    def _tell(self, alert: CrisisAlert) -> None:
        """Says in log, metrics and trace that an alert has another revision."""
        log.info(
            "alert %s #%d %s: %s",
            alert.alert_id,
            alert.revision,
            alert.status,
            alert.summary,
            extra=ids_of(alert),
        )
        self._metrics.alerts_sent.labels(alert.kind.value, alert.severity.value, alert.status).inc()
        if self._note_alert is not None:
            now_ns = time.time_ns()
            self._note_alert(alert, alert.pipeline_sent_ms * 1_000_000 or now_ns, now_ns)

    async def _delivered(self) -> None:
        unsent, self._unsent = self._unsent, []
        for future in unsent:
            await future

    async def _checkpoint(self, partition: int, owned: _Owned) -> None:
        """Outputs are out, then the state is in the changelog, then frames are acknowledged."""
        started = time.perf_counter()
        await self._delivered()
        halvings = self.verdicts.halvings((owned.stage.folded or 0) * BUCKET_MS)
        if halvings is not None:
            owned.stage.set_halvings(halvings)
        state, settled = owned.stage.settle()
        next_offset = owned.manifest.next_offset if owned.manifest else 0
        next_offset = max([next_offset, *(event.message.offset + 1 for event in settled)])
        owned.manifest, writes = make_writes(
            partition, list(self._table), state, next_offset, owned.stage.declared
        )
        carry_out(self._table, writes)
        await self._table.delivered()
        for event in settled:
            event.ack()
        took_s = time.perf_counter() - started
        rest_s = max(self._settings.checkpoint_interval_s, REST_PER_CHECKPOINT * took_s)
        owned.due_s = time.monotonic() + rest_s
        self._metrics.checkpoint.observe(took_s)
        self._metrics.checkpoint_timestamp.set_to_current_time()

    async def _bury(self, event: EventT, reason: str) -> None:
        message = event.message
        log.error(
            "frame refused: %s",
            reason,
            extra={"partition": message.partition, "offset": message.offset},
        )
        self._metrics.dead_letters.labels(reason="invalid-frame").inc()
        value, headers = bury(
            message.value or b"",
            reason="invalid-frame",
            detail=reason,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
        )
        await (await self._dead_letters.send(key=message.key, value=value, headers=headers))


def make_app(settings: Settings, make_watch: MakeWatch, metrics: WatchMetrics) -> faust.App:
    """The Faust app, ready to be run by a worker.

    Args:
        settings: of the deployment.
        make_watch: see `MakeWatch`.
        metrics: of this process.
    """
    limits = group_arguments(settings)
    app = App(
        settings.group("watch"),
        version=1,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        broker_credentials=faust_credentials(settings),
        Table=StateTable,
        store="memory://",
        datadir=str(settings.state_dir / "watch"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.tallies_partitions,
        topic_replication_factor=settings.replication_factor,
        table_standby_replicas=0 if settings.replication_factor == 1 else 1,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=500,
        stream_buffer_maxsize=4096,
        stream_wait_empty=False,
        stream_processing_timeout=60,
        broker_session_timeout=limits["session_timeout_ms"] / 1000,
        broker_heartbeat_interval=limits["heartbeat_interval_ms"] / 1000,
        broker_request_timeout=90,
        broker_max_poll_interval=300,
        broker_commit_interval=1.0,
        producer_acks=-1,
        producer_linger=0.02,
        producer_compression_type="gzip",
        producer_max_request_size=4 << 20,
        producer_request_timeout=60,
    )
    stage = WatchStage(app, settings, make_watch, metrics)
    tallies = app.topic(
        settings.topic("tallies"),
        key_serializer="raw",
        value_serializer="raw",
        partitions=settings.tallies_partitions,
    )

    @app.on_partitions_revoked.connect
    async def revoked(_: faust.App, revoked: set[TP], **kwargs: Any) -> None:
        await stage.on_revoked()

    @app.on_partitions_assigned.connect
    async def assigned(_: faust.App, assigned: set[TP], **kwargs: Any) -> None:
        stage.on_assigned(assigned)

    @app.on_rebalance_complete.connect
    async def recovered(_: faust.App, **kwargs: Any) -> None:
        stage.on_recovered()

    @app.task
    async def listen() -> None:
        try:
            await stage.verdicts.listen(settings)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.critical("watch stops, nothing is lost: %s", error, exc_info=error)
            os._exit(EXIT_FAILED)

    @app.task
    async def tell_of_the_broker() -> None:
        await probe(settings)

    @app.agent(tallies, name="watch")
    async def watch(stream: StreamT[bytes]) -> None:
        async for event in stream.noack().events():
            try:
                await stage.take(event)
            except UserError as error:
                log.critical("watch stops, nothing is lost: %s", error)
                os._exit(EXIT_CONFIGURATION)
            except Exception as error:
                log.critical("watch stops, nothing is lost: %s", error, exc_info=error)
                os._exit(EXIT_FAILED)

    return app


def is_ready(app: faust.App) -> bool:
    """Whether the tables are recovered and no rebalance is under way."""
    recovery = app.tables.recovery
    return recovery is not None and recovery.completed.is_set() and not app.rebalancing


def run_app(app: faust.App, settings: Settings) -> int:
    """Runs a worker until it is told to stop; returns the exit code.

    Raises:
        UserError: the state folder cannot be made or written.
    """
    folder = settings.state_dir / "watch"
    try:
        folder.mkdir(parents=True, exist_ok=True)  # Faust makes the last part alone
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{variable('state_dir')}={settings.state_dir} cannot be made or written "
            f"({error.strerror}): name a folder that this user may write"
        ) from error
    if settings.log_level == "INFO":
        for name in ("faust", "mode"):  # each start and stop of fifty services
            logging.getLogger(name).setLevel(logging.WARNING)
        # Hundreds of lines a second while the broker is away; `probe` says it once.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with StopLimit(settings.stop_timeout_s) as limit:
        worker = _Worker(
            app,
            loglevel=settings.log_level,
            override_logging=False,
            redirect_stdouts=False,
            quiet=True,
        )
        worker.spinner = None  # it writes to the terminal even where there is none
        worker.stop_limit = limit
        try:
            worker.execute_from_commandline()
        except SystemExit as stopped:
            return EXIT_FAILED if stopped.code else EXIT_OK
    return EXIT_OK


class _Worker(faust.Worker):
    stop_limit: StopLimit

    async def on_stop(self) -> None:
        """Told to stop: Faust waits for the broker in several places, without end."""
        self.stop_limit.begin()
        asyncio.get_running_loop().set_exception_handler(_leave_out_cancellations)
        await super().on_stop()


def _leave_out_cancellations(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Sends under way are cancelled at the end, and Faust's callbacks fall over it.

    What they sent belongs to frames that are not acknowledged: it is sent again.
    """
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def faust_credentials(settings: Settings) -> faust.types.auth.CredentialsT | None:
    """The same credentials as every other client's, as Faust wants them."""
    context = ssl_context(settings)
    if settings.security_protocol.startswith("SASL_"):
        password = settings.sasl_password
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=password.get_secret_value() if password else None,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)
