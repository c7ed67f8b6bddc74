"""Reads `alerts`, `series` and, for the console, `feedback` into a ledger.

No consumer group: each reader wants all of it, and remembers nothing. `alerts` is compacted and
read from its beginning; of `series` the tail is enough. A broker that goes away is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from models.alert import CrisisAlert
from models.errors import UserError
from models.feedback import Feedback, decode_feedback
from models.series import SeriesPoint, decode_series_point
from pipeline.client import connection_arguments, hidden_from, reach, stop_consumer, unreachable
from pipeline.ledger import Ledger
from pipeline.metrics import FeedMetrics
from pipeline.settings import Settings

ALERTS = "alerts"
SERIES = "series"
FEEDBACK = "feedback"

POLL_S = 0.5
MAX_BATCH_RECORDS = 1000
PROBE_INTERVAL_S = 5.0
REQUEST_TIMEOUT_MS = 15_000
RETRY_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Erased:
    """A tombstone on `alerts`: the alert is to be forgotten."""

    alert_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """A record of `feedback`: an answer, or (None) that the one under `key` is taken back."""

    key: bytes
    answer: Feedback | None


Content = CrisisAlert | SeriesPoint | Erased | Said


@dataclass(frozen=True, slots=True)
class News:
    """A record that changed the ledger.

    Attributes:
        brand: the one concerned; of an answer, its alert.
        record: what it says.
        live: it was written after the feed was opened; otherwise it is history.
    """

    brand: str
    record: Content
    live: bool


def read_record(topic: str, key: bytes | None, value: bytes | None) -> Content:
    """Reads a record of `alerts`, `series` or `feedback`.

    Raises:
        ValueError: it cannot be understood; the message says why.
    """
    if topic == SERIES:
        return decode_series_point(value or b"")
    if topic == FEEDBACK:
        if not key:
            raise ValueError("an answer without a key can never be replaced")
        return Said(key, None if value is None else decode_feedback(value))
    if value is None:
        if not key:
            raise ValueError("a tombstone without a key names no alert")
        return Erased(key.decode())
    return CrisisAlert.model_validate_json(value)


class Feed:
    """A reader of the topics.

    Args:
        settings: broker and topic names.
        ledger: takes what is read.
        metrics: of the reading.
        listener: called after each batch with what was news in it, on the event loop.
        series_tail_records: how much of `series` is read at the start, over all partitions.
        topics: what is read.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        metrics: FeedMetrics,
        listener: Callable[[Sequence[News]], None],
        series_tail_records: int,
        topics: Sequence[str] = (ALERTS, SERIES),
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._metrics = metrics
        self._listener = listener
        self._series_tail_records = series_tail_records
        self._names = {settings.topic(topic): topic for topic in topics}
        self._consumer: AIOKafkaConsumer | None = None
        self._live_from: dict[TopicPartition, int] = {}
        self._awaited: dict[TopicPartition, int] = {}
        self._connected = False
        self._told = False

    @property
    def told(self) -> bool:
        """Whether all that lay in the topics at the start has been told to the listener."""
        return self._told

    @property
    def caught_up(self) -> bool:
        """Whether all that lay in the topics at the start has been read."""
        return self._consumer is not None and not self._awaited

    @property
    def connected(self) -> bool:
        """Whether the broker answered when it was last asked."""
        return self._connected

    async def open(self) -> None:
        """Connects and finds where to begin.

        Raises:
            UserError: no broker within `connect_timeout_s`, or a topic is not there.
        """
        await reach(self._settings)
        self._consumer = AIOKafkaConsumer(
            **connection_arguments(self._settings),
            client_id=f"{self._settings.app_id}-feed",
            group_id=None,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._begin(self._consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            reason = _first_line(error) or "it stopped answering"
            raise unreachable(self._settings, {self._settings.bootstrap_servers: reason}) from error
        except UserError:
            await self.close()
            raise
        self._set_connected(True)

    async def run(self) -> None:
        """Reads until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._probe())

    async def close(self) -> None:
        """Closes the connection."""
        if self._consumer is not None:
            await stop_consumer(self._consumer)
            self._consumer = None

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        await consumer.start()
        missing = self._names.keys() - await consumer.topics()
        if missing:
            raise UserError(
                f"topic {', '.join(sorted(missing))} does not exist: run `czujka topics create`"
                + hidden_from(self._settings)
            )
        consumer.subscribe(list(self._names))
        parts = await self._assignment(consumer)
        first = await consumer.beginning_offsets(parts)
        end = await consumer.end_offsets(parts)
        series = [part for part in parts if self._names[part.topic] == SERIES]
        tail = -(-self._series_tail_records // len(series))
        for part in parts:
            start = max(first[part], end[part] - tail) if part in series else first[part]
            consumer.seek(part, start)
            self._live_from[part] = end[part]
            if start < end[part]:
                self._awaited[part] = end[part]

    async def _assignment(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        while True:  # the client offers no event for the end of the assignment
            parts = consumer.assignment()
            if {part.topic for part in parts} == self._names.keys():
                return list(parts)
            await asyncio.sleep(0.02)

    async def _read(self) -> None:
        assert self._consumer is not None
        while True:
            try:
                batches = await self._consumer.getmany(
                    timeout_ms=int(POLL_S * 1000), max_records=MAX_BATCH_RECORDS
                )
            except KafkaError as error:
                self._set_connected(False, error)
                await asyncio.sleep(RETRY_S)
                continue
            news = [item for part, records in batches.items() for item in self._take(part, records)]
            await self._note_progress()
            if news:
                self._listener(news)
            self._told = self.caught_up

    def _take(self, part: TopicPartition, records: Sequence[ConsumerRecord]) -> list[News]:
        topic = self._names[part.topic]
        self._metrics.records.labels(topic).inc(len(records))
        news: list[News] = []
        for record in records:
            live = record.offset >= self._live_from.get(part, 0)
            if live:
                self._live_from[part] = record.offset + 1
            try:
                content = read_record(topic, record.key, record.value)
            except ValueError as error:
                self._metrics.bad_records.labels(topic).inc()
                log.warning(
                    "left out a record of %s, partition %d, offset %d: %s",
                    part.topic,
                    part.partition,
                    record.offset,
                    reason_of(error),
                )
            else:
                if (brand := fold(self._ledger, content)) is not None:
                    news.append(News(brand, content, live))
        return news

    async def _note_progress(self) -> None:
        assert self._consumer is not None
        for part, end in list(self._awaited.items()):
            if await self._consumer.position(part) >= end:
                del self._awaited[part]
                if not self._awaited:
                    log.info("caught up with %s", " and ".join(self._names))

    async def _probe(self) -> None:
        """Asks for the ends now and then: tells the lag, and whether the broker is there."""
        while True:
            await asyncio.sleep(PROBE_INTERVAL_S)
            try:
                lag = await asyncio.wait_for(self._lag_records(), PROBE_INTERVAL_S)
            except (KafkaError, OSError, TimeoutError) as error:
                self._set_connected(False, error)
            else:
                self._set_connected(True)
                self._metrics.lag.set(lag)

    async def _lag_records(self) -> int:
        assert self._consumer is not None
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        lag = 0
        for part, end in ends.items():
            lag += max(0, end - await self._consumer.position(part))
        return lag

    def _set_connected(self, connected: bool, error: Exception | None = None) -> None:
        if connected != self._connected:
            where = self._settings.bootstrap_servers
            if connected:
                log.info("connected to the broker at %s", where)
            else:
                log.warning("the broker at %s does not answer: %s", where, _first_line(error))
        self._connected = connected
        self._metrics.connected.set(connected)


def fold(ledger: Ledger, content: Content) -> str | None:
    """Puts what a record says into a ledger; returns the brand concerned if it was news."""
    match content:
        case CrisisAlert():
            return content.brand if ledger.fold_alert(content) else None
        case SeriesPoint():
            return content.brand if ledger.fold_point(content) else None
        case Erased():
            erased = ledger.forget_alert(content.alert_id)
            return erased.brand if erased else None
        case Said():
            return ledger.fold_answer(content.key, content.answer)


def reason_of(error: ValueError) -> str:
    """The reason without the input: posts do not belong in a log."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'value'}: {fault['msg']}"
        for fault in faults
    )


def _first_line(error: Exception | None) -> str:
    return str(error).strip().split("\n")[0] or "no answer in time"
