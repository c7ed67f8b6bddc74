"""Telegram against a local server that forgets what was confirmed."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import RateLimitedError
from connectors.telegram import Settings, TelegramSource
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from models.post import Op
from tests.servers.telegram import START_S, TOKEN, Telegram, update

NOW_MS = (START_S + 600) * 1000


UPDATES = [
    update(1, "Zażółć gęślą jaźń 😡"),
    update(2, "", caption="日本語", photo=[{"file_id": "x"}]),
    {"update_id": 5_003, "channel_post": {"text": "bez daty"}},
    update(4, "poprawione ó", "edited_channel_post", message=1, edit_date=START_S + 9),
    update(5, "", sticker={}),
    update(6, "ostatni", reply_to_message={"message_id": 1}),
]


def a_source(
    server: Telegram, clock: ManualClock | None = None, **options: object
) -> TelegramSource:
    settings = Settings.load({"url": server.url, "token": TOKEN} | options)
    return TelegramSource(settings, Context("instance", clock=clock or ManualClock(NOW_MS)))


class TestTelegram(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": (START_S + 1) * 1000,
        "日本語": (START_S + 2) * 1000,
        "poprawione ó": (START_S + 4) * 1000,
        "ostatni": (START_S + 6) * 1000,
    }
    names = ("kanal_oli", "kanał oli", "100777")
    url_setting = "CZUJKA_TELEGRAM_URL"
    credential_setting = "CZUJKA_TELEGRAM_TOKEN"
    not_found_setting = "CZUJKA_TELEGRAM_TOKEN"  # the token stands in the path
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return Telegram(UPDATES)

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Telegram)
        return a_source(server, clock)


def test_an_update_is_confirmed_only_after_it_is_kept() -> None:
    async def run() -> None:
        async with Telegram(UPDATES) as server:
            source = a_source(server)
            pages = source.pages(None)
            first = await anext(pages)
            assert len(server.updates) == 6
            assert first.cursor is not None
            again = asyncio.ensure_future(anext(pages))
            while len(server.requests) < 2 and not again.done():
                await asyncio.sleep(0.005)
                source.acknowledge(first.cursor)
            await again
            assert len(server.updates) == 4
            await pages.aclose()
            [resumed] = await collect(a_source(server), first.cursor, limit=1)
            assert len(server.updates) == 4
            assert resumed.posts[0].op is Op.UPDATE

    asyncio.run(asyncio.wait_for(run(), 20))


def test_the_wait_that_stands_in_the_body_is_kept_and_the_token_is_never_shown() -> None:
    async def run() -> None:
        async with Telegram([]) as server:
            body = b'{"ok":false,"parameters":{"retry_after":17}}'
            server.refuse(429, {}, body)
            with pytest.raises(RateLimitedError) as caught:
                await collect(a_source(server), limit=1)
            assert caught.value.until_ms == NOW_MS + 17_000
            with pytest.raises(Exception, match="CZUJKA_TELEGRAM_TOKEN") as wrong:
                await collect(a_source(server, token="999:secret"), limit=1)
            assert "999:secret" not in str(wrong.value)

    asyncio.run(run())
