"""Hacker News against local servers of its two APIs."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from connectors.base import Source
from connectors.context import Context
from connectors.hackernews import HackerNewsSource, Settings
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from tests.servers.polled import HackerNews

START_S = 1_700_000_000
NOW_MS = (START_S + 600) * 1000


def hit(number: int, **changes: Any) -> dict[str, Any]:
    """A comment as Algolia gives it, one a second."""
    made = {
        "objectID": str(number), "created_at_i": START_S + number, "author": "wojtek_hn",
        "comment_text": f"comment {number}", "parent_id": 1, "story_id": 1, "points": None,
        "_tags": ["comment", "author_wojtek_hn", "story_1"],
    }  # fmt: skip
    return made | changes


HITS = [
    hit(1, title="Show HN: Orzeł Air", comment_text=None, parent_id=None, points=12),
    hit(2, comment_text="Za&#x17C;&#243;łć<p>gęślą &quot;jaźń&quot; 😡</p>"),
    {"objectID": "3", "author": "wojtek_hn", "created_at_i": START_S + 3},
    hit(4, comment_text="日本語"),
]
ITEMS = [{"id": 2, "deleted": True, "type": "comment"}, {"id": 4, "text": "edited", "by": "x"}]


def a_source(server: HackerNews, clock: ManualClock | None = None) -> HackerNewsSource:
    settings = Settings.load({"url": f"{server.url}/api/v1", "firebase_url": f"{server.url}/v0"})
    return HackerNewsSource(settings, Context("instance", clock=clock or ManualClock(NOW_MS)))


class TestHackerNews(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Show HN: Orzeł Air": (START_S + 1) * 1000,
        'Zażółć\ngęślą "jaźń" 😡': (START_S + 2) * 1000,
        "日本語": (START_S + 4) * 1000,
    }
    gone = 1
    names = ("wojtek",)
    url_setting = "CZUJKA_HACKERNEWS_URL"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return HackerNews(HITS, ITEMS)

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, HackerNews)
        return a_source(server, clock)


def test_more_hits_than_a_query_gives_are_fetched_in_halves() -> None:
    async def run() -> None:
        hits = [hit(n) for n in range(1, 2_501)]
        async with HackerNews(hits, []) as server:
            [page] = await collect(a_source(server, ManualClock((START_S + 3_000) * 1000)), limit=1)
            assert [post.native_id for post in page.posts] == [str(n) for n in range(1, 2_501)]
            assert len(server.requests) > 3

    asyncio.run(run())


def test_what_is_indexed_late_is_found_and_nothing_comes_twice() -> None:
    async def run() -> None:
        async with HackerNews(HITS, []) as server:
            [page] = await collect(a_source(server), limit=1)
            server.hits.append(hit(550, comment_text="spóźniony"))  # older than the cursor
            [late] = await collect(a_source(server, ManualClock(NOW_MS + 30_000)), page.cursor, 1)
            assert [post.text for post in late.posts] == ["spóźniony"]

    asyncio.run(run())
