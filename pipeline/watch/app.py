"""The Faust app of the watch stage: one agent over `tallies`, one table for the state.

Traps of Faust that shaped this file: raw bytes in and no exception out of the agent (an exception
acknowledges and skips the message), manual acknowledgement, few table writes, and a crash of the
whole process whenever something is not understood: the design makes a restart harmless.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import faust
from faust.types import TP, EventT, FutureMessage, StreamT

from models.alert import CrisisAlert
from models.detection.base import BUCKET_MS
from models.errors import EXIT_CONFIGURATION, EXIT_FAILED, UserError
from models.recall import Recall, without
from models.tally import decode_frame
from models.watching import BrandWatch
from pipeline.burial import bury
from pipeline.client import probe
from pipeline.metrics import WatchMetrics
from pipeline.report.reading import list_alerts
from pipeline.settings import Settings
from pipeline.topics import STATE_TABLE
from pipeline.tracing import ids_of, open_tracing
from pipeline.watch.checkpoint import (
    Manifest,
    carry_out,
    make_writes,
    read_checkpoint,
    read_manifest,
)
from pipeline.watch.engine import StateTable, new_app
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


class UndeliveredError(Exception):
    """Frames are on the broker and were not handed to us."""


@dataclass(slots=True)
class _Owned:
    """A partition of `tallies` that this worker has."""

    stage: PartitionStage[EventT]
    manifest: Manifest | None
    due_s: float  # monotonic time of the next checkpoint
    next_offset: int = field(init=False)  # of the frame after the last one taken
    checked: bool = True  # a frame was taken since the last assignment

    def __post_init__(self) -> None:
        self.next_offset = self.saved_offset

    @property
    def saved_offset(self) -> int:
        """From here on frames are needed again if this worker ends now."""
        return self.manifest.next_offset if self.manifest else 0


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
            with _told_how_to_mend(partition):
                there = read_manifest(partition, self._table)
            is_behind = there is not None and there.next_offset > owned.saved_offset
            if is_behind or offset > owned.next_offset:
                log.warning("partition %d was elsewhere for a while: loading its state", partition)
                owned = None
        if owned is None:
            stage, manifest = self._load(partition)
            due_s = time.monotonic() + self._settings.checkpoint_interval_s
            owned = _Owned(stage, manifest, due_s)
            self._owned[partition] = owned
        return owned

    async def _explain_gap(self, tp: TP, owned: _Owned, offset: int) -> None:
        """Counts frames before this one as lost if they were deleted before we came.

        Raises:
            UndeliveredError: they are there. Whoever starts next reads on from the saved state.
        """
        async with asyncio.timeout(GAP_LIMIT_S):
            first = (await self._app.consumer.earliest_offsets(tp))[tp]
            if offset > first:
                await self._app.consumer._commit({tp: max(owned.saved_offset, first)})
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
        with _told_how_to_mend(partition):
            checkpoint = read_checkpoint(partition, self._table)
            stage: PartitionStage[EventT] = PartitionStage(
                lambda: self._make_watch(partition), checkpoint
            )
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
        next_offset = max([owned.saved_offset, *(event.message.offset + 1 for event in settled)])
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


@contextmanager
def _told_how_to_mend(partition: int) -> Iterator[None]:
    """A state that cannot be read is for the user to mend."""
    try:
        yield
    except ValueError as error:
        raise UserError(
            f"the state of partition {partition} cannot be read ({error}): run the release "
            "that wrote it, or process again from a point in time (docs/operations.md)"
        ) from error


def make_app(settings: Settings, make_watch: MakeWatch, metrics: WatchMetrics) -> faust.App:
    """The Faust app, ready to be run by a worker.

    Args:
        settings: of the deployment.
        make_watch: see `MakeWatch`.
        metrics: of this process.
    """
    app = new_app(settings)
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
