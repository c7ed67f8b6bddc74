"""The contract that every source keeps, as tests, and a clock to hold.

Sources whose examples have an end (files) keep `SourceContract`, sources of live platforms
`LiveContract`, against a local server that speaks the platform's protocol over real sockets.

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
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from random import Random
from typing import ClassVar, Protocol, TypeVar

import pytest

from connectors.base import Page, Reject, Source
from connectors.cursors import MemoryCursors
from connectors.errors import ConfigurationError, ConnectorError
from connectors.privacy import KEY_VARIABLE, Privacy, private
from connectors.runner import Runner, Totals
from models.post import Heartbeat, Op, Post, encode, record_adapter

T = TypeVar("T")

MAX_CURSORS_TRIED = 4
"""Resuming is tried from so many cursors, spread evenly."""
WITHIN_S = 30.0
"""A live source that has not given all by then never will."""
PRIVACY = Privacy.from_environment({KEY_VARIABLE: "a key for tests alone"})


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


class MemorySink:
    """Takes what a runner publishes, and keeps it.

    Attributes:
        posts: in the order of publishing.
        rejects: what could not become a post.
        heartbeats: likewise.
    """

    def __init__(self, on_post: Callable[[], None] = lambda: None) -> None:
        self.posts: list[Post] = []
        self.rejects: list[Reject] = []
        self.heartbeats: list[Heartbeat] = []
        self._on_post = on_post

    def post(self, post: Post) -> None:
        self.posts.append(post)
        self._on_post()

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        self.heartbeats.append(heartbeat)

    def dead_letter(self, reject: Reject, source: str) -> None:
        self.rejects.append(reject)
        self._on_post()

    def flush(self) -> None:
        """Everything is kept already."""


class PlatformServer(Protocol):
    """A local server with a platform's protocol, as the contract uses it."""

    def refuse(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers the next request so."""
        ...

    def break_off(self) -> None:
        """Breaks the connection in the middle of the next answer or stream."""
        ...


class LiveContract(ABC):
    """What every source of a live platform promises.

    Attributes:
        texts: texts of the examples with the times of their creation, ms UTC; some not ASCII.
        gone: how many posts the examples take back (deletes of posts and of authors).
        rejects: how many malformed records stand among the examples.
        names: what must not leave the edge: names and ids of authors in the examples.
        url_setting: the variable that a wrong address is blamed on.
        credential_setting: the one that refused credentials are blamed on, None if there are none.
        not_found_setting: the one that 404 is blamed on, if not the address.
        now_ms: when the examples are looked at.
    """

    texts: ClassVar[Mapping[str, int]]
    gone: ClassVar[int] = 0
    rejects: ClassVar[int] = 1
    names: ClassVar[tuple[str, ...]]
    url_setting: ClassVar[str]
    credential_setting: ClassVar[str | None] = None
    not_found_setting: ClassVar[str | None] = None
    now_ms: ClassVar[int] = 1_700_000_000_000

    @abstractmethod
    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        """A fresh server over the same examples."""

    @abstractmethod
    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        """A fresh source that speaks to the server."""

    def test_the_same_examples_give_the_same_posts(self) -> None:
        first, again = (list(map(_told, _posts(self._all()))) for _ in range(2))
        assert first == again

    def test_texts_times_and_letters_are_those_of_the_platform(self) -> None:
        posts = [post for post in _posts(self._all()) if post.text]
        assert {post.text: post.created_ms for post in posts} == dict(self.texts)
        assert any(not text.isascii() for text in self.texts)
        assert all(post.created_ms <= post.observed_ms for post in posts)
        assert all(record_adapter.validate_json(encode(post)) == post for post in posts)

    def test_posts_carry_the_name_of_their_source(self) -> None:
        assert {post.source for post in _posts(self._all())} == {"instance"}

    def test_malformed_records_are_kept_with_reason_and_place_and_the_rest_flows(self) -> None:
        rejects = _rejects(self._all())
        assert len(rejects) == self.rejects
        assert all(reject.raw and reject.reason and reject.place for reject in rejects)

    def test_what_is_taken_back_names_what_was_published(self) -> None:
        posts = _posts(self._all())
        gone = [post for post in posts if post.op in (Op.DELETE, Op.AUTHOR_DELETE)]
        known = {post.key for post in posts if post.op is Op.CREATE}
        authors = {post.author for post in posts if post.op is Op.CREATE}
        assert len(gone) == self.gone
        for post in gone:
            assert post.author in authors if post.op is Op.AUTHOR_DELETE else post.key in known

    def test_from_every_cursor_the_rest_follows(self) -> None:
        pages = self._all()
        everything = _facts(pages)
        numbers = [n for n, page in enumerate(pages) if page.cursor is not None]
        assert numbers, "no page has a cursor"
        for number in numbers[:: len(numbers) // MAX_CURSORS_TRIED + 1]:
            before = _facts(pages[: number + 1])
            missing = everything - before
            if missing:
                resumed = self._all(pages[number].cursor, missing)
                assert before | _facts(resumed) >= everything

    def test_cursors_move_on_and_never_come_back(self) -> None:
        cursors = [page.cursor for page in self._all() if page.cursor]
        assert len(set(cursors)) == len(cursors)

    def test_nothing_that_names_an_author_leaves_the_edge(self) -> None:
        async def published(server: PlatformServer, clock: ManualClock) -> bytes:
            pages = await self._until(private(self.make(server, clock), PRIVACY))
            rows = [encode(post) for post in _posts(pages)]
            return b"\n".join([*rows, *(reject.raw for reject in _rejects(pages))])

        rows = self._with_server(published).decode("utf-8", "replace").casefold()
        assert [name for name in self.names if name.casefold() in rows] == []

    def test_after_429_it_waits_as_asked_and_loses_nothing(self) -> None:
        sink, clock = self._survive(lambda server: server.refuse(429, {"Retry-After": "37"}, b"{}"))
        assert any(37 <= wait <= 38 for wait in clock.waits)
        self._complete(sink)

    @pytest.mark.parametrize("status", [500, 502, 503])
    def test_after_a_failure_of_the_server_it_tries_again_and_loses_nothing(
        self, status: int
    ) -> None:
        sink, _ = self._survive(lambda server: server.refuse(status, {}, b"oops"))
        self._complete(sink)

    def test_a_connection_that_breaks_in_the_middle_loses_nothing(self) -> None:
        def often(server: PlatformServer) -> None:
            for _ in range(3):
                server.break_off()

        sink, _ = self._survive(often)
        self._complete(sink)

    def test_wrong_credentials_and_addresses_name_the_setting_to_mend(self) -> None:
        missing = self.not_found_setting or self.url_setting
        cases: list[tuple[int, Mapping[str, str], str]] = [(404, {}, missing)]
        if self.credential_setting is not None:
            cases += [(status, {}, self.credential_setting) for status in (401, 403)]
        cases.append((302, {"Location": "https://elsewhere.example/"}, self.url_setting))
        for status, headers, setting in cases:
            with pytest.raises(ConfigurationError) as caught:
                self._first_error(status, headers, b"{}")
            assert setting in str(caught.value), f"{status}: {caught.value}"
            assert "elsewhere.example" in str(caught.value) or status != 302

    def test_a_web_page_in_place_of_an_answer_is_an_error_and_no_posts(self) -> None:
        with pytest.raises(ConnectorError) as caught:
            self._first_error(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")
        assert self.url_setting in str(caught.value)

    def _all(self, cursor: str | None = None, wanted: frozenset[Fact] | None = None) -> list[Page]:
        """The pages of the examples, from a cursor."""

        async def gather(server: PlatformServer, clock: ManualClock) -> list[Page]:
            return await self._until(self.make(server, clock), cursor, wanted)

        return self._with_server(gather)

    async def _until(
        self, source: Source, cursor: str | None = None, wanted: frozenset[Fact] | None = None
    ) -> list[Page]:
        """Pages until everything that is wanted has come, or so many posts as there are."""
        pages: list[Page] = []
        async with aclosing(source.pages(cursor)) as stream:
            async for page in stream:
                pages.append(page)
                if wanted is not None and wanted <= _facts(pages):
                    break
                if wanted is None and self._enough(_posts(pages), _rejects(pages)):
                    break
        return pages

    def _enough(self, posts: list[Post], rejects: list[Reject]) -> bool:
        texts = {post.text for post in posts if post.text}
        gone = [post for post in posts if post.op in (Op.DELETE, Op.AUTHOR_DELETE)]
        return len(texts) + len(gone) + len(rejects) >= len(self.texts) + self.gone + self.rejects

    def _with_server(self, act: Callable[[PlatformServer, ManualClock], Awaitable[T]]) -> T:
        async def run() -> T:
            async with asyncio.timeout(WITHIN_S), self.serve() as server:
                return await act(server, ManualClock(self.now_ms))

        return asyncio.run(run())

    def _survive(self, harm: Callable[[PlatformServer], None]) -> tuple[MemorySink, ManualClock]:
        """Runs the source with the runner against a server that was harmed."""

        async def run(server: PlatformServer, clock: ManualClock) -> tuple[MemorySink, ManualClock]:
            harm(server)
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()

            def look() -> None:
                if self._enough(_unique(sink.posts), _unique(sink.rejects)):
                    loop.call_soon_threadsafe(stop.set)

            sink = MemorySink(look)
            source = self.make(server, clock)
            totals: Totals = await Runner(
                source, sink, MemoryCursors(), clock=clock, rng=Random(1)
            ).run(stop)
            assert totals.retries >= 1
            return sink, clock

        return self._with_server(run)

    def _complete(self, sink: MemorySink) -> None:
        assert {post.text for post in sink.posts if post.text} == set(self.texts)
        assert len(_unique(sink.rejects)) == self.rejects

    def _first_error(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        async def run(server: PlatformServer, clock: ManualClock) -> None:
            server.refuse(status, headers, body)
            await self._until(self.make(server, clock))

        self._with_server(run)


Fact = tuple[str, str]
"""What must not be lost: key and operation of a post, or the bytes of a reject."""


def _facts(pages: list[Page]) -> frozenset[Fact]:
    posts = {(post.key, post.op.value) for post in _posts(pages)}
    return frozenset(posts | {("reject", reject.raw.hex()) for reject in _rejects(pages)})


def _told(post: Post) -> Post:
    """A post without the time at which we saw it."""
    return post.model_copy(update={"observed_ms": post.created_ms})


def _unique(items: list[T]) -> list[T]:
    """Each once, by what it says."""
    kept: dict[object, T] = {}
    for item in items:
        key = (item.key, item.op) if isinstance(item, Post) else repr(getattr(item, "raw", item))
        kept[key] = item
    return list(kept.values())
