"""Tells open pages that there is something new, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.ledger import Ledger

LEAST_INTERVAL_S = 1.0
"""Pages hear of changes no more often than this."""
KEEP_ALIVE_S = 15.0
"""A silent connection says that it is alive this often, so that no proxy cuts it."""


@dataclass(eq=False)
class Changes:
    """Wakes whoever follows a ledger.

    Args:
        ledger: its version is what the events carry.
        least_interval_s: between two events of one follower.
        keep_alive_s: a comment is sent after such a silence.
    """

    ledger: Ledger
    least_interval_s: float = LEAST_INTERVAL_S
    keep_alive_s: float = KEEP_ALIVE_S
    _followers: set[asyncio.Event] = field(default_factory=set)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def announce(self) -> None:
        """Says that the ledger has changed; for the event loop's thread."""
        for follower in self._followers:
            follower.set()

    def close(self) -> None:
        """Ends every stream, so that the server can stop."""
        self._closing.set()
        self.announce()

    @property
    def followers(self) -> int:
        """How many streams are open."""
        return len(self._followers)

    async def events(self) -> AsyncIterator[str]:
        """The stream of one page: the version now, then each time that it changes."""
        woken = asyncio.Event()
        self._followers.add(woken)
        try:
            yield f"retry: {int(self.least_interval_s * 1000)}\n\n"
            told = -1
            while not self._closing.is_set():
                if self.ledger.version != told:
                    told = self.ledger.version
                    yield f"id: {told}\nevent: change\ndata: {told}\n\n"
                    await self._pause(self.least_interval_s)
                woken.clear()
                if self.ledger.version != told or self._closing.is_set():
                    continue
                try:
                    await asyncio.wait_for(woken.wait(), self.keep_alive_s)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._followers.discard(woken)

    async def _pause(self, seconds: float) -> None:
        """Sleeps, but not through the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
