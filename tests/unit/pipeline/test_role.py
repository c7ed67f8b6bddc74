from __future__ import annotations

import asyncio
import os
import signal

import pytest

from pipeline.role import Pulse, run_role, run_until


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

    assert run_role(main) == 0


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
