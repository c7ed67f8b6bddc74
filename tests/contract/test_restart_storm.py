"""A connector that is killed again and again loses nothing, and nothing is counted twice."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.cursors import Cursors, FileCursors
from connectors.topic_cursors import CursorTopic, TopicCursors
from models.matching import Matcher
from models.scoring import Brands, PartitionScorer, ScoreSettings
from models.sentiment import load_scorer
from models.watchlist import parse_watchlist
from pipeline.client import connection_arguments
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from tests.contract.test_publisher import Row
from tests.servers.background import in_background
from tests.servers.jetstream import Jetstream, commit

MakeSettings = Callable[..., Settings]
KILLS = 20
POSTS_PER_S = 500
PARTITIONS = 2
WITHIN_S = 60.0
WATCHLIST = "{version: 1, brands: [{id: orzel, name: Orzeł, match: {any: [Orzeł Air]}}]}"


def connect(environment: dict[str, str], url: str, log: Path) -> None:
    """What the killed process does: the command itself."""
    os.environ.update(environment)
    with log.open("a") as sys.stderr:
        from pipeline import cli

        sys.exit(cli.main(["connect", "bluesky", "--set", f"url={url}"]))


class Growth:
    """Events that come in at a rate, until it is stopped."""

    def __init__(self, server: Jetstream) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._grow, daemon=True)
        self._thread.start()

    def _grow(self) -> None:
        began_s = time.monotonic()
        while not self._stop.wait(0.02):
            due = int((time.monotonic() - began_s) * POSTS_PER_S)
            for number in range(len(self._server.events) + 1, due + 1):
                record = {"text": f"Orzeł Air, wpis {number} żółw"}
                self._server.events.append(commit(number, record))

    def stop(self) -> int:
        """How many events there are."""
        self._stop.set()
        self._thread.join()
        return len(self._server.events)


def kept_cursors(settings: Settings) -> Cursors:
    """Where the killed process keeps its cursor."""
    if settings.cursors == "file":
        return FileCursors(settings.state_dir / "cursors")
    arguments = connection_arguments(settings)
    return TopicCursors(CursorTopic(arguments, settings.topic("cursors")))


def position(cursors: Cursors) -> int:
    """How far the saved cursor is."""
    cursor = cursors.load("bluesky")
    return 0 if cursor is None else int(json.loads(cursor)["position"])


def until(condition: Callable[[], bool], child: BaseProcess, log: Path) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert child.is_alive(), log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


ON_KAFKA = pytest.mark.integration


@pytest.fixture(
    params=[
        "embedded-file",
        pytest.param("kafka-file", marks=ON_KAFKA),
        pytest.param("kafka-topic", marks=ON_KAFKA),
    ]
)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    broker, _, cursors = request.param.partition("-")
    make: MakeSettings = request.getfixturevalue(f"{broker}_settings")
    made = make(posts_partitions=PARTITIONS, state_dir=tmp_path / "state", cursors=cursors)
    create_topics(made)
    return made


@pytest.mark.timeout(300)
def test_twenty_kills_at_500_posts_a_second_lose_none_and_double_none(
    settings: Settings, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.commands.connect", "connectors.bluesky"])
    environment = environment_of(settings) | {"CZUJKA_PSEUDONYM_KEY": "a key for tests alone"}
    cursors, log = kept_cursors(settings), tmp_path / "log"
    server = Jetstream("v2")
    server.grows = True
    rng = Random(7)
    with in_background(server) as url:
        growth = Growth(server)
        for kill in range(KILLS + 1):
            child = context.Process(target=connect, args=(environment, url, log), daemon=True)
            child.start()
            before = position(cursors)
            if kill == KILLS:
                total = growth.stop()
                until(lambda: position(cursors) >= total, child, log)  # noqa: B023
                assert child.pid is not None
                os.kill(child.pid, signal.SIGTERM)
                child.join(WITHIN_S)
                assert child.exitcode == 0, log.read_text()
            else:
                if kill % 4:  # the others are killed before they have saved anything
                    until(lambda: position(cursors) > before, child, log)  # noqa: B023
                time.sleep(rng.random() * 0.8)  # anywhere between two saves
                child.kill()
                child.join(WITHIN_S)
    rows = _all_rows(settings, total)
    keys = {row.key for row in rows if row.key is not None}
    assert len(keys) == total
    assert sum(1 for row in rows if row.key is not None) > total  # kills did repeat some
    assert _mentions(rows) == total
    files = settings.state_dir / "cursors"
    assert files.exists() == (settings.cursors == "file")


def _all_rows(settings: Settings, total: int) -> list[Row]:
    """Everything on the topic: until all posts were seen and nothing more comes."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False, group_id=None
    )
    try:
        partitions = [TopicPartition(settings.topic("posts"), n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        rows: list[Row] = []
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            found = [Row(r) for rs in consumer.poll(timeout_ms=1_000).values() for r in rs]
            rows += found
            if not found and len({row.key for row in rows if row.key is not None}) >= total:
                break
        return rows
    finally:
        consumer.close()


def _mentions(rows: list[Row]) -> int:
    """How many mentions score counts in what was published."""
    matcher = Matcher(parse_watchlist(WATCHLIST).brands)
    brands = Brands(("orzel",), (0,), 1, matcher)
    counted = 0
    for partition in range(PARTITIONS):
        scorer = PartitionScorer(partition, PARTITIONS, brands, load_scorer(), ScoreSettings())
        own = [row for row in rows if row.partition == partition]
        offsets = list(range(len(own)))
        keys, values = [row.key or b"" for row in own], [row.value for row in own]
        while offsets:
            taken = scorer.feed(offsets, keys, values)
            if taken < len(offsets):
                scorer.next_block(offsets[taken])
            offsets, keys, values = offsets[taken:], keys[taken:], values[taken:]
        counted += scorer.counts.mentions
    return counted
