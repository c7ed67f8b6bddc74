"""The history of all brands: read from the topics once somebody asks, and kept up to date.

For hundreds of brands over weeks reading takes minutes, so it goes on in the background and says
how far it has come. The feed tells what is news from the moment that reading begins; what both
tell counts once. Kept are sums of hours, some 300 bytes each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from models.alert import CrisisAlert
from models.series import SeriesPoint
from pipeline.feed import Erased, News, Said
from pipeline.report.history import History
from pipeline.report.reading import Tell

PATIENCE_S = 2.0
"""So long an asker waits before being told how far it is."""
KEPT = timedelta(days=90)

ReadHistory = Callable[[History, Tell], Awaitable[object]]
"""Reads all that the topics have into a history, and tells how far it is."""


class Weeks:
    """Keeps the history.

    Args:
        read: reads the topics.
    """

    def __init__(self, read: ReadHistory) -> None:
        self._read = read
        self._history = History()
        self._reading: asyncio.Task[object] | None = None
        self._pruned_at: datetime | None = None
        self.share = 0.0
        """How much was read, in [0, 1]."""

    def hear(self, news: Sequence[News]) -> None:
        """Takes what is news; before anybody asked there is nothing to keep up to date."""
        if self._reading is None:
            return
        for item in news:
            record = item.record
            if isinstance(record, SeriesPoint):
                self._history.take_point(record)
            elif isinstance(record, CrisisAlert):
                self._history.take_alert(record)
            elif isinstance(record, Erased):
                self._history.forget_alert(record.alert_id)
            elif isinstance(record, Said):
                self._history.take_answer(record.key, record.answer)
        self._prune()

    async def history(self) -> History | None:
        """The history; None while it is being read.

        Raises:
            UserError: it cannot be read. The next asker begins anew.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._begin())
        reading = self._reading
        await asyncio.wait([reading], timeout=PATIENCE_S)
        if not reading.done():
            return None
        if reading.exception() is not None and self._reading is reading:
            self._reading = None
        await reading
        return self._history

    async def _begin(self) -> None:
        self._history = History()
        self.share = 0.0
        await self._read(self._history, self._tell)

    def _tell(self, share: float) -> None:
        self.share = share

    def _prune(self) -> None:
        newest = self._history.newest
        if newest is None:
            return
        if self._pruned_at is None or newest - self._pruned_at >= timedelta(days=1):
            self._pruned_at = newest
            self._history.forget_before(newest - KEPT)
