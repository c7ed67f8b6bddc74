"""A Jetstream server of both versions, over real websockets."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import zstandard
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from tests.servers.http import Reply

TYPES = "network.bsky.jetstream.subscribeEvents#"
START_US = 1_700_000_000_000_000


def commit(number: int, record: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """An event as the server keeps it; `number` gives its place and time."""
    event = {
        "kind": "commit",
        "did": f"did:plc:autor{number % 7}",
        "operation": "delete" if record is None else "create",
        "collection": "app.bsky.feed.post",
        "rkey": f"3k{number:04}",
        "record": record,
    }
    return event | changes


def account(did: str, status: str) -> dict[str, Any]:
    """An account that changes its state."""
    return {"kind": "account", "did": did, "active": status == "active", "status": status}


def time_us(number: int) -> int:
    """When the event of this number was seen: one each 100 ms."""
    return START_US + number * 100_000


class Jetstream:
    """Serves a list of events, then waits for more.

    Attributes:
        events: all there is; the first has the number 1.
        oldest: number of the oldest event that is still kept.
        faults: answers to the next handshakes.
        break_after: connections are broken after so many frames, one entry a connection.
        addresses: paths and queries of all handshakes.
        grows: more events may be appended while somebody listens.
        raw: frames that are sent as they are, by the number of the event that they replace.
    """

    def __init__(
        self, version: str, dictionary: zstandard.ZstdCompressionDict | None = None
    ) -> None:
        self.version = version
        self.events: list[dict[str, Any]] = []
        self.oldest = 1
        self.faults: deque[Reply] = deque()
        self.break_after: deque[int] = deque()
        self.addresses: list[str] = []
        self.raw: dict[int, bytes] = {}
        self.grows = False
        self.last_words: list[dict[str, Any]] = []
        self._dictionary = dictionary
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Address of the server."""
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._send, "127.0.0.1", 0, process_request=self._refuse, compression=None,
            select_subprotocol=lambda _, offered: offered[0] if offered else None,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    def refuse(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers the next handshake so."""
        self.faults.append(Reply(status, body, dict(headers)))

    def break_off(self) -> None:
        """Breaks the next connection after two more frames than the one before."""
        self.break_after.append(2 + 2 * len(self.break_after))

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.addresses.append(request.path)
        query = parse_qs(urlsplit(request.path).query)
        reply = self.faults.popleft() if self.faults else None
        if "getZstdDictionary" in request.path:
            assert self._dictionary is not None
            reply = Reply(200, self._dictionary.as_bytes())
        cursor = int(query.get("cursor", ["0"])[0])
        if reply is None and self.version == "v2" and 0 < cursor < min(self.oldest, 10**15):
            reply = Reply.json({"error": "CursorTooOld", "message": f"floor {self.oldest}"}, 400)
        if reply is None:
            return None
        headers = Headers({**reply.headers, "Content-Length": str(len(reply.body))})
        return Response(reply.status, HTTPStatus(reply.status).phrase, headers, reply.body)

    async def _send(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        limit = self.break_after.popleft() if self.break_after else None
        packed = "zstdDictionary" in query or query.get("compress") == ["true"]
        packer = zstandard.ZstdCompressor(dict_data=self._dictionary) if packed else None
        number = self._first(query.get("cursor", [None])[0])
        sent = 0
        try:
            asked = query.get("cursor")
            if self.version == "v2" and asked and 10**15 <= int(asked[0]) < time_us(self.oldest):
                info = {"$type": TYPES + "info", "name": "OutdatedCursor", "message": "later"}
                await connection.send(json.dumps({"$type": "message", "payload": info}))
            while limit is None or sent < limit:
                if number > len(self.events):
                    if self.last_words:
                        await connection.send(json.dumps(self.last_words.pop(0)))
                        return
                    if self.grows and connection.state is State.OPEN:
                        await asyncio.sleep(0.01)
                        continue
                    await connection.wait_closed()
                    return
                frame = self.raw.get(number) or self.frame(number)
                await connection.send(
                    packer.compress(frame) if packer else frame.decode(errors="surrogateescape")
                )
                number += 1
                sent += 1
            connection.transport.abort()
        except (ConnectionClosed, UnicodeEncodeError):
            pass

    def _first(self, cursor: str | None) -> int:
        if cursor is None:
            return self.oldest
        position = int(cursor)
        if position < 10**15:
            return max(position, self.oldest)
        numbers = range(self.oldest, len(self.events) + 1)
        return next((n for n in numbers if time_us(n) >= position), len(self.events) + 1)

    def frame(self, number: int) -> bytes:
        """An event as it goes over the wire."""
        event = self.events[number - 1]
        body = {
            k: v
            for k, v in event.items()
            if k not in ("kind", "active", "status") and v is not None
        }
        state = {
            "active": event.get("active", True),
            "did": event["did"],
            "status": event.get("status", ""),
        }
        if self.version == "v1":
            did = body.pop("did")
            first = {"did": did, "time_us": time_us(number), "kind": event["kind"]}
            part = (
                {"account": state}
                if event["kind"] == "account"
                else {"commit": {"rev": "1", **body}}
            )
            return json.dumps({**first, **part}, ensure_ascii=False).encode()
        at = datetime.fromtimestamp(time_us(number) / 1e6, UTC)
        payload = {
            "$type": TYPES + event["kind"],
            "seq": number,
            "time": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
            **body,
        }
        if event["kind"] == "account":
            payload["account"] = state
        return json.dumps({"$type": "message", "payload": payload}, ensure_ascii=False).encode()
