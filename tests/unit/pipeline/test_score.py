"""The loop of the score stage: what it reads, acknowledges and refuses.

Consumer and producer are stand-ins that do at a chosen moment what a broker does at a random one;
the real ones are in `tests/integration`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from models.errors import UserError
from models.post import Post, encode
from models.scoring import Brands
from models.tally import Frame, decode_frame
from pipeline.burial import MAX_BURIED_BYTES
from pipeline.metrics import CollectorRegistry, ScoreMetrics
from pipeline.score import BAD_WINDOW_RECORDS, ScoreStage
from pipeline.settings import Settings
from tests.support.plain import WordMatcher, WordScorer

START_MS = 1_700_000_000_000 // 60_000 * 60_000
TP = TopicPartition("posts", 0)
BLOCK = 16


def post(number: int, **fields: Any) -> bytes:
    given = {
        "platform": "test",
        "native_id": str(number),
        "text": "ash is fine",
        "created_ms": START_MS,
        "observed_ms": START_MS,
        "source": "one",
    }
    return encode(Post(**(given | fields)))


@dataclass
class Log:
    """One partition of `posts`, its group's committed offset, and what was sent elsewhere."""

    values: list[bytes]
    committed: tuple[int, str] | None = None
    sent: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class StandInConsumer:
    """Reads a log from the committed offset on, until it is told to seek elsewhere."""

    log: Log
    before_beginnings: Callable[[], Awaitable[None]] | None = None
    position: int = 0

    def __post_init__(self) -> None:
        self._coordinator = self

    async def fetch_committed_offsets(self, tps: list[TopicPartition]) -> dict[Any, Any]:
        if self.log.committed is None:
            return {}
        offset, metadata = self.log.committed
        return {tp: SimpleNamespace(offset=offset, metadata=metadata) for tp in tps}

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.before_beginnings is not None:
            await self.before_beginnings()
        return dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.position = offset

    def highwater(self, tp: TopicPartition) -> int:
        return len(self.log.values)

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        batch = [
            SimpleNamespace(
                topic="posts",
                partition=0,
                offset=offset,
                key=None,
                value=self.log.values[offset],
            )
            for offset in range(self.position, min(len(self.log.values), self.position + 40))
        ]
        if not batch:
            return {}
        self.position = batch[-1].offset + 1
        return {TP: batch}

    async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
        self.log.committed = offsets[TP]


@dataclass
class StandInProducer:
    log: Log

    async def send(self, topic: str, value: bytes, **options: Any) -> Awaitable[None]:
        self.log.sent[topic].append((value, options))
        return asyncio.sleep(0)


def make_stage() -> ScoreStage:
    settings = Settings(
        posts_partitions=1, tallies_partitions=1, block_records=BLOCK, duplicate_window_blocks=1
    )
    brands = Brands(("ash",), (0,), 1, WordMatcher(("ash",)))
    return ScoreStage(settings, brands, WordScorer(), ScoreMetrics(CollectorRegistry()))


async def work(
    log: Log, stage: ScoreStage, consumer: StandInConsumer, assigning: Awaitable[None]
) -> None:
    """Runs the loop until the log is read, while partitions are being assigned."""
    stop = asyncio.Event()
    loop = asyncio.create_task(
        stage._loop(consumer, StandInProducer(log), stop)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    await assigning

    def done() -> bool:
        readers = stage.readers.values()
        return bool(readers) and all(r.scorer.position >= len(log.values) for r in readers)

    async with asyncio.timeout(20):
        while not (done() or loop.done()):  # noqa: ASYNC110 - the stage says nothing
            await asyncio.sleep(0)
    stop.set()
    await loop


def frames(log: Log) -> list[Frame]:
    return [decode_frame(value) for value, _ in log.sent["tallies"]]


def mentions(log: Log) -> int:
    """Of the last word on each block."""
    last = {(f.block, e.bucket): e.tally.mentions for f in frames(log) for e in f.entries}
    return sum(last.values())


async def test_records_fetched_before_the_seek_of_an_assignment_are_read_again_behind_it() -> None:
    # Else they are judged without the window of ids that stands before them.
    log = Log([post(number) for number in range(60)])
    stage, consumer = make_stage(), StandInConsumer(log)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    assert log.committed is not None and log.committed[0] == 48
    log.sent.clear()
    log.values[50] = post(40)

    async def fetched_meanwhile() -> None:
        while consumer.position <= 48:  # noqa: ASYNC110
            await asyncio.sleep(0)

    stage = make_stage()
    consumer = StandInConsumer(log, fetched_meanwhile, position=48)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    assert mentions(log) == 60 - 48 - 1


async def test_an_assignment_that_fails_stops_the_role_instead_of_leaving_it_idle() -> None:
    log = Log([post(1)])

    async def fail() -> None:
        raise ConnectionError("no answer")

    stage, consumer = make_stage(), StandInConsumer(log, fail)

    async def assign() -> None:
        with pytest.raises(ConnectionError):
            await stage.assign(consumer, [TP])  # type: ignore[arg-type]

    with pytest.raises(ConnectionError):
        await work(log, stage, consumer, assign())


async def test_what_is_committed_was_sent_before_and_ends_a_block() -> None:
    log = Log([post(number) for number in range(40)])
    stage, consumer = make_stage(), StandInConsumer(log)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    assert log.committed is not None and log.committed[0] == 32
    assert {frame.upto for frame in frames(log)} >= {16, 32, 40}
    assert mentions(log) == 40


async def test_a_repeat_in_the_window_before_the_committed_offset_is_a_repeat() -> None:
    log = Log([post(number) for number in range(32)])
    stage, consumer = make_stage(), StandInConsumer(log)
    log.committed = (16, "")
    log.values[20] = post(3)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    assert mentions(log) == 15


async def test_a_stream_of_garbage_stops_the_role_with_a_sentence_that_mends_it() -> None:
    log = Log([b"{"] * (BAD_WINDOW_RECORDS + 40))
    stage, consumer = make_stage(), StandInConsumer(log)
    with pytest.raises(UserError, match=r"2000 of the last 2000 records of posts .* dead-letters"):
        await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]


async def test_as_much_garbage_as_posts_is_kept_and_does_not_stop_the_role() -> None:
    log = Log([b"{", post(1)] * (BAD_WINDOW_RECORDS // 2))
    stage, consumer = make_stage(), StandInConsumer(log)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    assert len(log.sent["dead-letters"]) == BAD_WINDOW_RECORDS // 2


async def test_a_dead_letter_has_the_record_the_reason_and_its_place() -> None:
    log = Log([post(1), b'{"type": 1}'])
    stage, consumer = make_stage(), StandInConsumer(log)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    [(value, options)] = log.sent["dead-letters"]
    headers = {name: text.decode() for name, text in options["headers"]}
    assert value == b'{"type": 1}'
    assert (headers["topic"], headers["partition"], headers["offset"]) == ("posts", "0", "1")
    assert headers["reason"] and headers["detail"]


async def test_a_record_too_large_for_dead_letters_is_cut_and_says_so() -> None:
    large = b"x" * (5 << 20)  # packed, it fits into a topic that takes 1 MB
    log = Log([large, post(1)])
    stage, consumer = make_stage(), StandInConsumer(log)
    await work(log, stage, consumer, stage.assign(consumer, [TP]))  # type: ignore[arg-type]
    [(value, options)] = log.sent["dead-letters"]
    assert value == large[:MAX_BURIED_BYTES]
    assert dict(options["headers"])["cut-from-bytes"] == str(len(large)).encode()
    assert mentions(log) == 1
