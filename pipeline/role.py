"""How a role runs: on an event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine


def run_role(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Runs a role on an event loop of its own, until SIGINT or SIGTERM.

    Args:
        main: gets an event that is set when the role shall stop; returns when it has.

    Returns:
        The exit code, 0.
    """
    # The client logs an error at each of its many attempts to reach a broker; a role says it
    # once when the broker goes and once when it is back.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def supervise() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await main(stop)

    asyncio.run(supervise())
    return 0


async def run_until(stop: asyncio.Event, *works: Coroutine[object, object, None]) -> None:
    """Runs endless works side by side until `stop` is set or one of them ends; cancels the rest.

    Raises:
        BaseException: what a work raised.
    """
    tasks = [asyncio.create_task(work) for work in works]
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        stopping.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(stopping, *tasks, return_exceptions=True)


class Pulse:
    """Tells another thread whether the event loop still turns.

    Args:
        limit_s: without a beat for this long the loop counts as stuck.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last_s = time.monotonic()

    def beats(self) -> bool:
        """Whether the loop turned within the limit."""
        return time.monotonic() - self._last_s < self._limit_s

    async def run(self) -> None:
        """Beats until cancelled."""
        while True:
            self._last_s = time.monotonic()
            await asyncio.sleep(self._limit_s / 30)

    async def accompany(self, work: Awaitable[None]) -> None:
        """Beats while a work runs; raises what it raises."""
        beats = asyncio.create_task(self.run())
        try:
            await work
        finally:
            beats.cancel()
