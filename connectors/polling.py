"""Sources that ask again and again: the same loop for every platform without a stream.

A platform says what to ask for (its targets: feeds, tags, searches), how to get what is new since a
mark, and how to read a record. The loop keeps one mark for each target, all of them in the cursor;
a mark moves only together with the posts that it stands behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from connectors.base import Gap, Page, Pages, Reject
from connectors.context import Context
from connectors.errors import ConfigurationError, MalformedError
from connectors.http import Api, HttpClient
from connectors.native import Sight, reject_of
from models.post import Post

BEAT_S = 10.0
PATIENCE_S = 60.0
"""Nobody waits longer than this for a source that asks seldom; what it finds then comes late."""
MAX_SEEN = 3_000
"""Ids that a mark remembers: more than any platform gives for one target at once."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far one target was read.

    Attributes:
        since_ms: everything before was seen.
        last_id: the newest id that was seen, where ids grow.
        seen: short hashes of ids that may come again, oldest first.
        notes: what else the platform must know: ETags, counts of a day.
    """

    since_ms: int = 0
    last_id: str = ""
    seen: tuple[str, ...] = ()
    notes: dict[str, str] = {}

    def knows(self, native_id: str) -> bool:
        """Whether an id was seen."""
        return short(native_id) in self.seen

    def having_seen(self, native_ids: Sequence[str]) -> tuple[str, ...]:
        """What to remember after more ids were seen."""
        both = dict.fromkeys((*self.seen, *map(short, native_ids)))
        return tuple(both)[-MAX_SEEN:]


def short(native_id: str) -> str:
    """A hash of an id that is short enough to be remembered by the thousand."""
    return blake2b(native_id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Harvest:
    """What one look at a target brought.

    Attributes:
        records: native records, decoded; in any order.
        mark: behind them.
        gap: what could not be had.
    """

    records: Sequence[Any]
    mark: Mark
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often to ask.

    Attributes:
        interval_s: between two rounds.
        delay_s: a post may come to light so much later than it was written.
        lookback_s: where the very first round begins, before now.
    """

    interval_s: float
    delay_s: float = 0.0
    lookback_s: float = field(default=3600.0)


class PollingSource(ABC):
    """Asks for each target in turn, in rounds.

    Args:
        context: what surrounds the source.
        api: the platform, as the client must know it.
        rhythm: how often to ask.
    """

    def __init__(self, context: Context, api: Api, rhythm: Rhythm) -> None:
        self._context = context
        self._api = api
        self._rhythm = rhythm

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    @abstractmethod
    def targets(self) -> Sequence[str]:
        """What to ask for in this round.

        Raises:
            ConfigurationError: there is nothing.
        """

    @abstractmethod
    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """What is new of a target behind a mark."""

    @abstractmethod
    def read(self, record: Any, sight: Sight) -> list[Post]:
        """The posts of a record: the platform's `parse`.

        Raises:
            MalformedError: it cannot be read.
        """

    def plan(self, marks: Mapping[str, Mark]) -> None:
        """Looks at what was done so far, before a round.

        Raises:
            RateLimitedError: the allowance does not do for another round.
        """
        return

    def interval_s(self) -> float:
        """How long to wait after this round."""
        return self._rhythm.interval_s

    async def pages(self, cursor: str | None) -> Pages:
        """Rounds without end, from the marks in the cursor."""
        marks = _read_marks(cursor)
        clock = self._context.clock
        told_ms: int | None = None
        async with self._context.client(self._api) as client:
            while True:
                began_ms = clock.now_ms()
                targets = self.targets()
                marks = {target: mark for target, mark in marks.items() if target in targets}
                self.plan(marks)
                first = Mark(since_ms=began_ms - int(self._rhythm.lookback_s * 1000))
                for target in targets:
                    before = marks.get(target, first)
                    harvest = await self.harvest(client, target, before)
                    marks[target] = harvest.mark
                    if harvest.mark != before or harvest.records:
                        posts, rejects = self._read_all(target, harvest)
                        yield Page(posts, _written(marks), rejects=rejects, gap=harvest.gap)
                    if (late_ms := self._overdue_ms(told_ms)) is not None:
                        told_ms = late_ms
                        yield Page(until_ms=told_ms)
                told_ms = max(told_ms or 0, began_ms - int(self._rhythm.delay_s * 1000))
                yield Page(until_ms=told_ms)
                wait_s = self.interval_s()
                next_s = clock.monotonic_s() + wait_s
                while (left_s := next_s - clock.monotonic_s()) > 0:
                    await clock.sleep(min(left_s, BEAT_S) if wait_s > PATIENCE_S else left_s)
                    if (late_ms := self._overdue_ms(told_ms)) is not None:
                        told_ms = late_ms
                        yield Page(until_ms=told_ms)

    def _overdue_ms(self, told_ms: int | None) -> int | None:
        """The time to vouch for now, if nothing was vouched for within `PATIENCE_S`."""
        due_ms = self._context.clock.now_ms() - int(PATIENCE_S * 1000)
        return due_ms if told_ms is not None and due_ms > told_ms else None

    def _read_all(
        self, target: str, harvest: Harvest
    ) -> tuple[tuple[Post, ...], tuple[Reject, ...]]:
        sight = self._context.sight()
        posts: list[Post] = []
        rejects = []
        for record in harvest.records:
            try:
                posts += self.read(record, sight)
            except MalformedError as error:
                rejects.append(reject_of(record, error, f"{self._api.name} {target}"))
        posts.sort(key=lambda post: post.created_ms)
        return tuple(posts), tuple(rejects)


Records = tuple[Sequence[Any], bool]
"""Records of one page of a listing, and whether a further page may follow."""


async def newest_first(
    page: Callable[[int], Awaitable[Records]],
    mark: Mark,
    describe: Callable[[Any], tuple[str, int]],
    *,
    now_ms: int,
    max_pages: int,
    overlap_ms: int = 600_000,
) -> Harvest:
    """What is new in a listing that shows the newest first.

    Pages are read until one has nothing that is both new and young enough; an empty one is not the
    end. Records that come to light late are found as long as they stand within `overlap_ms` of the
    newest that was seen.

    Args:
        page: gives the page of a number, from 0.
        mark: how far the listing was read.
        describe: id and time of a record. A record that it cannot describe (`MalformedError`) is
            taken as new, so that reading it says why; it is remembered by its content.
        now_ms: the time.
        max_pages: more are not read; what they hold is a gap.
        overlap_ms: see above.
    """
    from_ms = mark.since_ms - (overlap_ms if mark.seen else 0)
    fresh: list[Any] = []
    seen: list[str] = []
    newest_ms, oldest_ms = mark.since_ms, now_ms
    gap: Gap | None = None
    for number in range(max_pages):
        records, more = await page(number)
        news = 0
        for record in records:
            try:
                native_id, created_ms = describe(record)
            except MalformedError:
                native_id, created_ms = repr(record), newest_ms
            else:
                newest_ms = max(newest_ms, min(created_ms, now_ms))
                oldest_ms = min(oldest_ms, created_ms)
            if mark.knows(native_id) or created_ms < from_ms or short(native_id) in seen:
                continue
            news += 1
            seen.append(short(native_id))
            fresh.append(record)
        if (records and not news) or not more:
            break
    else:
        if mark.seen:
            gap = Gap(mark.since_ms, oldest_ms, f"more than {max_pages} pages were missed")
    seen.reverse()
    kept = tuple(dict.fromkeys((*mark.seen, *seen)))[-MAX_SEEN:]
    return Harvest(fresh[::-1], Mark(newest_ms, mark.last_id, kept, mark.notes), gap)


def nothing_to_ask(name: str, setting: str, what: str) -> ConfigurationError:
    """The error for a platform without targets."""
    return ConfigurationError(f"{name}: nothing to ask for: {what}, or set {setting}")


def _written(marks: dict[str, Mark]) -> str:
    return msgspec.json.encode(marks).decode()


def _read_marks(cursor: str | None) -> dict[str, Mark]:
    if cursor is None:
        return {}
    try:
        return msgspec.json.decode(cursor, type=dict[str, Mark])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"the saved cursor cannot be read ({error}): begin again with --from-start"
        ) from error
