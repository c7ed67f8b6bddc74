"""Replays time: wraps a source so that its posts come as far apart as they once did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from connectors.base import Page, Pages, Source
from connectors.clock import Clock, WallClock
from connectors.errors import ConfigurationError
from connectors.ordering import MINUTE_MS

STEP_S = 0.25
"""Posts that come due within this time of the clock are given together."""


def parse_speed(written: str) -> float:
    """A speed as people write it: ``600``, ``1.5``, ``600x``; ``max`` and ``0`` do not wait.

    Returns:
        How many seconds of event time pass in a second; 0 for as fast as possible.

    Raises:
        ConfigurationError: not a speed.
    """
    text = written.strip().lower()
    try:
        speed = 0.0 if text == "max" else float(text.removesuffix("x"))
    except ValueError:
        speed = -1.0
    if not 0.0 <= speed < float("inf"):
        raise ConfigurationError(f"--speed {written}: write for example 1, 600 or max")
    return speed


class PacedSource:
    """Gives the posts of another source when their time has come.

    A page is cut into slices; the last one carries the cursor. Where posts are further apart than
    a minute, empty pages tell in between how far the time is, so that nobody takes a quiet source
    for a blind one.

    Args:
        source: gives pages in the order of observation.
        speed: seconds of event time in a second, above 0.
        clock: to wait with.
    """

    def __init__(self, source: Source, speed: float, clock: Clock | None = None) -> None:
        self._source = source
        self._speed = speed
        self._clock = clock or WallClock()

    @property
    def name(self) -> str:
        """Name of the source that is paced."""
        return self._source.name

    async def pages(self, cursor: str | None) -> Pages:
        """The pages of the source, in slices and at the pace."""
        timeline: _Timeline | None = None
        async with aclosing(self._source.pages(cursor)) as pages:
            async for page in pages:
                first_ms = page.posts[0].observed_ms if page.posts else page.until_ms
                if first_ms is None:
                    yield page
                    continue
                if timeline is None:
                    timeline = _Timeline(first_ms, self._speed, self._clock)
                async for part in timeline.play(page):
                    yield part


class _Timeline:
    """Event time against the clock, from the first post on."""

    def __init__(self, start_ms: int, speed: float, clock: Clock) -> None:
        self._start_ms = start_ms
        self._start_s = clock.monotonic_s()
        self._speed = speed
        self._clock = clock
        self._told_ms = start_ms  # the last word about the time

    async def play(self, page: Page) -> AsyncIterator[Page]:
        """The page in slices, each when its last post is due."""
        step_ms = max(1, int(STEP_S * self._speed * 1000))
        posts = page.posts
        begin = 0
        while begin < len(posts):
            limit_ms = posts[begin].observed_ms + step_ms
            end = begin + 1
            while end < len(posts) and posts[end].observed_ms < limit_ms:
                end += 1
            await self._wait(posts[end - 1].observed_ms)
            if end == len(posts):
                break
            yield Page(posts=posts[begin:end])
            begin = end
        rest = replace(page, posts=posts[begin:])
        if page.until_ms is None:
            yield rest
            return
        last_ms = posts[-1].observed_ms if posts else self._told_ms
        gap_ms = max(MINUTE_MS, step_ms - step_ms % MINUTE_MS)
        self._told_ms = min(last_ms - last_ms % MINUTE_MS + MINUTE_MS, page.until_ms)
        await self._wait(self._told_ms)
        yield replace(rest, until_ms=self._told_ms, final=page.final and self._told(page))
        while not self._told(page):
            self._told_ms = min(self._told_ms + gap_ms, page.until_ms)
            await self._wait(self._told_ms)
            yield Page(until_ms=self._told_ms, final=page.final and self._told(page))

    def _told(self, page: Page) -> bool:
        return page.until_ms is not None and self._told_ms >= page.until_ms

    async def _wait(self, event_ms: int) -> None:
        due_s = self._start_s + (event_ms - self._start_ms) / 1000 / self._speed
        left_s = due_s - self._clock.monotonic_s()
        if left_s > 0:
            await self._clock.sleep(left_s)
