"""App Store against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.appstore import AppStoreSource, Settings
from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError
from connectors.queries import FixedQueries, Queries
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from models.post import Op
from tests.servers.polled import AppStore

NOON_MS = 1_700_049_600_000  # 2023-11-15 12:00 UTC, 05:00 at -07:00
NOW_MS = NOON_MS + 1_800_000
APP = "pl/123456789"


def review(number: int, content: str, **changes: Any) -> dict[str, Any]:
    """A review as the feed gives it, one a minute."""
    made = {
        "id": {"label": str(9_000 + number)}, "title": {"label": "Tytuł"},
        "content": {"label": content, "attributes": {"type": "text"}},
        "author": {"name": {"label": "Marek Z"}, "uri": {"label": "https://itunes.example/m"}},
        "updated": {"label": f"2023-11-15T05:{number:02}:00-07:00"},
        "im:rating": {"label": "1"}, "im:version": {"label": "2.1"},
    }  # fmt: skip
    return made | changes


PAGES = [
    [{"im:artist": {"label": "Orzeł"}, "title": {"label": "app"}}, review(5, "日本語")],
    [],
    [review(4, "ostatnia strona nie jest pusta"), {"title": {"label": "bez treści"}}],
    [review(1, "Zażółć gęślą jaźń 😡")],
]


def a_source(
    server: AppStore, clock: ManualClock | None = None, **options: object
) -> AppStoreSource:
    settings = Settings.load({"url": server.url} | options)
    queries = FixedQueries(Queries(apps=(APP,)))
    context = Context("instance", queries, clock=clock or ManualClock(NOW_MS))
    return AppStoreSource(settings, context)


def a_server() -> AppStore:
    return AppStore({APP: [list(page) for page in PAGES]})


class TestAppStore(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Tytuł\nZażółć gęślą jaźń 😡": NOON_MS + 60_000,
        "Tytuł\nostatnia strona nie jest pusta": NOON_MS + 240_000,
        "Tytuł\n日本語": NOON_MS + 300_000,
    }
    names = ("marek z",)
    url_setting = "CZUJKA_APPSTORE_URL"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return a_server()

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, AppStore)
        return a_source(server, clock)


def test_a_review_that_was_written_anew_is_an_edit() -> None:
    async def run() -> None:
        async with a_server() as server:
            [page, *_] = await collect(a_source(server), limit=1)
            server.pages[APP][0][1] = review(5, "zmieniłem zdanie") | {
                "updated": {"label": "2023-11-15T05:20:00-07:00"}
            }
            [more] = await collect(a_source(server), page.cursor, limit=1)
            assert [(post.op, post.text) for post in more.posts] == [
                (Op.UPDATE, "Tytuł\nzmieniłem zdanie")
            ]
            assert more.posts[0].key in {post.key for post in page.posts}

    asyncio.run(run())


def test_an_app_that_is_none_is_told_with_the_form() -> None:
    for apps in ("", "123456789", "pl/orzel"):
        settings = Settings.load({"apps": apps})
        with pytest.raises(ConfigurationError, match=r"pl/123456789.*CZUJKA_APPSTORE_APPS"):
            AppStoreSource(settings, Context("instance")).targets()
