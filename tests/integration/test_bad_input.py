"""Bad input on real topics: it is kept or counted, said clearly, and loses nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from models.errors import EXIT_CONFIGURATION
from models.post import Heartbeat, Post, encode
from pipeline.embedded import free_port
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.roles import (
    DEMO_WATCHLIST,
    count_records,
    read_decided,
    read_topic,
    run_command,
    send,
    start_role,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MINUTE_MS = 60_000
T = 1_750_000_000_000 // MINUTE_MS * MINUTE_MS
DAY_MS = 24 * 60 * MINUTE_MS
BROKER_SAID_WITHIN_S = 10
"""What the issue promises; the rest of the time a process needs is for its start."""


@pytest.fixture
def settings(kafka_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return kafka_settings(
        watchlist=DEMO_WATCHLIST, state_dir=tmp_path / "state", flush_interval_s=0.2
    )


def post(number: int, text: str = "Orzeł Air is late", **fields: int) -> bytes:
    given = {"created_ms": T, "observed_ms": T} | fields
    return encode(Post(platform="x", native_id=str(number), text=text, source="test", **given))


def beat(minutes: int, final: bool = False) -> bytes:
    until_ms = T + minutes * MINUTE_MS
    return encode(Heartbeat(source="test", until_ms=until_ms, sent_ms=until_ms, final=final))


def test_every_bad_record_is_a_dead_letter_with_its_place_and_all_others_count(
    settings: Settings, tmp_path: Path
) -> None:
    create_topics(settings)
    far = {"created_ms": T + 2 * DAY_MS, "observed_ms": T + 2 * DAY_MS}
    bad: dict[bytes, str] = {
        b'{"type":"post",': "invalid-json",
        b'{"type":"post","text":"\xff\xfe"}': "invalid-utf8",
        b"": "empty",
        b'{"type":"like","version":1}': "unknown-type",
        post(90).replace(b'"version":1', b'"version":2'): "unsupported-version",
        post(91, **far): "future",
        b"x" * 900_000: "invalid-json",
    }
    good = [
        post(1),
        post(2, created_ms=T + 3 * DAY_MS),  # its platform's clock is wrong: counts as observed
        post(3, text=""),
        post(4, text="Orzeł Air " + "a" * 900_000),
        post(5, created_ms=0, observed_ms=0),  # from long ago: late
    ]
    mixed = [record for pair in zip(bad, [*good, *good], strict=False) for record in pair]
    with ExitStack() as stack:
        roles = [
            stack.enter_context(start_role(settings, role, tmp_path / f"{role}.log"))
            for role in ("score", "watch")
        ]
        send(settings, "posts", [(None, beat(0)), *((b"a-key", r) for r in bad)], 0)
        send(settings, "posts", [(None, r) for r in (beat(0), post(0), *mixed)], 1)
        send(settings, "tallies", [(None, b"\xc1 garbage"), (None, b"")], 0)
        for partition in range(settings.posts_partitions):
            send(settings, "posts", [(None, beat(20, final=True))], partition)
        until(lambda: len(read_decided(settings).series) > 0, roles)
        until(lambda: count_records(settings, "dead-letters") >= 2 * len(bad) + 2, roles)
    letters = read_topic(settings, "dead-letters")
    where = {
        (headers["topic"], headers["partition"], headers["offset"]): (record, headers["reason"])
        for record in letters
        for headers in [{name: value.decode() for name, value in record.headers}]
    }
    posts, tallies = settings.topic("posts"), settings.topic("tallies")
    for offset, (value, reason) in enumerate(bad.items(), start=1):
        record, said = where[posts, "0", str(offset)]
        assert said == reason
        assert (record.value or b"") == value[: 512 * 1024]
        assert record.key == b"a-key"
    assert {where[tallies, "0", str(offset)][1] for offset in range(2)} == {"invalid-frame"}
    assert len(where) == 2 * len(bad) + 2
    series = read_decided(settings).series
    assert sum(p["mentions"] for (brand, _), p in series.items() if brand == "orzel-air") == 5
    assert sum(p["late"] for p in series.values()) == 1


def test_a_frame_of_garbage_does_not_hold_up_what_is_acknowledged_behind_it(
    settings: Settings, tmp_path: Path
) -> None:
    create_topics(settings)
    for partition in range(settings.tallies_partitions):
        send(settings, "tallies", [(None, b"garbage")], partition)

    def tell(minutes: int, *posts: bytes) -> None:
        for partition in range(settings.posts_partitions):
            records = [*posts, beat(minutes)] if partition == 0 else [beat(minutes)]
            send(settings, "posts", [(None, record) for record in records], partition)

    fast = Settings(**(settings.model_dump(exclude_unset=True) | {"checkpoint_interval_s": 0.1}))
    with ExitStack() as stack:
        score = stack.enter_context(start_role(fast, "score", tmp_path / "score.log"))
        watch = stack.enter_context(start_role(fast, "watch", tmp_path / "watch.log"))
        minutes = iter(range(2, 1000))

        def committed() -> bool:
            minute = next(minutes)
            tell(minute, post(minute, created_ms=T + minute * MINUTE_MS))
            offsets = committed_offsets(settings)
            return len(offsets) == settings.tallies_partitions and min(offsets.values()) > 1

        until(committed, [score, watch], every_s=1)
        watch.kill()
        again = stack.enter_context(start_role(fast, "watch", tmp_path / "watch-again.log"))
        known = len(read_decided(settings).series)
        until(lambda: committed() and len(read_decided(settings).series) > known, [score, again])
    assert count_records(settings, "dead-letters") == settings.tallies_partitions


def committed_offsets(settings: Settings) -> dict[int, int]:
    """What the group of watch has acknowledged, by partition of `tallies`."""
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    try:
        group = settings.group("watch")
        offsets = admin.list_group_offsets([group])[group]
    finally:
        admin.close()
    return {
        tp.partition: found.offset
        for tp, found in offsets.items()
        if tp.topic == settings.topic("tallies")
    }


@pytest.mark.parametrize("broken", ["{", "\x00", '{"type":"like"}'])
def test_a_stream_that_is_not_of_posts_stops_score_with_exit_code_2(
    settings: Settings, tmp_path: Path, broken: str
) -> None:
    create_topics(settings)
    send(settings, "posts", [(None, broken.encode())] * 2_100, 0)
    done = run_command(settings, "score")
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("czujka: ")]
    assert "this is not a stream of posts" in line and "dead-letters" in line


def roles_without(settings: Settings, file: Path) -> dict[str, list[object]]:
    return {
        "score": ["score"],
        "watch": ["watch"],
        "connect": ["connect", "simulator"],
        "replay": ["replay", file],
        "topics": ["topics", "check"],
    }


@pytest.mark.parametrize("role", ["score", "watch", "connect", "replay", "topics"])
def test_a_broker_that_is_not_there_is_told_in_one_line(role: str, tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(post(1))
    settings = Settings(
        bootstrap_servers=f"127.0.0.1:{free_port()}",
        watchlist=DEMO_WATCHLIST,
        state_dir=tmp_path / "state",
    )
    assert settings.connect_timeout_s < BROKER_SAID_WITHIN_S
    done = run_command(settings, *roles_without(settings, file)[role])
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    [line] = done.stderr.splitlines()
    assert settings.bootstrap_servers in line and "--bootstrap-servers" in line


@pytest.mark.parametrize("role", ["score", "watch", "connect"])
def test_a_topic_with_another_number_of_partitions_is_told_with_the_way_to_mend_it(
    settings: Settings, role: str
) -> None:
    create_topics(settings)
    three = {"posts_partitions": 3, "tallies_partitions": 3}
    other = Settings(**(settings.model_dump(exclude_unset=True) | three))
    done = run_command(other, *roles_without(other, Path("unused"))[role])
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("czujka: ")]
    assert "has partitions 4, expected 3" in line and "CZUJKA_" in line


@pytest.mark.parametrize("role", ["score", "watch", "connect"])
def test_topics_that_are_missing_are_told_with_the_command_that_makes_them(
    settings: Settings, role: str
) -> None:
    done = run_command(settings, *roles_without(settings, Path("unused"))[role])
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    assert "czujka topics create" in done.stderr
