"""The score stage on Kafka: reads `posts` in batches, writes `tallies`.

All decisions are in `models.scoring`; here are the consumer, the producer and the order in which
things are acknowledged: a block's last frames are out before its end is committed, and before the
first frame of the next block is sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import ConsumerRecord

from models.errors import UserError
from models.scoring import Brands, Counts, DeadLetter, PartitionScorer
from models.sentiment.base import Scorer
from models.sentiment.drift import DriftWatch
from models.sentiment.feedback import AdaptiveScorer
from models.tally import split_frame
from pipeline.assembly import score_settings
from pipeline.burial import bury
from pipeline.client import (
    connection_arguments,
    group_arguments,
    probe,
    reach,
    stop_consumer,
)
from pipeline.feedback import FEEDBACK
from pipeline.learning import Lessons
from pipeline.metrics import ScoreMetrics
from pipeline.settings import Settings
from pipeline.topics import refuse_unfit_topics

log = logging.getLogger(__name__)

MAX_FRAME_BYTES = 800_000
MAX_POLL_RECORDS = 8_192
POLL_TIMEOUT_MS = 200
COMMIT_INTERVAL_S = 1.0
BAD_WINDOW_RECORDS = 2_000
"""If more than half of so many records in a row are refused, the stream is not ours: stop."""
MENTIONS_OF_A_MEAN = 200
"""P(negative) is watched for a drift as means of so many mentions."""
Batch = dict[TopicPartition, list[ConsumerRecord]]


@dataclass(slots=True)
class _Reader:
    """One assigned partition."""

    scorer: PartitionScorer
    start: int  # first offset that counts; what lies before is read for its ids alone
    next_read: int  # offset that the next batch must begin at
    dirty_since: float | None = None
    commit: tuple[int, str] | None = None
    refused: int = 0
    judged: int = 0


@dataclass(slots=True)
class ScoreStage:
    """Carries records from `posts` through the partitions' scorers to `tallies`."""

    settings: Settings
    brands: Brands
    sentiment: Scorer
    metrics: ScoreMetrics
    readers: dict[TopicPartition, _Reader] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _assignment: int = 0  # counts up whenever partitions come or go
    _failure: Exception | None = None  # of an assignment; the client would only log it
    _last_commit_s: float = 0.0
    _unseen: Counts = field(default_factory=Counts)  # mentions whose mean has not been watched
    _mean: DriftWatch = field(default_factory=DriftWatch)

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned and being read."""
        return bool(self.readers)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set.

        Raises:
            UserError: broker away, topics missing or unfit, or a stream that is not ours.
        """
        settings = self.settings
        await reach(settings)
        await asyncio.to_thread(refuse_unfit_topics, settings, self._topics)
        consumer = AIOKafkaConsumer(
            **connection_arguments(settings),
            **group_arguments(settings),
            group_id=settings.group("score"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=MAX_POLL_RECORDS,
            fetch_max_bytes=16 << 20,
            max_partition_fetch_bytes=4 << 20,
        )
        producer = AIOKafkaProducer(
            **connection_arguments(settings),
            acks="all",
            enable_idempotence=not settings.embedded,
            compression_type="gzip",
            max_request_size=4 << 20,
        )
        probing = asyncio.create_task(probe(settings))
        await producer.start()
        try:
            consumer.subscribe([settings.topic("posts")], listener=_Assignment(self, consumer))
            await consumer.start()
            try:
                async with self._learning() as learning:
                    await self._loop(consumer, producer, stop, learning)
            finally:
                await stop_consumer(consumer)
        finally:
            probing.cancel()
            await producer.stop()

    @property
    def _topics(self) -> tuple[str, ...]:
        learned_from = (FEEDBACK,) if isinstance(self.sentiment, AdaptiveScorer) else ()
        return ("posts", "tallies", "dead-letters", *learned_from)

    @asynccontextmanager
    async def _learning(self) -> AsyncIterator[asyncio.Task[None] | None]:
        """Lets the model learn from `feedback`, if it is one that does."""
        if not isinstance(self.sentiment, AdaptiveScorer):
            yield None
            return
        async with Lessons(self.settings, self.sentiment, self.metrics).following() as task:
            yield task

    async def _loop(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        stop: asyncio.Event,
        learning: asyncio.Task[None] | None = None,
    ) -> None:
        while not stop.is_set():
            if learning is not None and learning.done():
                learning.result()  # it ends by itself only with an exception
            assignment = self._assignment
            batch: Batch = await consumer.getmany(
                timeout_ms=POLL_TIMEOUT_MS, max_records=MAX_POLL_RECORDS
            )
            async with self._lock:
                if self._failure is not None:
                    raise self._failure
                if assignment != self._assignment:
                    self._read_again(consumer)
                    continue
                started = time.perf_counter()
                for tp, records in batch.items():
                    reader = self.readers.get(tp)
                    if reader is not None:
                        reader.next_read = records[-1].offset + 1
                        await self._take(reader, records, producer)
                        self._note_lag(consumer, tp, records[-1].offset)
                if batch:
                    self.metrics.batch.observe(time.perf_counter() - started)
                await self._flush(producer)
                await self._commit(consumer, force=False)
        async with self._lock:
            await self._flush(producer, everything=True)
            await self._commit(consumer, force=True)

    def _read_again(self, consumer: AIOKafkaConsumer) -> None:
        """Goes back to where each reader stands.

        A batch that was under way while partitions came or went may hold records from before the
        seek of the new assignment: they would be counted twice, or others never.
        """
        for tp, reader in self.readers.items():
            consumer.seek(tp, reader.next_read)

    async def _take(
        self, reader: _Reader, records: list[ConsumerRecord], producer: AIOKafkaProducer
    ) -> None:
        records = self._prime(reader, records)
        if not records:
            return
        scorer = reader.scorer
        offsets = [record.offset for record in records]
        keys = [record.key for record in records]
        values = [record.value or b"" for record in records]
        while offsets:
            taken = scorer.feed(offsets, keys, values)
            if taken < len(offsets):
                await self._send_frames(scorer, producer)
                reader.commit = (scorer.block_end, scorer.memo())
                scorer.next_block(offsets[taken])
                self.metrics.blocks.inc()
            elif reader.dirty_since is None:
                reader.dirty_since = time.monotonic()
            offsets, keys, values = offsets[taken:], keys[taken:], values[taken:]
        letters = scorer.take_dead_letters()
        if letters:
            await self._bury(letters, records[0].topic, records[0].partition, records, producer)
        self._judge(reader, len(records), len(letters))
        self._export(scorer)

    def _prime(self, reader: _Reader, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        before = [record for record in records if record.offset < reader.start]
        if not before:
            return records
        reader.scorer.prime(
            [r.offset for r in before], [r.key for r in before], [r.value or b"" for r in before]
        )
        return records[len(before) :]

    async def _flush(self, producer: AIOKafkaProducer, everything: bool = False) -> None:
        now = time.monotonic()
        for reader in self.readers.values():
            since = reader.dirty_since
            if since is not None and (everything or now - since >= self.settings.flush_interval_s):
                await self._send_frames(reader.scorer, producer)
                reader.dirty_since = None

    async def _send_frames(self, scorer: PartitionScorer, producer: AIOKafkaProducer) -> None:
        topic = self.settings.topic("tallies")
        waits = [
            await producer.send(topic, value, partition=output)
            for output, frame in scorer.cut().items()
            for value in split_frame(frame, MAX_FRAME_BYTES)
        ]
        for wait in waits:
            await wait
        self.metrics.frames.inc(len(waits))

    async def _commit(self, consumer: AIOKafkaConsumer, force: bool) -> None:
        now = time.monotonic()
        if not force and now - self._last_commit_s < COMMIT_INTERVAL_S:
            return
        offsets = {tp: r.commit for tp, r in self.readers.items() if r.commit is not None}
        if not offsets:
            return
        self._last_commit_s = now
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            log.warning("commit refused, another worker has the partition now: %s", error)
            return
        for tp in offsets:
            self.readers[tp].commit = None

    async def _bury(
        self,
        letters: Iterable[DeadLetter],
        topic: str,
        partition: int,
        records: list[ConsumerRecord],
        producer: AIOKafkaProducer,
    ) -> None:
        keys = {record.offset: record.key for record in records}
        waits = []
        for letter in letters:
            self.metrics.dead_letters.labels(reason=letter.reason).inc()
            value, headers = bury(
                letter.value,
                reason=letter.reason,
                detail=letter.detail,
                topic=topic,
                partition=partition,
                offset=letter.offset,
            )
            waits.append(
                await producer.send(
                    self.settings.topic("dead-letters"),
                    value,
                    key=keys.get(letter.offset),
                    headers=list(headers.items()),
                )
            )
        for wait in waits:
            await wait

    def _judge(self, reader: _Reader, records: int, refused: int) -> None:
        reader.judged += records
        reader.refused += refused
        if reader.judged >= BAD_WINDOW_RECORDS:
            if reader.refused * 2 > reader.judged:
                raise UserError(
                    f"{reader.refused} of the last {reader.judged} records of "
                    f"{self.settings.topic('posts')} were refused: this is not a stream of posts. "
                    "Look at the reasons in dead-letters, mend the producer, start score again."
                )
            reader.judged = reader.refused = 0

    def _note_lag(self, consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> None:
        end = consumer.highwater(tp)
        if end is not None:
            lag = max(0, end - offset - 1)
            self.metrics.lag.labels(partition=str(tp.partition)).set(lag)

    def _export(self, scorer: PartitionScorer) -> None:
        counts = scorer.take_counts()
        self.metrics.records.inc(counts.records)
        for op, count in counts.posts.items():
            self.metrics.posts.labels(op=op.value).inc(count)
        self.metrics.mentions.inc(counts.mentions)
        self._watch_mean(counts)
        self.metrics.duplicates.inc(counts.duplicates)
        self.metrics.late.inc(counts.late)
        self.metrics.future.inc(counts.clock_ahead)

    def _watch_mean(self, counts: Counts) -> None:
        """Takes P(negative) of the mentions into account, once there are enough for a mean."""
        self._unseen.mentions += counts.mentions
        self._unseen.negative_milli += counts.negative_milli
        if self._unseen.mentions < MENTIONS_OF_A_MEAN:
            return
        changes = self._mean.changes
        self._mean.update(self._unseen.negative_milli / self._unseen.mentions / 1000)
        self._unseen = Counts()
        self.metrics.negative_mean.set(self._mean.mean)
        self.metrics.sentiment_drifts.labels(of="mentions").inc(self._mean.changes - changes)

    async def assign(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        """Makes readers for newly assigned partitions and seeks to where each must read from."""
        async with self._lock:
            self._assignment += 1
            self.readers.clear()
            if not tps:
                return
            try:
                await self._make_readers(consumer, tps)
            except Exception as error:
                self.readers.clear()
                self._failure = error
                raise
        self.metrics.rebalances.inc()
        log.info("assigned partitions of posts: %s", sorted(tp.partition for tp in tps))

    async def _make_readers(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        settings = self.settings
        committed = await consumer._coordinator.fetch_committed_offsets(tps)
        beginnings = await consumer.beginning_offsets(tps)
        for tp in tps:
            known = committed.get(tp)
            fresh = known is None or known.offset < 0
            start = beginnings[tp] if fresh else max(known.offset, beginnings[tp])
            window = settings.duplicate_window_blocks * settings.block_records
            block_start = start // settings.block_records * settings.block_records
            next_read = max(block_start - window, beginnings[tp])
            scorer = PartitionScorer(
                partition=tp.partition,
                partitions=settings.posts_partitions,
                brands=self.brands,
                scorer=self.sentiment,
                settings=score_settings(settings),
                start=start,
                memo="" if fresh else known.metadata,
            )
            self.readers[tp] = _Reader(scorer, start, next_read)
            consumer.seek(tp, next_read)

    async def revoke(self) -> None:
        """Lets go of every partition; whoever has them next repeats their open blocks."""
        async with self._lock:
            self._assignment += 1
            self.readers.clear()


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, stage: ScoreStage, consumer: AIOKafkaConsumer) -> None:
        self._stage = stage
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        await self._stage.revoke()

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        await self._stage.assign(self._consumer, list(assigned))
