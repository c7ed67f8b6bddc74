"""Carries the pages of a source to the broker, and remembers how far it came.

The order is what makes it lossless: posts, then the heartbeat that speaks of them; flush, and only
then the cursor. Whatever is killed in between is published again after a restart, under the same
ids, and counted once by those who read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Protocol

from connectors.base import Acknowledging, Gap, Page, Pages, Reject, Source
from connectors.clock import Clock, WallClock
from connectors.cursors import Cursors
from connectors.errors import (
    Backoff,
    ConnectorError,
    PublishError,
    RateLimitedError,
    RetryError,
    SpendCapError,
)
from connectors.metrics import ConnectorMetrics
from models.post import EARLIEST_MS, Heartbeat, Missed, Post

log = logging.getLogger(__name__)

CURSOR_INTERVAL_S = 1.0
"""The cursor is saved about that often, and at the end."""
BACKOFF = Backoff()
"""Of sources that know no other."""
STABLE_AFTER_S = 60.0
"""A connection that lasted this long, or that gave posts, ends a row of failures."""


class Sink(Protocol):
    """Where records go; `connectors.publisher.Publisher` is one. All methods may block."""

    def post(self, post: Post) -> None:
        """Takes a post."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Takes a heartbeat, to stand behind all posts before it."""
        ...

    def dead_letter(self, reject: Reject, source: str) -> None:
        """Takes what could not become a post."""
        ...

    def flush(self) -> None:
        """Returns when everything is kept."""
        ...


@dataclass(slots=True)
class Totals:
    """What a run carried.

    Attributes:
        first_reject: the first record that could not become a post, to show to a person.
        finished: the source gave its final page.
    """

    posts: int = 0
    rejects: int = 0
    heartbeats: int = 0
    retries: int = 0
    gaps: int = 0
    first_reject: Reject | None = None
    finished: bool = False


class Runner:
    """Runs one source until it ends or is told to stop.

    Args:
        source: where pages come from.
        sink: where records go.
        cursors: where to go on.
        metrics: counts what happens.
        clock: tells when to save and how long to wait.
        rng: jitter of the waits.
    """

    def __init__(
        self,
        source: Source,
        sink: Sink,
        cursors: Cursors,
        metrics: ConnectorMetrics | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._cursors = cursors
        self._metrics = metrics or ConnectorMetrics()
        self._clock = clock or WallClock()
        self._rng = rng or Random()
        self._cursor: str | None = None
        self._saved: str | None = None
        self._saved_at_s = self._clock.monotonic_s()
        self._failures = 0
        self.totals = Totals()

    async def run(self, stop: asyncio.Event) -> Totals:
        """Carries pages until the source ends or `stop` is set; then flushes and saves.

        Returns:
            What was carried.

        Raises:
            PublishError: the broker did not take a record; the cursor stays where it was.
            ConfigurationError, FatalError: from the source; what came before is saved.
        """
        self._cursor = self._saved = self._cursors.load(self._source.name)
        while not (stop.is_set() or self.totals.finished):
            try:
                await self._carry(stop)
            except RetryError as error:
                wait_s = self._backoff_s(error.backoff or BACKOFF) + (error.after_s or 0.0)
                await self._pause("broken", wait_s, error, stop)
            except RateLimitedError as error:
                wait_s = max(0.0, (error.until_ms - self._clock.now_ms()) / 1000)
                await self._pause("rate-limited", wait_s, error, stop)
            except SpendCapError as error:
                wait_s = max(0.0, (error.until_ms - self._clock.now_ms()) / 1000)
                capped = self._metrics.capped.labels(self._source.name)
                capped.set(1)
                await self._pause("spend-cap", wait_s, error, stop)
                capped.set(0)
            except PublishError:
                raise
            except ConnectorError:
                await self._save()
                raise
        await self._save()
        return self.totals

    async def _carry(self, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        opened_s = self._clock.monotonic_s()
        kept = self._source if isinstance(self._source, Acknowledging) else None
        try:
            async with aclosing(self._source.pages(self._cursor)) as pages:
                while (page := await self._next_or_stop(pages, stopping)) is not None:
                    await asyncio.to_thread(self._publish, page)
                    if page.posts or self._clock.monotonic_s() - opened_s >= STABLE_AFTER_S:
                        self._failures = 0
                    if page.cursor is not None:
                        self._cursor = page.cursor
                        if kept is not None:
                            await self._save()
                            kept.acknowledge(page.cursor)
                    if page.final:
                        self.totals.finished = True
                        return
                    if self._clock.monotonic_s() - self._saved_at_s >= CURSOR_INTERVAL_S:
                        await self._save()
        finally:
            stopping.cancel()

    def _publish(self, page: Page) -> None:
        source = self._source.name
        for post in page.posts:
            self._sink.post(post)
        for op, count in Counter(post.op for post in page.posts).items():
            self._metrics.posts.labels(source, op.value).inc(count)
        for reject in page.rejects:
            self._sink.dead_letter(reject, source)
        self.totals.posts += len(page.posts)
        if page.rejects:
            self.totals.rejects += len(page.rejects)
            self.totals.first_reject = self.totals.first_reject or page.rejects[0]
            for kind, count in Counter(reject.kind for reject in page.rejects).items():
                self._metrics.rejects.labels(source, kind).inc(count)
        missed = None
        if page.gap is not None:
            self._record(page.gap)
            missed = Missed(from_ms=page.gap.from_ms, to_ms=page.gap.to_ms)
        if page.until_ms is not None:
            until_ms = page.until_ms
        elif missed is not None:
            until_ms = missed.from_ms  # all before was seen; who reads takes the largest word
        elif page.final:
            until_ms = EARLIEST_MS
        else:
            return
        self._sink.heartbeat(
            Heartbeat(
                source=source,
                until_ms=until_ms,
                sent_ms=self._clock.now_ms(),
                final=page.final,
                gap=missed,
            )
        )
        self.totals.heartbeats += 1
        self._metrics.heartbeats.labels(source).inc()
        self._metrics.until.labels(source).set(until_ms / 1000)

    def _record(self, gap: Gap) -> None:
        """Tells people that posts are missing; the heartbeat tells those who read the topic."""
        source = self._source.name
        lost_s = max(0.0, (gap.to_ms - gap.from_ms) / 1000)
        log.error("%s: %.0f s of posts are lost: %s", source, lost_s, gap.reason)
        self.totals.gaps += 1
        self._metrics.gaps.labels(source).inc()
        self._metrics.gap_seconds.labels(source).inc(lost_s)

    async def _save(self) -> None:
        """Flushes, and only then keeps the cursor."""
        await asyncio.to_thread(self._sink.flush)
        self._saved_at_s = self._clock.monotonic_s()
        if self._cursor is not None and self._cursor != self._saved:
            await asyncio.to_thread(self._cursors.save, self._source.name, self._cursor)
            self._saved = self._cursor
            self._metrics.cursor_saved.labels(self._source.name).set(self._clock.now_ms() / 1000)

    async def _pause(
        self, reason: str, wait_s: float, error: ConnectorError, stop: asyncio.Event
    ) -> None:
        await self._save()
        log.warning("%s: %s; again in %.1f s", self._source.name, error, wait_s)
        self._metrics.retries.labels(self._source.name, reason).inc()
        self.totals.retries += 1
        waits = [
            asyncio.create_task(self._clock.sleep(wait_s)),
            asyncio.create_task(stop.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _next_or_stop(self, pages: Pages, stopping: asyncio.Task[bool]) -> Page | None:
        """The next page; None when it is time to stop. While none comes, the cursor is saved.

        Raises:
            RetryError: the source ended without a final page.
        """
        waiting = asyncio.ensure_future(anext(pages, None))
        try:
            while not (waiting.done() or stopping.done()):
                unsaved = self._cursor is not None and self._cursor != self._saved
                done, _ = await asyncio.wait(
                    {waiting, stopping},
                    timeout=CURSOR_INTERVAL_S if unsaved else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    await self._save()
            if not waiting.done():
                return None
            page = waiting.result()
            if page is None:
                raise RetryError("the source broke off")
            return page
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    def _backoff_s(self, backoff: Backoff) -> float:
        wait_s = backoff.wait_s(self._failures, self._rng)
        self._failures += 1
        return wait_s
