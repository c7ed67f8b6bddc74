"""The contract that every source keeps, as tests, and a clock to hold.

Subclass `SourceContract` in a test module, say how to make the source over recorded examples and
what these hold; pytest then runs the same tests on it as on every other source::

    class TestRss(SourceContract):
        texts = {"Zażółć gęślą jaźń": 1_424_158_565_000}
        rejects = 1

        def make(self, folder: Path) -> Source:
            return RssSource(...)
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

from connectors.base import Page, Reject, Source
from models.post import Post, encode, record_adapter

MAX_CURSORS_TRIED = 4
"""Resuming is tried from so many cursors, spread evenly."""


class ManualClock:
    """A clock that stands still until somebody waits; nobody waits in earnest."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = float(now_ms)
        self.waits: list[float] = []

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        return int(self._now_ms)

    def monotonic_s(self) -> float:
        """Seconds since some moment."""
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._now_ms += seconds * 1000

    async def sleep(self, seconds: float) -> None:
        """Lets time pass at once."""
        self.waits.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


async def collect(
    source: Source, cursor: str | None = None, limit: int | None = None
) -> list[Page]:
    """The pages of a source up to its end, or the first `limit` of them."""
    pages: list[Page] = []
    async with aclosing(source.pages(cursor)) as stream:
        async for page in stream:
            pages.append(page)
            if page.final or len(pages) == limit:
                break
    return pages


class SourceContract(ABC):
    """What every source promises to the runner; the examples must have an end.

    Attributes:
        texts: texts that stand in the examples, with the time of their creation, ms UTC. Have
            letters with diacritics and emoji among them.
        rejects: how many malformed records stand among the examples.
        late: share of posts that may come after the word that their time was seen.
    """

    texts: ClassVar[Mapping[str, int]]
    rejects: ClassVar[int] = 0
    late: ClassVar[float] = 0.0

    @abstractmethod
    def make(self, folder: Path) -> Source:
        """A fresh source over the same examples; `folder` is an empty one to write into."""

    def test_the_same_examples_give_the_same_pages_and_ids(self, tmp_path: Path) -> None:
        source = self.make(tmp_path)
        assert self._pages(source) == self._pages(self.make(tmp_path))

    def test_only_the_last_page_is_final(self, tmp_path: Path) -> None:
        pages = self._pages(self.make(tmp_path))
        assert [page.final for page in pages] == [False] * (len(pages) - 1) + [True]

    def test_from_any_cursor_the_rest_follows_up_to_the_end_and_nothing_else(
        self, tmp_path: Path
    ) -> None:
        pages = self._pages(self.make(tmp_path))
        numbers = [n for n, page in enumerate(pages) if page.cursor is not None]
        assert numbers, "no page has a cursor"
        for number in numbers[:: len(numbers) // MAX_CURSORS_TRIED + 1] + numbers[-1:]:
            resumed = self._pages(self.make(tmp_path), pages[number].cursor)
            assert _posts(resumed) == _posts(pages[number + 1 :])
            assert _rejects(resumed) == _rejects(pages[number + 1 :])
            assert resumed[-1].final

    def test_cursors_move_on_and_never_come_back(self, tmp_path: Path) -> None:
        cursors = [page.cursor for page in self._pages(self.make(tmp_path)) if page.cursor]
        assert len(set(cursors)) == len(cursors)

    def test_closing_early_is_clean_and_the_next_run_goes_on(self, tmp_path: Path) -> None:
        pages = self._pages(self.make(tmp_path))
        wanted = next(n for n, page in enumerate(pages, 1) if page.cursor is not None)
        source = self.make(tmp_path)
        first = asyncio.run(collect(source, limit=wanted))
        assert first == pages[:wanted]
        assert _posts(self._pages(source, first[-1].cursor)) == _posts(pages[wanted:])

    def test_times_are_those_of_creation_in_utc(self, tmp_path: Path) -> None:
        posts = _posts(self._pages(self.make(tmp_path)))
        for text, created_ms in self.texts.items():
            assert created_ms in {post.created_ms for post in posts if post.text == text}, text
        assert all(post.created_ms <= post.observed_ms for post in posts)

    def test_every_letter_survives_the_way_to_the_topic_and_back(self, tmp_path: Path) -> None:
        posts = _posts(self._pages(self.make(tmp_path)))
        assert self.texts.keys() <= {post.text for post in posts}
        assert any(not text.isascii() for text in self.texts)
        for post in posts[:1_000]:
            assert record_adapter.validate_json(encode(post)) == post

    def test_malformed_records_are_kept_with_reason_and_place_and_the_rest_flows(
        self, tmp_path: Path
    ) -> None:
        pages = self._pages(self.make(tmp_path))
        rejects = _rejects(pages)
        assert len(rejects) == self.rejects
        assert all(reject.raw and reject.reason and reject.place for reject in rejects)
        assert _posts(pages)

    def test_posts_carry_the_name_of_their_source(self, tmp_path: Path) -> None:
        source = self.make(tmp_path)
        assert {post.source for post in _posts(self._pages(source))} == {source.name}

    def test_what_is_said_to_be_seen_was_seen(self, tmp_path: Path) -> None:
        until_ms = -1
        late = 0
        posts = 0
        for page in self._pages(self.make(tmp_path)):
            posts += len(page.posts)
            late += sum(1 for post in page.posts if post.created_ms < until_ms)
            if page.until_ms is not None:
                assert page.until_ms >= until_ms
                until_ms = page.until_ms
        assert late <= self.late * posts

    @staticmethod
    def _pages(source: Source, cursor: str | None = None) -> list[Page]:
        return asyncio.run(collect(source, cursor))


def _posts(pages: list[Page]) -> list[Post]:
    return [post for page in pages for post in page.posts]


def _rejects(pages: list[Page]) -> list[Reject]:
    return [reject for page in pages for reject in page.rejects]
