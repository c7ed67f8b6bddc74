"""The procedures of the operations guide, with its own commands, on a Kafka of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.errors import EXIT_CONFIGURATION
from models.sentiment import load_scorer
from pipeline.assembly import read_watchlist
from pipeline.child import Child
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from pipeline.watch.checkpoint import Manifest, encode_manifest, manifest_key
from tests.support.kafka import JarKafka, KafkaUnavailableError
from tests.support.lacking import lack
from tests.support.roles import (
    DEMO_WATCHLIST,
    ROOT,
    Decided,
    count_records,
    read_decided,
    read_topic,
    run_command,
    send,
    start_role,
    until,
)
from tests.support.stream import MINUTE_MS, START_MS, Log, decide_undisturbed, make_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

GUIDE = ROOT / "docs/operations.md"
MINUTES = 400
POSTS = 32_000
CUT = 300
"""Minutes before a procedure: the crisis of the stream is at its height."""
SLOW = 6
"""Last minutes before the cut, told one after the other: the state is saved as in life."""
CHANGELOG = "czujka-watch-state-changelog"

Cluster = Callable[..., Settings]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Starts a Kafka, and gives the settings of roles on it: the default names of topics."""
    with ExitStack() as stack:

        def start(**overrides: Any) -> Settings:
            try:
                kafka = stack.enter_context(JarKafka())
            except KafkaUnavailableError as error:
                lack(str(error))
            given = {
                "bootstrap_servers": kafka.bootstrap_servers,
                "watchlist": DEMO_WATCHLIST,
                "state_dir": tmp_path / "state",
                "session_timeout_s": 4,
                "block_records": 256,
                "checkpoint_interval_s": 0.3,
                "flush_interval_s": 0.2,
            }
            return Settings(**(given | overrides))

        yield start


def commands(heading: str) -> list[str]:
    """What a chapter of the guide tells to run, in its order; text in brackets is not a step."""
    (chapter,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.M | re.S)
    steps = re.findall(r"^\d\. (.*)$", chapter, re.M)
    return [c for step in steps for c in re.findall(r"`(czujka [^`]+)`", step)]


def execute(line: str, settings: Settings, folder: Path) -> None:
    """Runs a command of the guide as a person would."""
    done = subprocess.run(
        ["sh", "-euc", line],
        cwd=folder,
        env={
            **os.environ,
            **environment_of(settings),
            "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands run; `czujka` is the code under test."""
    program = tmp_path / "czujka"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pipeline.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


@contextmanager
def at_work(settings: Settings, folder: Path, name: str) -> Iterator[list[Child]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(start_role(settings, role, folder / f"{name}-{role}.log"))
            for role in ("score", "watch")
        ]


def publish(settings: Settings, logs: list[Log]) -> None:
    for partition, log in enumerate(logs):
        send(settings, "posts", log, partition)


def stream(partitions: int) -> tuple[list[Log], list[Log]]:
    """Before and after the cut. What comes after it speaks of nothing before it."""
    cut_ms = START_MS + CUT * MINUTE_MS
    before: list[Log] = []
    after: list[Log] = []
    known: set[bytes] = set()
    for log in make_stream(POSTS, MINUTES, partitions, seed=1):
        parts: tuple[Log, Log] = ([], [])
        for key, value in log:
            record = json.loads(value)
            if record["type"] == "heartbeat":
                parts[record["until_ms"] > cut_ms].append((key, value))
            elif record["op"] == "create":
                late = record["observed_ms"] > cut_ms
                fresh = key not in known and record["created_ms"] >= cut_ms
                if not late or fresh:
                    parts[late].append((key, value))
                known.add(key)
        before.append(parts[0])
        after.append(parts[1])
    return before, after


def undisturbed(settings: Settings, logs: list[Log]) -> Decided:
    return decide_undisturbed(logs, read_watchlist(settings), settings, load_scorer())


def together(before: list[Log], after: list[Log]) -> list[Log]:
    return [first + second for first, second in zip(before, after, strict=True)]


@contextmanager
def live(settings: Settings, logs: list[Log], folder: Path, name: str) -> Iterator[list[Child]]:
    """Score and watch at work up to the cut, the last minutes slowly."""
    slow_ms = START_MS + (CUT - SLOW) * MINUTE_MS
    at = [
        next(i for i, (_, v) in enumerate(log) if json.loads(v).get("until_ms", 0) > slow_ms)
        for log in logs
    ]
    publish(settings, [log[:n] for log, n in zip(logs, at, strict=True)])
    rest = [log[n:] for log, n in zip(logs, at, strict=True)]
    with at_work(settings, folder, name) as roles:
        until(decided_up_to(settings, CUT - SLOW - 2), roles)
        for minute in range(SLOW):
            until_ms = slow_ms + (minute + 1) * MINUTE_MS
            for partition, log in enumerate(rest):
                n = 1 + max(
                    i for i, (_, v) in enumerate(log) if json.loads(v).get("until_ms") == until_ms
                )
                send(settings, "posts", log[:n], partition)
                rest[partition] = log[n:]
            until(decided_up_to(settings, CUT - SLOW + minute - 1), roles)
        yield roles


def decided_up_to(settings: Settings, minute: int) -> Callable[[], bool]:
    """Whether every partition of `series` has come to a minute of the stream."""
    bucket_ms = START_MS + minute * MINUTE_MS
    brands = {brand.id for brand in read_watchlist(settings).brands}

    def reached() -> bool:
        if count_records(settings, "series") == 0:
            return False
        points = (json.loads(record.value) for record in read_topic(settings, "series"))
        return {point["brand"] for point in points if point["bucket_ms"] >= bucket_ms} >= brands

    return reached


def mentions(points: Iterable[dict[str, Any]]) -> dict[tuple[str, int], int]:
    """By brand and minute of the stream, without those just before the cut."""
    return {
        (point["brand"], minute): point["mentions"]
        for point in points
        if not CUT - SLOW <= (minute := (point["bucket_ms"] - START_MS) // MINUTE_MS) < CUT
    }


def told(settings: Settings, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in read_topic(settings, topic)]


def test_the_state_of_another_release_is_refused_and_processing_again_tells_all_as_before(
    cluster: Cluster, folder: Path
) -> None:
    settings = cluster()
    create_topics(settings)
    logs = make_stream(POSTS, MINUTES, settings.posts_partitions, seed=1)
    expected = undisturbed(settings, logs)
    assert {alert["status"] for alert in expected.alerts.values()} >= {"firing", "resolved"}
    publish(settings, logs)
    with at_work(settings, folder, "first") as roles:
        until(lambda: count_records(settings, "series") >= len(expected.series), roles)
    alerts = count_records(settings, "alerts")
    put_state_of_another_release(settings)
    refused = refusal(settings, folder, logs)
    assert "version 99" in refused and "process again" in refused
    for line in commands("Process again from a point in time"):
        execute(line, settings, folder)
    with at_work(settings, folder, "again") as roles:
        until(lambda: count_records(settings, "series") >= 2 * len(expected.series), roles)
    assert count_records(settings, "alerts") == 2 * alerts
    found = read_decided(settings)  # which sees to it that what is told twice is told alike
    assert found.series == expected.series and found.alerts == expected.alerts


def put_state_of_another_release(settings: Settings) -> None:
    state = encode_manifest(Manifest(99, 0, 0, 0, 0, {}))
    for partition in range(settings.tallies_partitions):
        send(settings, CHANGELOG, [(manifest_key(partition), state)], partition)


def refusal(settings: Settings, folder: Path, logs: list[Log]) -> str:
    """What watch says that ends with a frame and a state that it cannot read."""
    for partition, log in enumerate(logs):
        send(settings, "posts", log[-1:], partition)  # a heartbeat, so that there is a frame
    said = folder / "refused-watch.log"
    with (
        start_role(settings, "score", folder / "refused-score.log"),
        start_role(settings, "watch", said) as watch,
    ):
        assert watch.wait(100) == EXIT_CONFIGURATION
    assert "Traceback" not in said.read_text()
    (line,) = (line for line in said.read_text().splitlines() if "CRITICAL" in line)
    return line


def test_what_was_learned_outlives_more_partitions_and_a_move_to_another_cluster(
    cluster: Cluster, folder: Path
) -> None:
    settings = cluster()
    create_topics(settings)
    before, after = stream(settings.posts_partitions)
    expected = undisturbed(settings, together(before, after))
    save, *restore = commands("Backup and restore")
    with live(settings, before, folder, "old"):
        execute(save, settings, folder)
    known = told(settings, "alerts")

    more = settings.model_copy(update={"posts_partitions": settings.posts_partitions + 2})
    for line in commands("More partitions"):
        execute(line, more, folder)
    publish(more, stream(more.posts_partitions)[1])
    with at_work(more, folder, "more") as roles:
        until(decided_up_to(more, MINUTES - 2), roles)
    assert mentions(told(more, "series")) == mentions(expected.series.values())
    goes_on(told(more, "alerts"), expected)

    new = cluster()
    for line in restore:
        execute(line, new, folder)
    assert told(new, "alerts") == known
    publish(new, after)
    with at_work(new, folder, "new") as roles:
        until(decided_up_to(new, MINUTES - 2), roles)
    goes_on(told(new, "alerts"), expected)
    done = run_command(new, "topics", "restore", folder / "czujka.backup")
    assert done.returncode == EXIT_CONFIGURATION
    assert "must be empty" in done.stderr and "--recreate alerts" in done.stderr


def goes_on(alerts: list[dict[str, Any]], expected: Decided) -> None:
    """The crisis that was there at the cut is over at the end, under its own identity."""
    cut = datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(minutes=CUT - SLOW)
    crises = {
        alert_id
        for (alert_id, _), alert in expected.alerts.items()
        if alert["status"] == "resolved"
        and alert.get("fired_at")
        and datetime.fromisoformat(alert["fired_at"]) < cut
        and datetime.fromisoformat(alert["resolved_at"]) > cut
    }
    assert crises
    assert crises <= {alert["alert_id"] for alert in alerts if alert["status"] == "resolved"}
