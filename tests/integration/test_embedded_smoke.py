"""The demonstration on the embedded broker: the story is told, the verdict counts, all ends."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from models.errors import UserError
from pipeline.child import Child
from pipeline.embedded import find_binary
from pipeline.settings import Settings
from tests.support.lacking import lack
from tests.support.roles import ROOT, command, environment, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LIMIT_S = 100
ROLES = {"broker", "score", "watch", "exporter", "console", "connect"}


@pytest.fixture
def demo(tmp_path: Path):
    """Starts the demonstration with arguments; it is ended with the test."""
    try:
        find_binary()
    except UserError as error:
        lack(str(error))
    started: list[Child] = []

    def start(*arguments: object) -> Child:
        os.chdir(ROOT)
        argv = command("demo", *arguments, "--logs", tmp_path / "logs")
        started.append(Child(argv, tmp_path / "demo.log", environment(Settings())))
        return started[-1]

    before = Path.cwd()
    yield start
    os.chdir(before)
    for child in started:
        child.stop()


def children_of(pid: int) -> set[int]:
    """Processes that a process started."""
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):
            found |= set(map(int, task.read_text().split()))
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and not a mere entry that nobody has collected."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_the_story_is_told_to_its_end_and_judged_right(demo, tmp_path: Path) -> None:
    child = demo("--exit")
    assert child.wait(240) == 0, child.tail(40)
    told = child.log.read_text()
    assert re.search(r"the crisis of \S+ fired \d+ min after it began and resolved at", told)
    assert re.search(r"the giveaway of \S+ did not fire as a crisis", told)
    assert {log.stem for log in (tmp_path / "logs").glob("*.log")} == ROLES


def test_ctrl_c_stops_every_child(demo) -> None:
    child = demo()
    until(lambda: len(children_of(child.pid)) == len(ROLES), [child], every_s=0.1)
    children = children_of(child.pid)
    child.signal(signal.SIGINT)
    assert child.wait(LIMIT_S) in (0, 130), child.tail()
    until(lambda: not any(map(runs, children)), limit_s=LIMIT_S)


def test_a_child_that_dies_ends_the_demonstration_with_the_end_of_its_log(demo) -> None:
    child = demo()
    logs = child.log.parent / "logs"
    until(lambda: len(children_of(child.pid)) == len(ROLES), [child], every_s=0.1)
    victim = next(pid for pid in children_of(child.pid) if "score" in command_line(pid))
    os.kill(victim, signal.SIGKILL)
    assert child.wait(LIMIT_S) == 2, child.tail()
    assert "score ended with exit code -9" in child.log.read_text()
    assert (logs / "score.log").exists()


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
