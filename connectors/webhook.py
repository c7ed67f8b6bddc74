"""A receiver of webhooks: whatever can send signed JSON is a platform.

Two kinds of senders are understood:

- *ours*: `X-Czujka-Timestamp` (seconds since the epoch) and `X-Czujka-Signature: v1=<hex>`, the
  HMAC-SHA256 of ``<timestamp>.<body>``, and `Idempotency-Key`. The body is a post or a list of
  them, with the fields of files (`connectors.fields`) and `op`.
- *Meta* (pages of Facebook): `X-Hub-Signature-256` over the body, and the handshake with
  ``hub.challenge``.

An answer of 200 says that the posts are with the broker and flushed; until then the sender waits,
so whoever repeats what was not answered loses nothing. Too many waiting requests get a 429.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uvicorn
from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.base import Page, Pages, Reject, Source
from connectors.context import Context
from connectors.errors import ConfigurationError, MalformedError
from connectors.fields import FieldMap, PostBuilder
from connectors.native import Sight, convert, deletion, make_post, opaque_id, reject_of
from connectors.settings import ConnectorSettings, settings_config
from models.post import Op, Post

PLATFORM = "webhook"
MAX_KEYS = 100_000
MAX_WAITING = 512
KEPT_WITHIN_S = 30.0
IDLE_S = 2.0
_SHUTDOWN_S = 3


class Settings(ConnectorSettings):
    """Where to listen, and whom to believe."""

    model_config = settings_config("WEBHOOK")

    secret: SecretStr = Field(description="shared with the sender; while changed, NEW,OLD")
    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65_535)
    path: str = Field(default="/posts", pattern=r"^/\S*$")
    window_s: float = Field(default=300.0, gt=0, description="How old a timestamp may be.")
    verify_token: SecretStr | None = Field(default=None, description="Of Meta's handshake.")
    max_body_bytes: int = Field(default=1 << 20, gt=0)
    platform: str = Field(default=PLATFORM, description="Of posts that name none.")


SETTINGS = Settings


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_signature(
    headers: Mapping[str, str],
    body: bytes,
    secrets: tuple[bytes, ...],
    now_s: float,
    window_s: float,
) -> None:
    """Whether a request comes from who shares the secret, and is not an old one again.

    Raises:
        _Refused: it does not; says why.
    """
    meta = headers.get("x-hub-signature-256")
    if meta is not None:
        if not _signed(body, meta.removeprefix("sha256="), secrets):
            raise _Refused(401, "X-Hub-Signature-256 does not fit the body")
        return
    given = headers.get("x-czujka-signature", "")
    written = headers.get("x-czujka-timestamp", "")
    try:
        time_s = float(written)
    except ValueError:
        raise _Refused(401, "X-Czujka-Timestamp is missing or no number of seconds") from None
    if not abs(now_s - time_s) <= window_s:
        raise _Refused(401, f"X-Czujka-Timestamp is more than {window_s:g} s from the time here")
    if not _signed(f"{written}.".encode() + body, given.removeprefix("v1="), secrets):
        raise _Refused(401, "X-Czujka-Signature does not fit timestamp and body")


def _signed(content: bytes, given: str, secrets: tuple[bytes, ...]) -> bool:
    expected = [hmac.digest(secret, content, "sha256").hex() for secret in secrets]
    return any(hmac.compare_digest(one.encode(), given.encode()) for one in expected)


class _From(msgspec.Struct):
    id: str = ""


class _Value(msgspec.Struct):
    item: str = ""
    verb: str = "add"
    message: str | None = None
    comment_id: str | None = None
    post_id: str | None = None
    parent_id: str | None = None
    created_time: int = 0
    sender: _From | None = msgspec.field(name="from", default=None)


def parse_meta(record: object, sight: Sight) -> list[Post]:
    """The posts of a change in the feed of a page.

    Raises:
        MalformedError: a post or a comment without an id or a text.
    """
    value = convert(record, _Value)
    if value.item not in ("comment", "post", "status", "photo", "video", "share"):
        return []  # reactions and the like
    native_id = value.comment_id or value.post_id
    if not native_id:
        raise MalformedError("neither comment_id nor post_id")
    if value.verb in ("remove", "delete", "hide"):
        return [deletion(sight, "facebook", native_id)]
    if value.message is None:
        return []  # a photo without words
    return [
        make_post(
            sight,
            platform="facebook",
            native_id=native_id,
            op=Op.UPDATE if value.verb in ("edited", "edit") else Op.CREATE,
            author=value.sender.id if value.sender else None,
            text=value.message,
            created_ms=value.created_time * 1000 or sight.at_ms,
            reply_to=value.parent_id,
        )
    ]


def meta_changes(body: Any) -> list[Any] | None:
    """The changes in a message of Meta; None for another sender's."""
    if not (isinstance(body, dict) and isinstance(body.get("entry"), list) and "object" in body):
        return None
    entries = [entry for entry in body["entry"] if isinstance(entry, dict)]
    changes = [change for entry in entries for change in entry.get("changes") or []]
    return [change.get("value") if isinstance(change, dict) else change for change in changes]


@dataclass(slots=True)
class _Delivery:
    posts: list[Post]
    rejects: list[Reject]
    kept: asyncio.Future[None]


@dataclass(slots=True)
class _Office:
    """What is between the server and the source."""

    waiting: asyncio.Queue[_Delivery] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    keys: OrderedDict[str, asyncio.Future[None]] = field(default_factory=OrderedDict)


class WebhookSource:
    """Listens for webhooks."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        written = settings.secret.get_secret_value()
        self._secrets = tuple(part.strip().encode() for part in written.split(","))
        if not all(len(secret) >= 16 for secret in self._secrets):
            raise ConfigurationError(
                f"{Settings.variable('secret')}: needs 16 characters or more, for example of "
                "`openssl rand -hex 32`"
            )
        self._office = _Office()
        self._unkept: OrderedDict[str, list[_Delivery]] = OrderedDict()
        self._builder = PostBuilder(
            FieldMap().getters_for_objects(), source=context.name, platform=settings.platform
        )
        self.port = settings.port

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    async def pages(self, cursor: str | None) -> Pages:
        """What is sent, as it comes; the cursor only counts, there is nothing to go back to."""
        number = int(cursor) if cursor is not None and cursor.isdecimal() else 0
        self._office = office = _Office()
        self._unkept.clear()
        listener = self._listen()
        server = _Server(
            uvicorn.Config(
                self.app(), log_config=None, access_log=False, lifespan="off",
                server_header=False, timeout_graceful_shutdown=_SHUTDOWN_S,
            )
        )  # fmt: skip
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while True:
                began_ms = self._context.clock.now_ms()
                try:
                    async with asyncio.timeout(IDLE_S):
                        first = await office.waiting.get()
                except TimeoutError:
                    yield Page(until_ms=began_ms)
                    continue
                taken = [
                    first,
                    *(office.waiting.get_nowait() for _ in range(office.waiting.qsize())),
                ]
                number += 1
                self._unkept[str(number)] = taken
                yield Page(
                    tuple(post for delivery in taken for post in delivery.posts),
                    str(number),
                    rejects=tuple(reject for delivery in taken for reject in delivery.rejects),
                )
        finally:
            server.should_exit = True
            await serving
            listener.close()

    def acknowledge(self, cursor: str) -> None:
        """Answers those whose posts are kept."""
        while self._unkept:
            number, deliveries = next(iter(self._unkept.items()))
            if int(number) > int(cursor):
                return
            del self._unkept[number]
            for delivery in deliveries:
                if not delivery.kept.done():
                    delivery.kept.set_result(None)

    def app(self) -> Starlette:
        """The application that answers."""
        path = self._settings.path
        return Starlette(
            routes=[
                Route(path, self._handshake, methods=["GET"]),
                Route(path, self._receive, methods=["POST"]),
            ]
        )

    async def _handshake(self, request: Request) -> Response:
        """Meta asks whether we are whom it was told."""
        token, asked = self._settings.verify_token, request.query_params
        expected = token.get_secret_value().encode() if token is not None else b""
        given = asked.get("hub.verify_token", "").encode()
        if not expected or not hmac.compare_digest(expected, given):
            return JSONResponse({"error": "hub.verify_token is wrong"}, 403)
        return PlainTextResponse(asked.get("hub.challenge", ""))

    async def _receive(self, request: Request) -> Response:
        try:
            body = await self._body(request)
            now_s = self._context.clock.now_ms() / 1000
            check_signature(request.headers, body, self._secrets, now_s, self._settings.window_s)
            await self._keep(body, request.headers.get("idempotency-key"))
        except _Refused as refused:
            headers = {"Retry-After": "1"} if refused.status in (429, 503) else {}
            return JSONResponse({"error": str(refused)}, refused.status, headers)
        except ClientDisconnect:
            return Response(status_code=400)
        return JSONResponse({"status": "kept"})

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > self._settings.max_body_bytes:
                raise _Refused(413, f"more than {self._settings.max_body_bytes} bytes")
        return bytes(body)

    async def _keep(self, body: bytes, key: str | None) -> None:
        """Returns when everything is kept; what is sent again is kept once."""
        office = self._office
        known = office.keys.get(key) if key is not None else None
        if known is None:
            posts, rejects = self._read(body, key)
            known = asyncio.get_running_loop().create_future()
            try:
                office.waiting.put_nowait(_Delivery(posts, rejects, known))
            except asyncio.QueueFull:
                raise _Refused(429, "too much is waiting to be kept: send it again") from None
            if key is not None:
                office.keys[key] = known
                if len(office.keys) > MAX_KEYS:
                    office.keys.popitem(last=False)
        try:
            async with asyncio.timeout(KEPT_WITHIN_S):
                await asyncio.shield(known)
        except TimeoutError:
            raise _Refused(503, "not kept in time: send it again") from None

    def _read(self, body: bytes, key: str | None) -> tuple[list[Post], list[Reject]]:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _Refused(400, f"not JSON: {error}") from error
        sight = self._context.sight()
        changes = meta_changes(content)
        records = changes if changes is not None else _listed(content)
        posts: list[Post] = []
        rejects: list[Reject] = []
        for number, record in enumerate(records):
            try:
                if changes is not None:
                    posts += parse_meta(record, sight)
                else:
                    posts.append(self._own(record, sight, key, number))
            except MalformedError as error:
                rejects.append(reject_of(record, error, f"webhook {key or ''}[{number}]"))
        return posts, rejects

    def _own(self, record: Any, sight: Sight, key: str | None, number: int) -> Post:
        """The post of a record with our own fields."""
        if not isinstance(record, dict):
            raise MalformedError("not an object")
        taken_back = record.get("op") in (Op.DELETE.value, Op.AUTHOR_DELETE.value)
        filled = {"created_at": sight.at_ms, **({"text": ""} if taken_back else {}), **record}
        if taken_back and not record.get("native_id"):
            raise MalformedError(f"native_id: missing, so nobody knows what to {record['op']}")
        if not filled.get("native_id") and key is not None:
            filled["native_id"] = opaque_id(key, str(number))
        post = self._builder.build(filled, number, msgspec.json.encode(record))
        created_ms = min(post.created_ms, sight.at_ms)
        return post.model_copy(update={"created_ms": created_ms, "observed_ms": sight.at_ms})

    def _listen(self) -> socket.socket:
        settings = self._settings
        try:
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            listener = socket.create_server((settings.host, settings.port), family=family)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): set "
                f"{Settings.variable('host')} or {Settings.variable('port')}"
            ) from error
        self.port = listener.getsockname()[1]
        return listener


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the command."""
        yield


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """The receiver as a source."""
    assert isinstance(settings, Settings)
    return WebhookSource(settings, context)


def _listed(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]
