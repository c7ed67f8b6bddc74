from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from models.errors import EXIT_FAILED
from pipeline.role import Pulse, StopLimit, run_role, run_until


async def forever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def test_works_are_cancelled_when_the_role_is_told_to_stop() -> None:
    stop, ended = asyncio.Event(), list[str]()
    running = asyncio.create_task(run_until(stop, forever(ended), forever(ended)))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert ended == ["ended", "ended"]


async def test_the_failure_of_one_work_ends_the_others_and_is_told() -> None:
    async def fail() -> None:
        raise OSError("disk full")

    ended: list[str] = []
    with pytest.raises(OSError, match="disk full"):
        await run_until(asyncio.Event(), forever(ended), fail())
    assert ended == ["ended"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_role_in_order(number: signal.Signals) -> None:
    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()

    assert run_role(main, stop_timeout_s=60) == 0


@pytest.mark.parametrize(
    ("begun", "error", "told"),
    [
        (True, asyncio.CancelledError(), False),
        (True, OSError("disk full"), True),
        (False, asyncio.CancelledError(), True),
    ],
)
def test_a_thread_cancelled_while_the_role_stops_is_not_told_of(
    begun: bool, error: BaseException, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda ended: heard.append(ended.exc_type))
    usual = threading.excepthook

    def fail() -> None:
        raise error

    with StopLimit(60) as limit:
        if begun:
            limit.begin()
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert heard == ([type(error)] if told else [])
    assert threading.excepthook is usual


async def test_a_pulse_beats_while_the_loop_turns() -> None:
    assert Pulse(limit_s=60).beats()
    assert not Pulse(limit_s=0).beats()


async def test_a_pulse_beats_as_long_as_the_work_that_it_accompanies() -> None:
    pulse, beats = Pulse(limit_s=0.3), list[bool]()

    async def work() -> None:
        for _ in range(50):
            await asyncio.sleep(0.02)
            beats.append(pulse.beats())
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await pulse.accompany(work())
    assert all(beats)


def test_a_role_that_cannot_end_in_order_ends_at_once_and_says_so() -> None:
    stuck = (
        "import asyncio, os, signal\n"
        "from pipeline.role import run_role\n"
        "async def main(stop):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await stop.wait()\n"
        "    await asyncio.Event().wait()\n"
        "run_role(main, stop_timeout_s=0.1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", stuck], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == EXIT_FAILED
    (line,) = done.stderr.splitlines()
    assert "not done within 0.1 s" in line and "nothing is lost" in line
