"""Telegram's Bot API: updates that are kept until they are confirmed."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.servers.http import HttpServer, Reply, Request

TOKEN = "123:abc"
START_S = 1_700_000_000


def update(
    number: int, text: str, kind: str = "channel_post", message: int = 0, **more: Any
) -> dict[str, Any]:
    chat = {"id": -100777, "type": "channel", "title": "Kanał Oli", "username": "kanal_oli"}
    body = {"message_id": message or number, "date": START_S + number, "chat": chat, "text": text}
    return {"update_id": 5_000 + number, kind: body | more}


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
