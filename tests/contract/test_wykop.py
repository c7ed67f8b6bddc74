"""Wykop against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError
from connectors.queries import FixedQueries, Queries
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from connectors.wykop import Settings, WykopSource
from tests.servers.polled import Wykop

NOON_MS = 1_700_046_000_000  # 2023-11-15 11:00 UTC, 12:00 in Warsaw
NOW_MS = NOON_MS + 1_800_000


def entry(number: int, content: str, **changes: Any) -> dict[str, Any]:
    """An entry as the API gives it, one a minute."""
    made = {
        "id": number, "resource": "entry", "slug": "wpis", "content": content, "deleted": False,
        "created_at": f"2023-11-15 12:{number:02}:00", "author": {"username": "wykopowicz_7"},
        "votes": {"up": 5, "down": 0}, "comments": {"count": 2}, "tags": ["orzel"],
    }  # fmt: skip
    return made | changes


TAG = [
    entry(5, "usunięty", deleted="author", id=2),
    entry(4, "**日本語**"),
    {"resource": "entry", "content": "bez identyfikatora"},
    entry(3, "komentarz", resource="entry_comment", parent={"id": 1, "resource": "entry"}),
    entry(2, "zaraz zniknie"),
    entry(1, "Zażółć gęślą jaźń 😡"),
]
SEARCH = [
    entry(4, "**日本語**"),
    entry(6, "", resource="link", title="Żółte znalezisko", description="opis"),
]


def a_source(
    server: Wykop, clock: ManualClock | None = None, secret: str = "sekret"
) -> WykopSource:
    settings = Settings.load({"url": f"{server.url}/api/v3", "key": "klucz", "secret": secret})
    queries = FixedQueries(Queries(hashtags=("orzeł",)))
    return WykopSource(settings, Context("instance", queries, clock=clock or ManualClock(NOW_MS)))


def a_server() -> Wykop:
    return Wykop({"/tags/orzeł/stream": list(TAG), "/search/entries": list(SEARCH)})


class TestWykop(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": NOON_MS + 60_000,
        "zaraz zniknie": NOON_MS + 120_000,
        "komentarz": NOON_MS + 180_000,
        "**日本語**": NOON_MS + 240_000,
        "Żółte znalezisko\nopis": NOON_MS + 360_000,
    }
    gone = 1
    names = ("wykopowicz",)
    url_setting = "CZUJKA_WYKOP_URL"
    credential_setting = "CZUJKA_WYKOP_KEY and CZUJKA_WYKOP_SECRET"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return a_server()

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Wykop)
        return a_source(server, clock)


def test_a_token_that_has_run_out_is_renewed() -> None:
    async def run() -> None:
        async with a_server() as server:
            pages = await collect(a_source(server), limit=1)
            source = a_source(server)
            async for page in source.pages(pages[0].cursor):
                if page.until_ms is not None:
                    server.token += 1  # the old one is no good any more
                    server.listings["/tags/orzeł/stream"].insert(0, entry(20, "nowy"))
                if any(post.text == "nowy" for post in page.posts):
                    return

    asyncio.run(asyncio.wait_for(run(), 20))


def test_wrong_credentials_name_both_settings() -> None:
    async def run() -> None:
        async with a_server() as server:
            await collect(a_source(server, secret="zły"), limit=1)

    with pytest.raises(ConfigurationError, match="CZUJKA_WYKOP_KEY and CZUJKA_WYKOP_SECRET"):
        asyncio.run(run())


def test_pages_are_read_until_what_is_known() -> None:
    async def run() -> None:
        many = [entry(n % 60, f"wpis {n}", id=n) for n in range(59, -1, -1)]
        async with Wykop({"/tags/orzeł/stream": many, "/search/entries": []}) as server:
            clock = ManualClock(NOON_MS + 3_600_000 - 1)
            [page, *_] = await collect(a_source(server, clock), limit=1)
            assert [post.text for post in page.posts] == [f"wpis {n}" for n in range(60)]
            many.insert(0, entry(59, "nowy", id=60))
            [more] = await collect(a_source(server, clock), page.cursor, limit=1)
            assert [post.text for post in more.posts] == ["nowy"]

    asyncio.run(run())


def test_without_terms_there_is_nothing_to_ask_for() -> None:
    settings = Settings.load({"key": "k", "secret": "s"})
    with pytest.raises(ConfigurationError, match="name a brand"):
        WykopSource(settings, Context("instance")).targets()
