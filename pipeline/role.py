"""How a role runs: on an event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Self

from models.errors import EXIT_FAILED

log = logging.getLogger(__name__)


class StopLimit:
    """Bounds how long the end of a process may take, from `begin` to the end of its ``with``.

    Clients of Kafka wait for a broker that is gone: for a commit, a flush, an answer. Past the
    limit the process ends as by a kill, which every role bears: what was not acknowledged is done
    again.

    Args:
        limit_s: see `Settings.stop_timeout_s`.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timer = threading.Timer(limit_s, self._end)
        self._timer.daemon = True
        self._begun = False
        self._usual_hook = threading.excepthook

    def begin(self) -> None:
        """Notes that the process was told to stop; once is enough."""
        if not self._begun:
            self._begun = True
            threading.excepthook = self._tell_of_thread
            self._timer.start()

    def __enter__(self) -> Self:
        """Waits for nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ended in order."""
        self._timer.cancel()
        threading.excepthook = self._usual_hook

    def _tell_of_thread(self, ended: threading.ExceptHookArgs) -> None:
        """A client's thread that is cancelled while it waits for a broker has nothing to say."""
        if issubclass(ended.exc_type, asyncio.CancelledError):
            log.debug("thread %s was cancelled", ended.thread.name if ended.thread else "?")
        else:
            self._usual_hook(ended)

    def _end(self) -> None:
        log.error(
            "told to stop and not done within %g s (is the broker away?): ends at once; nothing is "
            "lost, what was open is done again",
            self._limit_s,
        )
        os._exit(EXIT_FAILED)


def run_role(main: Callable[[asyncio.Event], Awaitable[None]], stop_timeout_s: float) -> int:
    """Runs a role on an event loop of its own, until SIGINT or SIGTERM.

    Args:
        main: gets an event that is set when the role shall stop; returns when it has.
        stop_timeout_s: if it has not within this, the process ends with exit code 1.

    Returns:
        The exit code, 0.
    """
    # The client logs an error at each of its many attempts to reach a broker; a role says it
    # once when the broker goes and once when it is back.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    with StopLimit(stop_timeout_s) as limit:
        asyncio.run(_supervise(main, limit))
    return 0


async def _supervise(main: Callable[[asyncio.Event], Awaitable[None]], limit: StopLimit) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop, limit)
    await main(stop)


def stop_on_signals(stop: asyncio.Event, limit: StopLimit) -> None:
    """Lets SIGINT and SIGTERM set an event of the running loop, and the time for the end begin."""

    def told() -> None:
        limit.begin()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)


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
