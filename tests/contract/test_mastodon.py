"""Mastodon against a local instance."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError
from connectors.mastodon import MastodonSource, Settings
from connectors.queries import FixedQueries, Queries
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from models.post import Op
from tests.servers.mastodon import TOKEN, Mastodon, status, status_id

NOW_MS = 1_700_000_600_000
START_MS = 1_700_000_000_000
SCRIPT = [
    ("update", status(1, "Zażółć <b>gęślą</b><br>jaźń 😡 &amp; <a href='x'>#orzeł</a>")),
    ("update", status(2, "日本語", spoiler_text="uwaga")),
    ("update", status(3, "z lokalnego konta", account={"acct": "jan", "followers_count": 5})),
    ("update", {"id": "4", "content": "bez daty"}),
    ("notification", {"id": "9"}),
    ("status.update", status(1, "poprawione ó")),
    ("update", status(5, "odpowiedź", in_reply_to_id=status_id(1))),
    ("delete", status_id(2)),
    ("update", status(6, "ostatni")),
]


def a_source(
    server: Mastodon, clock: ManualClock | None = None, **options: object
) -> MastodonSource:
    settings = Settings.load({"url": server.url, "token": TOKEN, **options})
    queries = FixedQueries(Queries(hashtags=("orzel", "żółw")))
    return MastodonSource(
        settings, Context("instance", queries, clock=clock or ManualClock(NOW_MS))
    )


class TestMastodon(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą\njaźń 😡 & #orzeł": START_MS + 1_000,
        "uwaga\n日本語": START_MS + 2_000,
        "z lokalnego konta": START_MS + 3_000,
        "poprawione ó": START_MS + 1_000,
        "odpowiedź": START_MS + 5_000,
        "ostatni": START_MS + 6_000,
    }
    gone = 1
    names = ("kasia", "kowalska", "jan@")
    url_setting = "CZUJKA_MASTODON_URL"
    credential_setting = "CZUJKA_MASTODON_TOKEN"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return Mastodon(SCRIPT)

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Mastodon)
        return a_source(server, clock)


def test_what_was_missed_comes_over_rest_page_by_page_and_oldest_first() -> None:
    async def run() -> None:
        async with Mastodon([("update", status(1, "przed"))]) as server:
            [*_, page] = await collect(a_source(server), limit=1)
            server.timeline += [
                status(n, f"wpis {n}", id=str(int(status_id(2)) + n)) for n in range(100)
            ]
            pages = await collect(a_source(server), page.cursor, limit=4)
            texts = [post.text for p in pages for post in p.posts]
            assert texts == ["przed", *(f"wpis {n}" for n in range(100))]
            assert not any(p.gap for p in pages)

    asyncio.run(run())


def test_more_than_may_be_caught_up_is_told_as_a_gap() -> None:
    async def run() -> None:
        async with Mastodon([("update", status(1, "przed"))]) as server:
            [page] = await collect(a_source(server), limit=1)
            server.timeline += [
                status(n, f"wpis {n}", id=str(int(status_id(2)) + n)) for n in range(100)
            ]
            pages = await collect(a_source(server, max_backfill_pages=2), page.cursor, limit=3)
            assert [p.gap is not None for p in pages] == [False, False, True]

    asyncio.run(run())


def test_an_edit_and_a_delete_have_the_key_of_the_post() -> None:
    async def run() -> None:
        async with Mastodon(SCRIPT) as server:
            posts = []
            source = a_source(server)
            async for page in source.pages(None):
                posts += page.posts
                if any(post.text == "ostatni" for post in posts):
                    break
            ops = {op: {post.key for post in posts if post.op is op} for op in Op}
            assert ops[Op.UPDATE] < ops[Op.CREATE]
            assert ops[Op.DELETE] < ops[Op.CREATE]

    asyncio.run(run())


def test_hashtags_of_the_watchlist_are_followed_one_stream_each() -> None:
    async def run() -> list[str]:
        async with Mastodon(SCRIPT[:1]) as server:
            await collect(a_source(server, streams="hashtags"), limit=2)
            return sorted(
                request.one("tag") for request in server.requests if "streaming" in request.path
            )

    assert asyncio.run(run()) == ["orzel", "żółw"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token": "t"}, "CZUJKA_MASTODON_URL is not set"),
        ({"url": "https://m.example"}, "CZUJKA_MASTODON_TOKEN is not set"),
        ({"url": "u", "token": "t", "colour": "red"}, "--set colour: unknown"),
        (
            {"url": "u", "token": "t", "max_backfill_pages": 0},
            "CZUJKA_MASTODON_MAX_BACKFILL_PAGES=0",
        ),
    ],
)
def test_settings_that_are_missing_or_wrong_are_named(
    given: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Settings.load(given)


def test_a_stream_that_is_unknown_is_told() -> None:
    settings = Settings.load({"url": "https://m.example", "token": "t", "streams": "home"})
    with pytest.raises(ConfigurationError, match="unknown stream 'home'"):
        MastodonSource(settings, Context("instance")).targets()
