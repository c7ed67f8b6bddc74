"""X: rules, the filtered stream and recent search."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.servers.http import HttpServer, Reply, Request, refusal

TOKEN = "a-bearer-token"
FIRST_ID = 1_724_000_000_000_000_000


def tweet(number: int, text: str, **changes: Any) -> dict[str, Any]:
    """A post as the API gives it, one a second."""
    native = str(FIRST_ID + number)
    made = {
        "id": native, "text": text, "author_id": "4242", "lang": "pl",
        "created_at": f"2023-11-14T22:{13 + (20 + number) // 60}:{(20 + number) % 60:02}.000Z",
        "edit_history_tweet_ids": [native],
        "public_metrics": {"retweet_count": 1, "reply_count": 2, "like_count": 3,
                           "quote_count": 4, "impression_count": 500},
    }  # fmt: skip
    return made | changes


class X(HttpServer):
    """What happens, happens while somebody listens, or is just being cut off.

    Attributes:
        script: posts (or raw lines) that are still to come.
        archive: what recent search finds.
        rules: as they stand.
    """

    def __init__(self, script: list[dict[str, Any] | bytes]) -> None:
        super().__init__()
        self.script = list(script)
        self.archive: list[dict[str, Any]] = []
        self.rules: dict[str, dict[str, str]] = {}
        self._serial = 0

    async def reply(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refusal(401)
        if request.path.endswith("/rules"):
            return self._change(request) if request.method == "POST" else self._listing()
        if request.path == "/2/tweets/search/stream":
            breaks, self.breaks = self.breaks, max(0, self.breaks - 1)
            return Reply(stream=self._stream(bool(breaks)), cut_after=0 if breaks else None)
        if request.path == "/2/tweets/search/recent":
            return self._search(request)
        return refusal(404)

    def _listing(self) -> Reply:
        return Reply.json({"data": list(self.rules.values()), "meta": {"sent": "now"}})

    def _change(self, request: Request) -> Reply:
        change = json.loads(request.body)
        for rule in change.get("add", []):
            self._serial += 1
            self.rules[str(self._serial)] = {**rule, "id": str(self._serial)}
        for number in change.get("delete", {}).get("ids", []):
            del self.rules[number]
        return Reply.json({"meta": {}}, 201)

    def _search(self, request: Request) -> Reply:
        since, size = int(request.one("since_id")), int(request.one("max_results"))
        start = int(request.one("next_token", "0"))
        found = sorted(
            (t for t in self.archive if int(t["id"]) > since), key=lambda t: -int(t["id"])
        )
        content: dict[str, Any] = {"meta": {"result_count": len(found)}}
        if found:
            content["data"] = found[start : start + size]
        if start + size < len(found):
            content["meta"]["next_token"] = str(start + size)
        return Reply.json(content)

    async def _stream(self, cut: bool) -> AsyncIterator[bytes]:
        yield b"\r\n"
        left = 1 if cut else len(self.script)
        while left and self.script:
            left -= 1
            yield self._happens()
        if cut:
            if self.script and isinstance(self.script[0], dict) and "text" in self.script[0]:
                self._happens()  # while nobody listens
            yield b'{"data": {"id": "17'
            return
        while True:
            yield b"\r\n"
            await asyncio.sleep(0.05)

    def _happens(self) -> bytes:
        made = self.script.pop(0)
        if isinstance(made, bytes):
            return made
        if "text" in made:
            self.archive.append(made)
        user = {"id": "4242", "username": "ola_kowal", "public_metrics": {"followers_count": 99}}
        record = {"data": made, "includes": {"users": [user]}, "matching_rules": []}
        return json.dumps(record, ensure_ascii=False).encode() + b"\r\n"
