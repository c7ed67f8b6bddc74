"""GDELT against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError, RetryError
from connectors.gdelt import GdeltSource, Settings
from connectors.queries import FixedQueries, Queries
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from tests.servers.http import Reply
from tests.servers.polled import Gdelt

NOON_MS = 1_700_049_600_000  # 2023-11-15 12:00 UTC
NOW_MS = NOON_MS + 1_800_000
QUERIES = Queries(phrases=("Orzeł Air", "Pliszka"), hashtags=("ab",))


def article(number: int, title: str, minute: int, **changes: Any) -> dict[str, Any]:
    """An article as the API gives it."""
    made = {
        "url": f"https://gazeta.example/{number}", "url_mobile": "", "title": title,
        "seendate": f"20231115T12{minute:02}00Z", "socialimage": "", "domain": "gazeta.example",
        "language": "Polish", "sourcecountry": "Poland",
    }  # fmt: skip
    return made | changes


ARTICLES = [
    article(1, "Zażółć gęślą jaźń 😡", 0),
    article(2, "drugi", 15),
    article(3, "  ", 15),
    article(4, "日本語", 30, language="Japanese"),
]


def a_source(
    server: Gdelt, clock: ManualClock | None = None, queries: Queries = QUERIES, **options: object
) -> GdeltSource:
    settings = Settings.load({"url": f"{server.url}/api/v2/doc/doc"} | options)
    context = Context("instance", FixedQueries(queries), clock=clock or ManualClock(NOW_MS))
    return GdeltSource(settings, context)


class TestGdelt(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": NOON_MS,
        "drugi": NOON_MS + 900_000,
        "日本語": NOON_MS + 1_800_000,
    }
    names = ()  # there are no authors
    url_setting = "CZUJKA_GDELT_URL"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return Gdelt(ARTICLES)

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Gdelt)
        return a_source(server, clock)


def test_it_asks_for_the_brands_and_pauses_between_two_questions() -> None:
    async def run() -> None:
        async with Gdelt(ARTICLES) as server:
            clock = ManualClock(NOW_MS)
            many = Queries(phrases=tuple(f"Bardzo Długa Nazwa Numer {n}" for n in range(20)))
            source = a_source(server, clock, many)
            targets = source.targets()
            assert len(targets) > 2
            assert all(len(target) <= 250 for target in targets)
            await collect(source, limit=len(targets) + 1)
            assert clock.waits == [6.0] * (len(targets) - 1)

    asyncio.run(run())


def test_brackets_stand_around_several_terms_alone_and_short_terms_are_left_out() -> None:
    settings = Settings.load({"filter": "sourcelang:polish"})

    def targets(queries: Queries) -> list[str]:
        return list(GdeltSource(settings, Context("instance", FixedQueries(queries))).targets())

    assert targets(QUERIES) == ['("Orzeł Air" OR Pliszka) sourcelang:polish']
    assert targets(Queries(phrases=("Orzeł Air",))) == ['"Orzeł Air" sourcelang:polish']
    with pytest.raises(ConfigurationError, match="name a brand"):
        targets(Queries(hashtags=("ab",)))


def test_a_stretch_with_more_than_an_answer_holds_is_asked_for_in_halves() -> None:
    async def run() -> None:
        many = [article(n, f"tytuł {n}", n % 30) for n in range(600)]
        async with Gdelt(many) as server:
            [page] = await collect(a_source(server), limit=1)
            assert {post.text for post in page.posts} == {f"tytuł {n}" for n in range(600)}
            assert page.gap is None

    asyncio.run(run())


def test_more_at_once_than_can_be_had_is_a_gap() -> None:
    async def run() -> None:
        many = [article(n, f"tytuł {n}", 10) for n in range(300)]
        async with Gdelt(many) as server:
            [page] = await collect(a_source(server), limit=1)
            assert len(page.posts) == 250
            assert page.gap is not None
            assert page.gap.from_ms <= NOON_MS + 600_000 <= page.gap.to_ms

    asyncio.run(run())


def test_what_gdelt_says_in_plain_words_is_told() -> None:
    async def run() -> None:
        async with Gdelt(ARTICLES) as server:
            server.faults.append(Reply(body=b"Your query was too short or too long.\n"))
            await collect(a_source(server), limit=1)

    with pytest.raises(RetryError, match="too short or too long"):
        asyncio.run(run())


def test_it_vouches_for_a_minute_ago_while_it_waits_so_that_nobody_waits_for_it() -> None:
    async def run() -> None:
        async with Gdelt(ARTICLES) as server:
            clock = ManualClock(NOW_MS)
            lags = []
            async for page in a_source(server, clock).pages(None):
                if page.until_ms is not None:
                    lags.append((clock.now_ms() - page.until_ms) / 1000)
                if len(server.requests) == 3:
                    break
            assert clock.now_ms() == NOW_MS + 600_000  # every five minutes
            assert max(lags) <= 70
            assert len(lags) > 40

    asyncio.run(run())
