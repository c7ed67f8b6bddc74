"""A small HTTP server over real sockets that can misbehave on demand.

It runs in the event loop of the test. A platform's server says what a request is answered with; a
test puts faults in its way.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def one(self, name: str, default: str = "") -> str:
        """A parameter that stands once."""
        return self.query.get(name, [default])[0]


@dataclass
class Reply:
    """What the server answers.

    Attributes:
        stream: chunks of a body without an end, instead of `body`.
        cut_after: the connection is broken after so many bytes of the body.
        length: what Content-Length says, if not the truth.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    cut_after: int | None = None

    @classmethod
    def json(cls, content: Any, status: int = 200, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(content, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json", **named})


def refusal(status: int, **headers: str) -> Reply:
    """An error as platforms give it."""
    return Reply.json({"error": f"status {status}"}, status, **headers)


class HttpServer(ABC):
    """Answers requests until the end of ``async with``.

    Attributes:
        requests: all of them, in their order.
        faults: replies that are given first, one a request, whatever is asked.
        breaks: so many of the next answers are broken off in their middle.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.faults: deque[Reply] = deque()
        self.breaks = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @abstractmethod
    async def reply(self, request: Request) -> Reply:
        """What a request is answered with."""

    @property
    def url(self) -> str:
        """Address of the server."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.break_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers the next request so."""
        self.faults.append(Reply(status, body, dict(headers)))

    def break_off(self) -> None:
        """Breaks the connection in the middle of the next answer."""
        self.breaks += 1

    def break_connections(self) -> None:
        """As when the server is killed."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                reply = self.faults.popleft() if self.faults else await self.reply(request)
                if self.breaks and reply.stream is None:
                    self.breaks -= 1
                    reply.cut_after = len(reply.body) // 2
                if not await _write(writer, reply):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(
        method, unquote(parts.path), parse_qs(parts.query, keep_blank_values=True), headers, body
    )


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Whether the connection goes on."""
    headers = dict(reply.headers)
    if reply.stream is None and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(reply.body))
    if reply.stream is not None:
        headers["Transfer-Encoding"] = "chunked"
    lines = [f"HTTP/1.1 {reply.status} Status", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    if reply.stream is None:
        writer.write(reply.body[: reply.cut_after])
        await writer.drain()
        return reply.cut_after is None
    async for chunk in reply.stream:
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()
    if reply.cut_after is not None:
        return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


class Replies(HttpServer):
    """Answers from a list, the last one again and again."""

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self._replies = list(replies)

    async def reply(self, request: Request) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
