"""A Mastodon instance: streams that break, and timelines that remember."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.servers.http import HttpServer, Reply, Request

TOKEN = "a-token-of-the-instance"


def status_id(number: int) -> str:
    """An id as Mastodon makes it: the time of creation and a number."""
    return str(((1_700_000_000_000 + number * 1_000) << 16) + number)


def status(number: int, content: str, **changes: Any) -> dict[str, Any]:
    """A status as the API gives it, one a second."""
    made = {
        "id": status_id(number),
        "created_at": f"2023-11-14T22:{13 + (20 + number) // 60}:{(20 + number) % 60:02}.000Z",
        "content": f"<p>{content}</p>",
        "spoiler_text": "",
        "language": "pl",
        "url": f"https://remote.example/@kasia/{number}",
        "account": {"id": "7", "acct": "kasia@remote.example", "display_name": "Kasia Kowalska",
                    "followers_count": 120 + number},
        "replies_count": 1, "reblogs_count": 2, "favourites_count": 3,
        "in_reply_to_id": None, "reblog": None,
    }  # fmt: skip
    return made | changes


class Mastodon(HttpServer):
    """An instance where things happen only while somebody listens, or is just being cut off.

    Attributes:
        script: events (name, data) that are still to happen.
        timeline: statuses that happened.
    """

    def __init__(self, script: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.script = list(script)
        self.timeline: list[dict[str, Any]] = []
        self.hold: asyncio.Event | None = None

    async def reply(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply.json({"error": "The access token is invalid"}, 401)
        if request.path == "/api/v2/instance":
            urls = {"streaming": self.url.replace("http", "ws")}
            return Reply.json({"domain": "czujka.example", "configuration": {"urls": urls}})
        if request.path.startswith("/api/v1/streaming/"):
            breaks, self.breaks = self.breaks, max(0, self.breaks - 1)
            return Reply(stream=self._stream(bool(breaks)), cut_after=0 if breaks else None,
                         headers={"Content-Type": "text/event-stream"})  # fmt: skip
        if request.path.startswith("/api/v1/timelines/"):
            after = int(request.one("min_id", "0"))
            limit = int(request.one("limit", "20"))
            newer = [s for s in self.timeline if int(s["id"]) > after]
            return Reply.json(sorted(newer, key=lambda s: int(s["id"]))[:limit][::-1])
        return Reply.json({"error": "Record not found"}, 404)

    async def _stream(self, cut: bool) -> AsyncIterator[bytes]:
        yield b":)\n\n"
        left = 1 if cut else len(self.script)
        while left and self.script:
            left -= 1
            yield self._happens()
        if cut:
            if (
                self.script
                and self.script[0][0] == "update"
                and isinstance(self.script[0][1], dict)
            ):
                self._happens()  # while nobody listens
            yield b'event: update\ndata: {"id": "1'
            return
        while True:
            yield b":thump\n"
            await asyncio.sleep(0.05)

    def _happens(self) -> bytes:
        name, data = self.script.pop(0)
        if name == "update" and isinstance(data, dict) and "content" in data:
            self.timeline.append(data)
        written = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        return f"event: {name}\ndata: {written}\n\n".encode()
