"""Reddit against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError
from connectors.queries import FixedQueries, Queries
from connectors.reddit import RedditSource, Settings
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from models.post import Op
from tests.servers.polled import Reddit

NOON_MS = 1_700_049_600_000
NOW_MS = NOON_MS + 1_800_000


def thing(kind: str, number: int, **data: Any) -> dict[str, Any]:
    """A post (t3) or a comment (t1) as the API gives it, one a minute."""
    made = {
        "name": f"{kind}_{number}", "author": "Marek_Z", "subreddit": "orzelair", "score": -3,
        "created_utc": NOON_MS / 1000 + 60 * number, "num_comments": 2,
        "permalink": f"/r/orzelair/comments/{number}/",
    }  # fmt: skip
    return {"kind": kind, "data": made | data}


POSTS = [
    thing("t3", 5, title="usunięty", selftext="[deleted]", name="t3_2"),
    {"kind": "t3", "data": {"title": "bez nazwy"}},
    thing("t3", 3, title="日本語"),
    thing("t3", 2, title="zaraz zniknie", selftext="z treścią"),
    thing("t3", 1, title="Zażółć gęślą jaźń 😡"),
]
COMMENTS = [thing("t1", 4, body="komentarz", parent_id="t3_1")]
SEARCH = [thing("t3", 3, title="日本語"), thing("t3", 6, title="gdzie indziej")]


def a_source(server: Reddit, clock: ManualClock | None = None, **options: object) -> RedditSource:
    given = {"url": server.url, "auth_url": server.url, "id": "app", "secret": "sekret"}
    settings = Settings.load(given | options)
    queries = FixedQueries(Queries(phrases=("Orzeł Air",), subreddits=("orzelair",)))
    return RedditSource(settings, Context("instance", queries, clock=clock or ManualClock(NOW_MS)))


def a_server() -> Reddit:
    return Reddit(
        {
            "/r/orzelair/new": list(POSTS),
            "/r/orzelair/comments": list(COMMENTS),
            "/search": list(SEARCH),
        }
    )


class TestReddit(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": NOON_MS + 60_000,
        "zaraz zniknie\nz treścią": NOON_MS + 120_000,
        "日本語": NOON_MS + 180_000,
        "komentarz": NOON_MS + 240_000,
        "gdzie indziej": NOON_MS + 360_000,
    }
    gone = 1
    names = ("marek_z",)
    url_setting = "CZUJKA_REDDIT_URL"
    credential_setting = "CZUJKA_REDDIT_ID and CZUJKA_REDDIT_SECRET"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return a_server()

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Reddit)
        return a_source(server, clock)


def test_what_was_emptied_since_is_taken_back_also_after_a_restart() -> None:
    async def run() -> None:
        async with a_server() as server:
            pages = await collect(a_source(server), limit=4)
            cursor = [page.cursor for page in pages if page.cursor][-1]
            server.emptied = {"t3_1", "t1_4"}
            clock = ManualClock(NOW_MS)
            gone: list[str] = []
            async for page in a_source(server, clock).pages(cursor):
                gone += [post.native_id for post in page.posts if post.op is Op.DELETE]
                if clock.now_ms() > NOW_MS + 600_000:
                    break
            assert sorted(gone) == ["t1_4", "t3_1"]  # once each

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_token_that_has_run_out_is_renewed() -> None:
    async def run() -> None:
        async with a_server() as server:
            source = a_source(server)
            async for page in source.pages(None):
                if page.until_ms is not None and server.token == 1:
                    server.token += 1  # the old one is no good any more
                    server.listings["/r/orzelair/new"].insert(0, thing("t3", 20, title="nowy"))
                if any(post.text == "nowy" for post in page.posts):
                    return

    asyncio.run(asyncio.wait_for(run(), 20))


def test_wrong_credentials_name_both_settings() -> None:
    async def run() -> None:
        async with a_server() as server:
            await collect(a_source(server, secret="zły"), limit=1)

    with pytest.raises(ConfigurationError, match="CZUJKA_REDDIT_ID and CZUJKA_REDDIT_SECRET"):
        asyncio.run(run())


def test_pages_are_read_until_what_is_known() -> None:
    async def run() -> None:
        many = [thing("t3", n % 30, title=f"wpis {n}", name=f"t3_{n}") for n in range(29, -1, -1)]
        server = a_server()
        server.listings["/r/orzelair/new"] = many
        server.page = 7
        async with server:
            [page, *_] = await collect(a_source(server), limit=1)
            assert [post.text for post in page.posts] == [f"wpis {n}" for n in range(30)]

    asyncio.run(run())
