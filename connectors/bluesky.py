"""Bluesky, through Jetstream: every public post as it is written, no account needed.

Version 2 (``network.bsky.jetstream.subscribeEvents``) resumes by sequence number and says so when
a cursor is too old; version 1 (``/subscribe``) resumes by time and starts later without a word, so
the first event behind a cursor is held against it. Both repeat the event of the cursor.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec
import zstandard
from pydantic import Field

from connectors.base import Gap, Page, Pages, Reject, Source
from connectors.context import Context
from connectors.errors import ConfigurationError, MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, deletion, make_post, opaque_id, reject_of
from connectors.polling import nothing_to_ask
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.times import parse_time
from connectors.websocket import Frames, RefusedError, open_websocket
from models.post import Op, Post

Version = Literal["v2", "v1"]

PLATFORM = "bluesky"
POSTS = "app.bsky.feed.post"
BACKDATED_MS = 10 * 60_000
"""A post that says it is older was imported, not delayed, and keeps the time that it claims."""
MAX_DIDS = 10_000
GONE = frozenset(("deleted", "takendown", "suspended", "deactivated"))
"""States of an account whose posts are to be forgotten."""
GAP_MS = 1_000
QUIET_S = 5.0
"""A few accounts may write nothing for so long; then we say so."""
OTHER_HOST_US = 5_000_000
"""Servers see an event at slightly different times, so on another one we begin earlier."""
_TYPES = "network.bsky.jetstream.subscribeEvents#"
_MAX_FRAME_BYTES = 1 << 20


class Settings(ConnectorSettings):
    """How to listen to Bluesky."""

    model_config = settings_config("BLUESKY")

    url: str = Field(default="wss://jetstream.us-east.bsky.network", description="Jetstream host.")
    version: Version = "v2"
    ask: Literal["all", "accounts"] = Field(
        default="all", description="All posts, or those of accounts in the watchlist and DIDS."
    )
    dids: Names = Field(default=(), description="Accounts; empty for all.")
    zstd: bool = Field(default=False, description="Ask for packed frames.")
    zstd_dictionary: Path | None = Field(default=None, description="v1 needs it, v2 fetches it.")


SETTINGS = Settings


class _Account(msgspec.Struct):
    active: bool = True
    status: str = ""


class _Commit(msgspec.Struct):
    operation: str = ""
    collection: str = ""
    rkey: str = ""
    record: msgspec.Raw = msgspec.Raw()


class _First(msgspec.Struct):
    """An event of version 1."""

    did: str
    time_us: int
    kind: str
    commit: _Commit = msgspec.field(default_factory=_Commit)
    account: _Account = msgspec.field(default_factory=_Account)


class _Payload(_Commit):
    kind: str = msgspec.field(name="$type", default="")
    seq: int = 0
    did: str = ""
    time: str = ""
    account: _Account = msgspec.field(default_factory=_Account)
    name: str = ""
    message: str = ""


class _Second(msgspec.Struct):
    """A frame of version 2."""

    type: str = msgspec.field(name="$type", default="")
    payload: _Payload = msgspec.field(default_factory=_Payload)
    error: str = ""
    message: str = ""


class Event(msgspec.Struct, frozen=True):
    """What both versions say.

    Attributes:
        kind: commit, account, info, error, or another.
        position: where to resume: sequence number (v2) or microseconds (v1).
        time_us: when Jetstream saw it, microseconds since the epoch.
        did: whose it is.
        commit: of a record.
        account: its state.
        said: name and message of an info or an error.
    """

    kind: str
    position: int
    time_us: int
    did: str
    commit: _Commit
    account: _Account
    said: str = ""


class _Ref(msgspec.Struct):
    uri: str = ""


class _Reply(msgspec.Struct):
    parent: _Ref = msgspec.field(default_factory=_Ref)


class _Embed(msgspec.Struct):
    kind: str = msgspec.field(name="$type", default="")
    record: Any = None


class _Record(msgspec.Struct):
    text: str
    created_at: str = msgspec.field(name="createdAt", default="")
    langs: list[str] | None = None
    reply: _Reply | None = None
    embed: _Embed | None = None


_read_first = msgspec.json.Decoder(_First).decode
_read_second = msgspec.json.Decoder(_Second).decode
_read_record = msgspec.json.Decoder(_Record).decode


def decode(frame: bytes, version: Version = "v2") -> Event:
    """A frame; the record within is not looked at yet.

    Raises:
        MalformedError: it is no frame of this version.
    """
    try:
        if version == "v2":
            return _of_second(_read_second(frame))
        first = _read_first(frame)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise MalformedError(str(error)) from error
    return Event(first.kind, first.time_us, first.time_us, first.did, first.commit, first.account)


def _of_second(frame: _Second) -> Event:
    payload = frame.payload
    if frame.type == "error":
        return Event("error", 0, 0, "", payload, payload.account, f"{frame.error} {frame.message}")
    kind = payload.kind.removeprefix(_TYPES).removeprefix("#")
    if kind == "info":
        return Event(kind, 0, 0, "", payload, payload.account, f"{payload.name} {payload.message}")
    if frame.type != "message":
        return Event("unknown", 0, 0, "", payload, payload.account)
    return Event(
        kind, payload.seq, _microseconds(payload.time), payload.did, payload, payload.account
    )


def _microseconds(written: str) -> int:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {written}")
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def wanted(event: Event) -> bool:
    """Whether an event is about a post, or about an account that goes."""
    if event.kind == "commit":
        return event.commit.collection == POSTS
    return event.kind == "account" and not event.account.active and event.account.status in GONE


def parse(event: Event, sight: Sight) -> list[Post]:
    """The posts that a wanted event makes.

    Raises:
        MalformedError: the record is not a post's.
    """
    seen_ms = event.time_us // 1000
    sight = Sight(sight.source, max(sight.at_ms, seen_ms))
    if event.kind == "account":
        return [
            make_post(sight, platform=PLATFORM, native_id=event.did, author=event.did,
                      created_ms=seen_ms, op=Op.AUTHOR_DELETE)
        ]  # fmt: skip
    commit = event.commit
    native_id = opaque_id(event.did, commit.rkey)
    if commit.operation == "delete":
        return [deletion(sight, PLATFORM, native_id)]
    try:
        record = _read_record(commit.record)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=native_id,
            op=Op.UPDATE if commit.operation == "update" else Op.CREATE,
            author=event.did,
            text=record.text,
            language=record.langs[0][:35] if record.langs else None,
            created_ms=_created_ms(record.created_at, seen_ms),
            reply_to=_id_of(record.reply.parent.uri) if record.reply else None,
            quote_of=_id_of(_quoted(record.embed)),
            url=f"https://bsky.app/profile/{event.did}/post/{commit.rkey}",
        )
    ]


def _created_ms(claimed: str, seen_ms: int) -> int:
    """When a post came to be seen; one that claims to be much older is believed."""
    try:
        claimed_ms = parse_time(claimed)
    except MalformedError:
        return seen_ms
    return claimed_ms if claimed_ms < seen_ms - BACKDATED_MS else seen_ms


def _quoted(embed: _Embed | None) -> str:
    record = embed.record if embed is not None else None
    if isinstance(record, dict) and isinstance(record.get("record"), dict):
        record = record["record"]
    uri = record.get("uri", "") if isinstance(record, dict) else ""
    return uri if isinstance(uri, str) else ""


def _id_of(uri: str) -> str | None:
    """The native id of the post at ``at://did/app.bsky.feed.post/rkey``."""
    parts = uri.removeprefix("at://").split("/")
    return opaque_id(parts[0], parts[2]) if len(parts) == 3 and parts[1] == POSTS else None


class _Cursor(msgspec.Struct, frozen=True):
    """Where to go on.

    Attributes:
        host: whose `position` it is.
        version: of the protocol.
        position: see `Event`.
        time_us: of the same event; for another host, or when the position is too old.
    """

    host: str
    version: str
    position: int
    time_us: int


class BlueskySource:
    """Listens to one Jetstream server."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._host = urlsplit(settings.url).netloc
        self._by_time = False
        self._api = Api("Bluesky Jetstream", Settings.variable("url"))
        self._accounts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    def accounts(self) -> tuple[str, ...]:
        """Whose posts to ask for; empty for everybody's.

        Raises:
            ConfigurationError: accounts are asked for, and there are none, or too many.
        """
        found = self._settings.dids
        if self._settings.ask == "accounts":
            found = tuple(dict.fromkeys((*found, *self._context.queries.current().dids)))
            if not found:
                raise nothing_to_ask(
                    "Bluesky", Settings.variable("dids"), "name dids under `follow` of a brand"
                )
        if len(found) > MAX_DIDS:
            raise ConfigurationError(
                f"Bluesky: {len(found)} accounts, allowed are {MAX_DIDS}: follow fewer, or set "
                f"{Settings.variable('ask')}=all"
            )
        return found

    async def pages(self, cursor: str | None) -> Pages:
        """Events from the cursor, or from now on; ends when the watchlist names other accounts."""
        before = _read_cursor(cursor)
        self._accounts = self.accounts()
        async with self._context.client(self._api) as client:
            unpack = await self._unpacker(client)
            url = self._address(before, unpack)
            try:
                async with open_websocket(
                    url, client, self._context.http, self._subprotocol
                ) as frames:
                    async for page in self._listen(frames, before, unpack):
                        yield page
            except RefusedError as refused:
                answer = refused.answer
                if answer.status == 400 and b"CursorTooOld" in answer.body and not self._by_time:
                    self._by_time = True
                    raise RetryError(
                        "the cursor is too old: going on as early as possible"
                    ) from None
                raise client.refusal(answer, url) from None

    async def _listen(
        self, frames: Frames, before: _Cursor | None, unpack: zstandard.ZstdDecompressor | None
    ) -> Pages:
        first_us: int | None = None if before is not None else 0
        newest = before
        skipped = self._context.metrics.skipped.labels(self.name)
        while True:
            batch = await frames.batch(QUIET_S if self._accounts else None)
            if self.accounts() != self._accounts:
                return
            sight = self._context.sight()
            posts: list[Post] = []
            rejects: list[Reject] = []
            passed = 0
            for frame in batch:
                try:
                    event = decode(_unpacked(frame, unpack), self._settings.version)
                    if event.position == 0:
                        self._heed(event)
                        continue
                    newest = _Cursor(
                        self._host, self._settings.version, event.position, event.time_us
                    )
                    if first_us is None:
                        first_us = event.time_us
                    if not wanted(event):
                        passed += 1
                    elif not self._repeats(event, before):
                        posts += parse(event, sight)
                except MalformedError as error:
                    rejects.append(reject_of(frame, error, f"Jetstream {self._host}"))
            skipped.inc(passed)
            gap = None
            if before is not None and first_us:
                # A few accounts may be quiet for long: there the word of the server counts.
                gap = _gap(before, first_us) if not self._accounts or self._by_time else None
                before = None
                self._by_time = False
            if not batch:
                yield Page(until_ms=sight.at_ms - int(QUIET_S * 1000))
                continue
            if newest is None:
                yield Page(tuple(posts), rejects=tuple(rejects))
                continue
            yield Page(
                tuple(posts),
                msgspec.json.encode(newest).decode(),
                newest.time_us // 1000,
                rejects=tuple(rejects),
                gap=gap,
            )

    def _repeats(self, event: Event, before: _Cursor | None) -> bool:
        """Whether an event is the one of the cursor, which comes once more."""
        return (
            before is not None
            and self._settings.version == "v2"
            and before.host == self._host
            and event.position == before.position
        )

    def _heed(self, event: Event) -> None:
        """What the server says about the stream itself."""
        if event.kind == "error":
            raise RetryError(f"Bluesky Jetstream ends the stream: {event.said.strip()}")
        if event.kind == "info" and event.said.startswith("FutureCursor") and not self._by_time:
            self._by_time = True
            raise RetryError("the cursor is of another archive: going on by its time")

    @property
    def _subprotocol(self) -> str | None:
        return "xrpc.v1.json" if self._settings.version == "v2" else None

    def _address(self, before: _Cursor | None, unpack: zstandard.ZstdDecompressor | None) -> str:
        settings = self._settings
        second = settings.version == "v2"
        query: list[tuple[str, str | int]] = [
            ("collections" if second else "wantedCollections", POSTS),
            *[("dids" if second else "wantedDids", did) for did in self._accounts],
            ("maxMessageSizeBytes", _MAX_FRAME_BYTES),
        ]
        if second:
            query += [("kinds", "commit"), ("kinds", "account")]
        if unpack is not None:
            assert self._dictionary is not None
            query.append(
                ("zstdDictionary", self._dictionary.dict_id()) if second else ("compress", "true")
            )
        if before is not None:
            same = (before.host, before.version) == (self._host, settings.version)
            time_us = before.time_us if same else before.time_us - OTHER_HOST_US
            query.append(("cursor", before.position if same and not self._by_time else time_us))
        path = "/xrpc/network.bsky.jetstream.subscribeEvents" if second else "/subscribe"
        return f"{settings.url.rstrip('/')}{path}?{urlencode(query)}"

    _dictionary: zstandard.ZstdCompressionDict | None = None

    async def _unpacker(self, client: HttpClient) -> zstandard.ZstdDecompressor | None:
        if not self._settings.zstd:
            return None
        self._dictionary = zstandard.ZstdCompressionDict(await self._dictionary_bytes(client))
        return zstandard.ZstdDecompressor(dict_data=self._dictionary)

    async def _dictionary_bytes(self, client: HttpClient) -> bytes:
        path = self._settings.zstd_dictionary
        if path is not None:
            try:
                return path.read_bytes()
            except OSError as error:
                raise ConfigurationError(
                    f"{Settings.variable('zstd_dictionary')}={path}: {error.strerror}"
                ) from error
        if self._settings.version == "v1":
            raise ConfigurationError(
                "version v1 packs with a dictionary that it does not give: set "
                f"{Settings.variable('zstd_dictionary')} to its file, or "
                f"{Settings.variable('zstd')}=false"
            )
        address = self._settings.url.replace("ws", "http", 1).rstrip("/")
        answer = await client.fetch(
            "GET", f"{address}/xrpc/network.bsky.jetstream.getZstdDictionary"
        )
        return answer.body


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Bluesky as a source."""
    assert isinstance(settings, Settings)
    return BlueskySource(settings, context)


def _unpacked(frame: bytes, unpack: zstandard.ZstdDecompressor | None) -> bytes:
    if unpack is None:
        return frame
    try:
        said = zstandard.get_frame_parameters(frame).content_size
        if said != zstandard.CONTENTSIZE_UNKNOWN and said > _MAX_FRAME_BYTES:
            # decompress() would believe the frame and take that much memory
            raise MalformedError(f"a frame that would be unpacked to {said} bytes")
        return unpack.decompress(frame, max_output_size=_MAX_FRAME_BYTES)
    except zstandard.ZstdError as error:
        raise MalformedError(f"a frame that cannot be unpacked: {error}") from error


def _gap(before: _Cursor, first_us: int) -> Gap | None:
    """What is missing between the cursor and the first event behind it."""
    from_ms, to_ms = before.time_us // 1000, first_us // 1000
    if to_ms - from_ms <= GAP_MS:
        return None
    return Gap(from_ms, to_ms, "the server begins behind the cursor: it keeps no older events")


def _read_cursor(cursor: str | None) -> _Cursor | None:
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(cursor, type=_Cursor)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"the saved cursor cannot be read ({error}): begin again with --from-start"
        ) from error
