"""Mastodon: the streams of one instance, and its REST timelines for what was missed.

The streaming API has no replay. So each time a stream is open, what lies between the cursor and now
is fetched over REST, oldest first; what comes in meanwhile waits. Ids of Mastodon hold the time of
creation, also for posts that federate late, so the catching up begins a little before the cursor.
Deletes name the bare id; ours are ``host/id``, so they can be told without looking anything up.
Deletes that happen while nobody listens are never told again: Mastodon has no list of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import Field, SecretStr

from connectors.base import Gap, Page, Pages, Reject, Source
from connectors.context import Context
from connectors.errors import ConfigurationError, ConnectorError, MalformedError
from connectors.http import Api, HttpClient, LongLine
from connectors.native import Sight, convert, deletion, make_post, reject_of, text_of
from connectors.polling import nothing_to_ask
from connectors.rates import Rates
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.sse import EventReader, ServerEvent
from connectors.times import parse_time
from models.post import Op, Post

PLATFORM = "mastodon"
DELAY_MS = 5_000
REWIND_MS = 5 * 60_000
PAGE_STATUSES = 40
QUEUE_EVENTS = 1_000
BATCH_EVENTS = 500
_TIME_SHIFT = 16


class Settings(ConnectorSettings):
    """Which instance to listen to, and to what."""

    model_config = settings_config("MASTODON")

    url: str = Field(description="address of the instance, as https://mastodon.social")
    token: SecretStr = Field(description="access token of an application there (scope read)")
    streams: Names = Field(
        default=("public",), description="public, public/local, public/remote, or hashtags"
    )
    max_backfill_pages: int = Field(default=250, ge=1, description="Of 40 posts, after a break.")


SETTINGS = Settings


class _Account(msgspec.Struct):
    acct: str
    followers_count: int = 0


class _Id(msgspec.Struct):
    id: str


class _Quote(msgspec.Struct):
    quoted_status: _Id | None = None


class _Status(msgspec.Struct):
    id: str
    created_at: str
    content: str
    account: _Account
    spoiler_text: str = ""
    language: str | None = None
    in_reply_to_id: str | None = None
    reblog: _Id | None = None
    quote: _Quote | None = None
    replies_count: int = 0
    reblogs_count: int = 0
    favourites_count: int = 0


def parse(event: str, record: object, sight: Sight, host: str) -> list[Post]:
    """The posts that an event of a stream makes.

    Args:
        event: its name: update, status.update, delete, or another that is none of our business.
        record: the decoded status, or the bare id of a deleted one.
        sight: who saw it, and when.
        host: of the instance.

    Raises:
        MalformedError: it is no status.
    """
    if event == "delete":
        if not isinstance(record, str | int) or not str(record).strip():
            raise MalformedError("a delete without an id")
        return [deletion(sight, PLATFORM, f"{host}/{str(record).strip()}")]
    if event not in ("update", "status.update"):
        return []
    status = convert(record, _Status)
    quoted = status.quote.quoted_status if status.quote is not None else None
    acct = status.account.acct
    parts = (text_of(status.spoiler_text), text_of(status.content))
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=f"{host}/{status.id}",
            op=Op.UPDATE if event == "status.update" else Op.CREATE,
            author=acct if "@" in acct else f"{acct}@{host}",
            reach=status.account.followers_count,
            text="\n".join(part for part in parts if part),
            language=status.language,
            created_ms=parse_time(status.created_at),
            engagement={
                "likes": status.favourites_count,
                "reposts": status.reblogs_count,
                "replies": status.replies_count,
            },
            reply_to=f"{host}/{status.in_reply_to_id}" if status.in_reply_to_id else None,
            repost_of=f"{host}/{status.reblog.id}" if status.reblog else None,
            quote_of=f"{host}/{quoted.id}" if quoted else None,
            url=f"https://{host}/statuses/{status.id}",
        )
    ]


@dataclass(slots=True)
class _Heard:
    """Something that a stream brought: it is open, it lives, an event, or its end."""

    target: str
    opened: bool = False
    event: ServerEvent | None = None
    long: LongLine | None = None
    error: ConnectorError | None = None
    broken: BaseException | None = None


@dataclass(slots=True)
class _Batch:
    posts: list[Post] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class MastodonSource:
    """Listens to the streams of one instance."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._base = settings.url.rstrip("/")
        self._host = urlsplit(settings.url).netloc
        self._api = Api(
            "Mastodon",
            Settings.variable("url"),
            Settings.variable("token"),
            Rates("x-ratelimit-remaining", "x-ratelimit-reset", "iso"),
            secrets=(settings.token.get_secret_value(),),
        )
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    def targets(self) -> tuple[str, ...]:
        """Streams to follow: paths below the API's, with their parameter.

        Raises:
            ConfigurationError: a stream is unknown, or there are no hashtags to follow.
        """
        found: list[str] = []
        for stream in self._settings.streams:
            if stream in ("public", "public/local", "public/remote"):
                found.append(stream)
            elif stream == "hashtags":
                found += [
                    f"hashtag?tag={quote(tag)}" for tag in self._context.queries.current().tags
                ]
            else:
                raise ConfigurationError(
                    f"{Settings.variable('streams')}: unknown stream '{stream}': write public, "
                    "public/local, public/remote or hashtags"
                )
        if not found:
            raise nothing_to_ask(
                "Mastodon", Settings.variable("streams"), "name a hashtag in the watchlist"
            )
        return tuple(found)

    async def pages(self, cursor: str | None) -> Pages:
        """What the streams bring; first what was missed since the cursor."""
        last = _read_cursor(cursor)
        targets = self.targets()
        heard: asyncio.Queue[_Heard] = asyncio.Queue(QUEUE_EVENTS)
        async with self._context.client(self._api) as client:
            base = await self._streaming_base(client)
            tasks = [
                asyncio.create_task(self._follow(client, base, target, heard)) for target in targets
            ]
            try:
                async for page in self._merge(client, targets, heard, last):
                    yield page
                    if self.targets() != targets:
                        return  # the watchlist was changed: opened again with other streams
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _streaming_base(self, client: HttpClient) -> str:
        """Where the streams are, which may be another host; notes the instance's own name."""
        url = f"{self._base}/api/v2/instance"
        instance = await client.get_json(url, headers=self._headers)
        if isinstance(instance, dict) and isinstance(instance.get("domain"), str):
            self._host = instance["domain"]
        try:
            address = instance["configuration"]["urls"]["streaming"]
        except (KeyError, TypeError):
            return self._base
        return str(address).replace("wss://", "https://").replace("ws://", "http://").rstrip("/")

    async def _follow(
        self, client: HttpClient, base: str, target: str, heard: asyncio.Queue[_Heard]
    ) -> None:
        path, _, parameter = target.partition("?")
        url = f"{base}/api/v1/streaming/{path}{f'?{parameter}' if parameter else ''}"
        reader = EventReader()
        try:
            async with client.lines(url, headers=self._headers) as lines:
                await heard.put(_Heard(target, opened=True))
                async for line in lines:
                    if isinstance(line, LongLine):
                        reader.forget()
                        await heard.put(_Heard(target, long=line))
                    elif line.startswith(b":"):
                        await heard.put(_Heard(target))
                    elif (event := reader.feed(line)) is not None:
                        await heard.put(_Heard(target, event=event))
        except ConnectorError as error:
            await heard.put(_Heard(target, error=error))
        except Exception as error:
            await heard.put(_Heard(target, broken=error))

    async def _merge(
        self,
        client: HttpClient,
        targets: tuple[str, ...],
        heard: asyncio.Queue[_Heard],
        last: dict[str, str],
    ) -> Pages:
        alive: dict[str, int] = {}
        while True:
            batch = _Batch()
            first = await heard.get()
            more = [heard.get_nowait() for _ in range(min(heard.qsize(), BATCH_EVENTS))]
            failure: BaseException | None = None
            for item in (first, *more):
                if item.error is not None or item.broken is not None:
                    failure = failure or item.error or item.broken
                    continue
                if item.opened:
                    if item.target in last:
                        async for page in self._backfill(client, item.target, last):
                            yield page
                elif item.event is not None:
                    self._take(item.target, item.event, batch, last)
                elif item.long is not None:
                    batch.rejects.append(
                        reject_of(item.long.head, "a line longer than allowed", item.target)
                    )
                alive[item.target] = self._context.clock.now_ms()
            until_ms = min(alive.values()) - DELAY_MS if len(alive) == len(targets) else None
            if batch.posts or batch.rejects or until_ms is not None:
                yield Page(
                    tuple(batch.posts),
                    _written(last) if batch.posts else None,
                    until_ms,
                    rejects=tuple(batch.rejects),
                )
            if failure is not None:
                raise failure

    def _take(self, target: str, event: ServerEvent, batch: _Batch, last: dict[str, str]) -> None:
        """Reads an event, and remembers how far it goes."""
        try:
            record = event.data.decode() if event.name == "delete" else _decoded(event.data)
            posts = parse(event.name, record, self._context.sight(), self._host)
        except (MalformedError, UnicodeDecodeError) as error:
            batch.rejects.append(reject_of(event.data, error, f"{self._host} {target}"))
            return
        batch.posts += posts
        if event.name == "update":
            self._remember(target, posts, last)

    def _remember(self, target: str, posts: Sequence[Post], last: dict[str, str]) -> None:
        for post in posts:
            native = post.native_id.rpartition("/")[2]
            last[target] = max(last.get(target, ""), native, key=_order)

    async def _backfill(self, client: HttpClient, target: str, last: dict[str, str]) -> Pages:
        """What a timeline holds behind the last id, oldest first."""
        path, _, tag = target.partition("?tag=")
        timeline = f"tag/{tag}" if path == "hashtag" else "public"
        scope = path.removeprefix("public").removeprefix("/")
        params: dict[str, str | int] = {"limit": PAGE_STATUSES}
        if scope:
            params[scope] = "true"
        after = _rewound(last[target])
        url = f"{self._base}/api/v1/timelines/{timeline}"
        for _ in range(self._settings.max_backfill_pages):
            records = await client.get_json(url, {**params, "min_id": after}, self._headers)
            if not isinstance(records, list) or not records:
                return
            batch = _Batch()
            sight = self._context.sight()
            for record in reversed(records):
                after = _newer(after, record)
                try:
                    batch.posts += parse("update", record, sight, self._host)
                except MalformedError as error:
                    batch.rejects.append(reject_of(record, error, f"{self._host} {timeline}"))
            self._remember(target, batch.posts, last)
            yield Page(tuple(batch.posts), _written(last), rejects=tuple(batch.rejects))
            if len(records) < PAGE_STATUSES:
                return
        now_ms = self._context.clock.now_ms()
        yield Page(
            gap=Gap(
                _time_ms(after) or now_ms,
                now_ms,
                f"more than {self._settings.max_backfill_pages} pages were missed: raise "
                f"{Settings.variable('max_backfill_pages')}",
            )
        )


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Mastodon as a source."""
    assert isinstance(settings, Settings)
    return MastodonSource(settings, context)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from error


def _order(native: str) -> tuple[int, str]:
    """Ids grow as numbers do; those of other software are texts of the same length."""
    return (len(native), native)


def _newer(after: str, record: object) -> str:
    native = record.get("id") if isinstance(record, dict) else None
    return max(after, native, key=_order) if isinstance(native, str) else after


def _time_ms(native: str) -> int | None:
    """The time within an id; None for ids without one."""
    return int(native) >> _TIME_SHIFT if native.isdecimal() and len(native) > 15 else None


def _rewound(native: str) -> str:
    time_ms = _time_ms(native)
    return native if time_ms is None else str((time_ms - REWIND_MS) << _TIME_SHIFT)


def _written(last: dict[str, str]) -> str:
    return msgspec.json.encode(last).decode()


def _read_cursor(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    try:
        return msgspec.json.decode(cursor, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"the saved cursor cannot be read ({error}): begin again with --from-start"
        ) from error
