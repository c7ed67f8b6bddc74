"""The publisher, on every broker that there is."""

import asyncio
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.base import Page, Reject
from connectors.cursors import MemoryCursors
from connectors.errors import ConfigurationError, PublishError
from connectors.publisher import Publisher, Target
from connectors.runner import Runner, Totals
from models.post import Heartbeat, Op, Post, encode, record_adapter
from pipeline.commands.connect import target
from pipeline.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.kafka import Kafka

MakeSettings = Callable[..., Settings]
PARTITIONS = 3
READ_WITHIN_S = 30.0


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.integration)])
def settings(request: pytest.FixtureRequest) -> Settings:
    make: MakeSettings = request.getfixturevalue(f"{request.param}_settings")
    made = make(posts_partitions=PARTITIONS)
    create_topics(made)
    return made


def a_post(number: int, op: Op = Op.CREATE) -> Post:
    return Post(
        platform="x",
        native_id=str(number),
        op=op,
        text="Zażółć gęślą jaźń 😡",
        created_ms=number,
        observed_ms=number,
        source="test",
    )


def a_heartbeat(until_ms: int) -> Heartbeat:
    return Heartbeat(source="test", until_ms=until_ms, sent_ms=0)


class Row:
    """One record as it was read."""

    def __init__(self, record: object) -> None:
        self.partition: int = record.partition  # type: ignore[attr-defined]
        self.key: bytes | None = record.key  # type: ignore[attr-defined]
        self.value: bytes = record.value  # type: ignore[attr-defined]
        self.headers: dict[str, bytes] = dict(record.headers)  # type: ignore[attr-defined]


def read(settings: Settings, topic: str, count: int) -> list[Row]:
    """The first `count` records of a topic, each partition in its order."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, group_id=None
    )
    try:
        name = settings.topic(topic)
        partitions = [TopicPartition(name, n) for n in consumer.partitions_for_topic(name)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        rows: list[Row] = []
        deadline = time.monotonic() + READ_WITHIN_S
        while len(rows) < count and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=200).values():
                rows.extend(map(Row, records))
        return rows
    finally:
        consumer.close()


def by_partition(rows: list[Row]) -> Iterator[list[Row]]:
    for partition in range(PARTITIONS):
        yield [row for row in rows if row.partition == partition]


def test_heartbeats_stand_in_every_partition_behind_exactly_the_posts_before_them(
    settings: Settings,
) -> None:
    with Publisher(target(settings)) as publisher:
        for number in range(900):
            publisher.post(a_post(number))
            if number % 100 == 99:
                publisher.heartbeat(a_heartbeat(number + 1))
        publisher.flush()
    rows = read(settings, "posts", 900 + 9 * PARTITIONS)
    seen: set[str] = set()
    for partition in by_partition(rows):
        until_ms = 0
        heartbeats = 0
        for row in partition:
            record = record_adapter.validate_json(row.value)
            if isinstance(record, Heartbeat):
                until_ms = record.until_ms
                heartbeats += 1
            else:
                assert until_ms <= record.created_ms < until_ms + 100
                assert row.key == record.key.encode()
                seen.add(record.native_id)
        assert heartbeats == 9
    assert seen == {str(number) for number in range(900)}


def test_all_operations_on_a_post_stay_in_one_partition_in_their_order(settings: Settings) -> None:
    operations = [Op.CREATE, Op.UPDATE, Op.DELETE]
    with Publisher(target(settings)) as publisher:
        for op, number in itertools.product(operations, range(20)):
            publisher.post(a_post(number, op))
        publisher.flush()
    found: dict[bytes, list[tuple[int, Op]]] = {}
    for row in read(settings, "posts", 60):
        record = record_adapter.validate_json(row.value)
        assert isinstance(record, Post)
        assert row.key is not None
        found.setdefault(row.key, []).append((row.partition, record.op))
    assert len(found) == 20
    for rows in found.values():
        assert [op for _, op in rows] == operations
        assert len({partition for partition, _ in rows}) == 1


def test_an_author_who_asks_to_be_forgotten_is_named_in_every_partition(
    settings: Settings,
) -> None:
    forgotten = a_post(1, Op.AUTHOR_DELETE)
    with Publisher(target(settings)) as publisher:
        publisher.post(forgotten)
        publisher.flush()
    rows = read(settings, "posts", PARTITIONS)
    assert sorted(row.partition for row in rows) == list(range(PARTITIONS))
    assert {row.value for row in rows} == {encode(forgotten)}


def test_a_reject_is_kept_as_it_came_with_reason_and_place(settings: Settings) -> None:
    raw = b"\xff\x00 broken \xb9"
    with Publisher(target(settings)) as publisher:
        publisher.dead_letter(Reject(raw, "not UTF-8: bajt 0xb9 – zły", "posts.csv:17"), "archive")
        publisher.dead_letter(Reject(b"", "the file ends early", "posts.csv:18"), "archive")
        publisher.flush()
    rows = read(settings, "dead-letters", 2)
    assert [row.value for row in rows if row.headers["place"] == b"posts.csv:17"] == [raw]
    assert rows[0].headers["source"] == b"archive"
    assert rows[0].headers["reason"] == b"malformed"
    assert {"not UTF-8: bajt 0xb9 – zły", "the file ends early"} == {
        row.headers["detail"].decode() for row in rows
    }


def test_another_number_of_partitions_than_the_settings_say_is_told(settings: Settings) -> None:
    wrong = replace(target(settings), partitions=PARTITIONS + 1)
    with pytest.raises(
        ConfigurationError, match=r"has 3 partitions, the settings say 4.*CZUJKA_POSTS_PARTITIONS=3"
    ):
        Publisher(wrong)


@pytest.mark.integration  # the embedded broker makes every topic that somebody asks for
def test_a_missing_topic_is_told(kafka_settings: MakeSettings) -> None:
    wrong = replace(target(kafka_settings()), connect_timeout_s=1.0)
    with pytest.raises(ConfigurationError, match=r"posts' is not there.*czujka topics create"):
        Publisher(wrong)


def test_a_broker_that_is_not_there_is_told_with_its_address() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        wrong = Target({"bootstrap_servers": address}, "posts", "dead", 1, connect_timeout_s=0.5)
        with pytest.raises(ConfigurationError, match=f"no Kafka broker answers at {address}"):
            Publisher(wrong)


def test_when_the_broker_dies_the_loss_is_told_and_nothing_more_is_sent(topic_prefix: str) -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(
            bootstrap_servers=broker.bootstrap_servers, embedded=True, topic_prefix=topic_prefix
        )
        create_topics(settings)
        publisher = Publisher(replace(target(settings), delivery_timeout_s=2.0))
        publisher.post(a_post(1))
        publisher.flush()
    publisher.post(a_post(2))
    with pytest.raises(PublishError, match="did not take a record"):
        publisher.flush()
    with pytest.raises(PublishError):
        publisher.heartbeat(a_heartbeat(3))
    publisher.close(1.0)


@pytest.mark.integration
def test_a_kafka_that_is_killed_and_comes_back_has_every_record_once_and_in_order(
    restartable_kafka: Kafka, kafka_settings: MakeSettings
) -> None:
    settings = kafka_settings(posts_partitions=PARTITIONS)
    create_topics(settings)
    with Publisher(target(settings)) as publisher:
        for number in range(3_000):
            if number == 1_000:
                restartable_kafka.kill()
            if number == 2_000:
                restartable_kafka.start()
            publisher.post(a_post(number))
            if number % 100 == 99:
                publisher.heartbeat(a_heartbeat(number + 1))
        publisher.flush()
    rows = read(settings, "posts", 3_000 + 30 * PARTITIONS)
    assert len(rows) == 3_000 + 30 * PARTITIONS
    for partition in by_partition(rows):
        times = []
        for row in partition:
            record = record_adapter.validate_json(row.value)
            times.append(
                record.until_ms if isinstance(record, Heartbeat) else record.created_ms + 0.5
            )
        assert times == sorted(times)


def test_a_broker_that_stands_still_holds_the_source_back_and_nothing_is_dropped(
    topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound, page_posts, pages = 500, 50, 60
    monkeypatch.setattr("connectors.publisher.MAX_UNACKNOWLEDGED", bound)
    monkeypatch.setattr("connectors.runner.CURSOR_INTERVAL_S", 3_600.0)  # no flush in between
    given: list[int] = []
    frozen = threading.Event()

    class Fast:
        """A source that gives as fast as it is read."""

        name = "test"

        async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
            for number in range(pages):
                if number == 4:
                    os.kill(pid, signal.SIGSTOP)
                    frozen.set()
                first = number * page_posts
                posts = tuple(a_post(n) for n in range(first, first + page_posts))
                given.append(len(posts))
                yield Page(posts, str(number), final=number == pages - 1)

    def is_still() -> bool:
        """Whether nothing more was asked of the source for a second."""
        before = len(given)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if len(given) != before:
                return False
            time.sleep(0.01)
        return True

    with EmbeddedBroker() as broker:
        pid = broker.pid
        assert pid is not None
        settings = Settings(
            bootstrap_servers=broker.bootstrap_servers,
            embedded=True,
            topic_prefix=topic_prefix,
            posts_partitions=PARTITIONS,
        )
        create_topics(settings)
        with Publisher(target(settings)) as publisher:
            runner = Runner(Fast(), publisher, MemoryCursors())
            done: list[Totals] = []
            thread = threading.Thread(
                target=lambda: done.append(asyncio.run(runner.run(asyncio.Event()))), daemon=True
            )
            try:
                thread.start()
                assert frozen.wait(READ_WITHIN_S)
                deadline = time.monotonic() + READ_WITHIN_S
                while not is_still():
                    assert time.monotonic() < deadline
                held = sum(given)
                assert held < page_posts * pages
                assert held <= 4 * page_posts + bound + 2 * page_posts
            finally:
                os.kill(pid, signal.SIGCONT)
            thread.join(READ_WITHIN_S)
            assert done[0].posts == page_posts * pages
        records = pages * page_posts + PARTITIONS
        rows = read(settings, "posts", records)
        keys = [row.key for row in rows if row.key is not None]
        assert len(keys) == len(set(keys)) == page_posts * pages
