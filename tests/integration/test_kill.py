"""Nothing is lost and nothing counted twice on a real Kafka when workers end, or seem to."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from models.errors import EXIT_OK
from models.sentiment import load_scorer
from pipeline.assembly import read_watchlist
from pipeline.child import Child
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.roles import (
    DEMO_WATCHLIST,
    Decided,
    count_records,
    read_decided,
    read_topic,
    send,
    start_role,
    until,
)
from tests.support.stream import Log, decide_undisturbed, make_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

LIMIT_S = 300
SESSION_S = 4
"""So long the group waits for a killed worker."""
CHUNK = 4_000
End = Literal["killed", "told to stop", "paused"]


@dataclass
class Workers:
    """Workers of one role; any of them may end, and is replaced."""

    settings: Settings
    role: str
    folder: Path
    stack: ExitStack
    running: list[Child] = field(default_factory=list)
    paused: list[Child] = field(default_factory=list)
    starts: int = 0
    ends: int = 0

    def start(self) -> None:
        log = self.folder / f"{self.role}-{self.starts}.log"
        self.starts += 1
        self.running.append(self.stack.enter_context(start_role(self.settings, self.role, log)))

    def replace(self, rng: random.Random, end: End) -> None:
        self.wake()
        one = rng.choice(self.running)
        assert one.running, one.tail()
        self.running.remove(one)
        if end == "killed":
            one.kill()
        elif end == "paused":
            one.signal(signal.SIGSTOP)
            self.paused.append(one)
        else:
            one.signal(signal.SIGTERM)
            # One that has only just begun has nothing to bring to an end.
            assert one.wait(LIMIT_S) in (EXIT_OK, -signal.SIGTERM), one.tail()
        self.ends += 1
        self.start()

    def tend(self) -> None:
        """Starts those again who saw that a frame was missing; nobody else may have ended."""
        for one in [one for one in self.running if not one.running]:
            assert "nothing is lost: frames" in one.tail(), f"{one.log.name}: {one.tail()}"
            self.running.remove(one)
            self.start()

    def wake(self) -> None:
        """Lets those go on that were paused, beside those who have their partitions now."""
        for one in self.paused:
            one.signal(signal.SIGCONT)
        self.running += self.paused
        self.paused = []


def publish(settings: Settings, logs: list[Log], started: threading.Event) -> threading.Thread:
    """Publishes beside us, all partitions alternating."""

    def work() -> None:
        for at in range(0, max(map(len, logs)), CHUNK):
            for partition, log in enumerate(logs):
                send(settings, "posts", log[at : at + CHUNK], partition)
            started.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def points_due(rng: random.Random, ends: int) -> list[float]:
    """Shares of the series at which somebody ends: spread, each at a random place."""
    return [(number + rng.uniform(0.1, 0.9)) / (ends + 1) for number in range(ends)]


def run_disturbed(
    settings: Settings,
    logs: list[Log],
    expected: Decided,
    folder: Path,
    ends: int,
    workers: int,
    end: End,
) -> Decided:
    """The whole way on the broker; at random points of the stream, somebody ends."""
    rng = random.Random(20)
    create_topics(settings)
    with ExitStack() as stack:
        roles = [Workers(settings, role, folder, stack) for role in ("score", "watch")]

        def wait(condition: Callable[[], bool], every_s: float) -> None:
            def holds() -> bool:
                for role in roles:
                    role.tend()
                return condition()

            until(holds, limit_s=LIMIT_S, every_s=every_s)

        for role in roles:
            role.start()
        started = threading.Event()
        publishing = publish(settings, logs, started)
        assert started.wait(LIMIT_S)
        plan = sorted((point, role) for role in range(2) for point in points_due(rng, ends))
        if workers == 2:
            plan = [(0.05, 2), *plan]
        in_mid_stream = 0
        for point, number in plan:
            due = point * len(expected.series)
            wait(lambda due=due: count_records(settings, "series") >= due, 0.2)
            in_mid_stream += count_records(settings, "series") < len(expected.series)
            if number == 2:
                for role in roles:
                    role.start()  # the partitions are shared out anew in mid-stream
            else:
                roles[number].replace(rng, end)
        assert [role.ends for role in roles] == [ends, ends]
        assert in_mid_stream, "nobody was disturbed"
        for role in roles:
            role.wake()
        publishing.join(LIMIT_S)
        wait(lambda: is_complete(settings, expected), 1)
    return read_decided(settings)


def is_complete(settings: Settings, expected: Decided) -> bool:
    if count_records(settings, "series") < len(expected.series):
        return False
    return len(read_decided(settings).series) >= len(expected.series)


@pytest.mark.parametrize(
    ("posts", "ends", "workers", "end"),
    [
        pytest.param(200_000, 4, 1, "killed", id="one-worker-each-killed-200-000-posts"),
        pytest.param(60_000, 2, 2, "killed", id="two-workers-each-killed-and-a-rebalance"),
        pytest.param(60_000, 2, 2, "told to stop", id="two-workers-each-told-to-stop"),
        pytest.param(60_000, 2, 1, "paused", id="one-worker-each-paused-beyond-its-session"),
    ],
)
def test_workers_that_end_leave_every_bucket_and_alert_as_if_nothing_had_happened(
    posts: int,
    ends: int,
    workers: int,
    end: End,
    tmp_path: Path,
    kafka_settings: Callable[..., Settings],
) -> None:
    settings = kafka_settings(
        watchlist=DEMO_WATCHLIST,
        state_dir=tmp_path / "state",
        session_timeout_s=SESSION_S,
        block_records=1024,
        checkpoint_interval_s=2.0,
    )
    logs = make_stream(posts, 1200, settings.posts_partitions, seed=1)
    expected = decide_undisturbed(logs, read_watchlist(settings), settings, load_scorer())
    assert {"firing", "resolved"} <= {alert["status"] for alert in expected.alerts.values()}
    found = run_disturbed(settings, logs, expected, tmp_path, ends, workers, end)
    assert found.series == expected.series
    assert found.alerts == expected.alerts
    assert not read_topic(settings, "dead-letters")
