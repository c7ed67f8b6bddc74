"""Telegram against a local server that forgets what was confirmed."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import RateLimitedError
from connectors.telegram import Settings, TelegramSource
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from models.post import Op
from tests.servers.http import HttpServer, Reply, Request

TOKEN = "123:abc"
START_S = 1_700_000_000
NOW_MS = (START_S + 600) * 1000


def update(
    number: int, text: str, kind: str = "channel_post", message: int = 0, **more: Any
) -> dict[str, Any]:
    chat = {"id": -100777, "type": "channel", "title": "Kanał Oli", "username": "kanal_oli"}
    body = {"message_id": message or number, "date": START_S + number, "chat": chat, "text": text}
    return {"update_id": 5_000 + number, kind: body | more}


UPDATES = [
    update(1, "Zażółć gęślą jaźń 😡"),
    update(2, "", caption="日本語", photo=[{"file_id": "x"}]),
    {"update_id": 5_003, "channel_post": {"text": "bez daty"}},
    update(4, "poprawione ó", "edited_channel_post", message=1, edit_date=START_S + 9),
    update(5, "", sticker={}),
    update(6, "ostatni", reply_to_message={"message_id": 1}),
]


class Telegram(HttpServer):
    """Keeps updates until they are confirmed by an offset behind them."""

    def __init__(self, updates: list[dict[str, Any]], page: int = 2) -> None:
        super().__init__()
        self.updates = list(updates)
        self.page = page

    async def reply(self, request: Request) -> Reply:
        if request.path != f"/bot{TOKEN}/getUpdates":
            return Reply.json({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        offset = int(request.one("offset", "0"))
        self.updates = [u for u in self.updates if u["update_id"] >= offset]
        if not self.updates:
            await asyncio.sleep(0.05)
        return Reply.json({"ok": True, "result": self.updates[: self.page]})


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
