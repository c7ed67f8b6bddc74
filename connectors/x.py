"""X: the filtered stream, with rules from the watchlist, and recent search for what was missed.

Every post costs money. What was delivered this month is counted in the cursor, and the connector
stops before the next page might cost more than a person has allowed. Rules are compared with the
watchlist once a minute and changed without a new connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pydantic import Field, SecretStr

from connectors.base import Gap, Page, Pages, Reject, Source
from connectors.context import Context
from connectors.errors import (
    Backoff,
    ConfigurationError,
    MalformedError,
    RetryError,
    SpendCapError,
)
from connectors.http import Api, HttpClient, LongLine
from connectors.native import Sight, convert, make_post, reject_of, tidy
from connectors.polling import nothing_to_ask
from connectors.queries import Queries, packed, quoted
from connectors.rates import Rates
from connectors.settings import ConnectorSettings, settings_config
from connectors.times import parse_time
from models.post import Op, Post

log = logging.getLogger(__name__)

PLATFORM = "x"
MAX_RULES = 1_000
RULE_CHARS = 1_024
SEARCH_POSTS = 100
SEARCH_CHARS = 512
RULES_EVERY_S = 60.0
RULE_TAG = "czujka"
BATCH_POSTS = 250
BATCH_S = 0.25
DELAY_MS = 2_000
_BROKEN = Backoff(first_s=0.25, longest_s=16.0, linear=True)
_REFUSED = Backoff(first_s=5.0, longest_s=320.0)
_FIELDS = {
    "tweet.fields": "created_at,lang,author_id,referenced_tweets,public_metrics,"
    "edit_history_tweet_ids",
    "expansions": "author_id",
    "user.fields": "public_metrics",
}


class Settings(ConnectorSettings):
    """How to listen to X, and for how much money."""

    model_config = settings_config("X")

    url: str = "https://api.x.com"
    token: SecretStr = Field(description="bearer token of an app with paid access")
    usd_per_month: float = Field(gt=0, description="spend cap in US dollars; there is no default")
    usd_per_post: float = Field(default=0.005, gt=0)
    max_rules: int = Field(default=MAX_RULES, ge=1, description="As the access allows.")
    rule_chars: int = Field(default=RULE_CHARS, ge=64)
    max_backfill_pages: int = Field(default=20, ge=0, description="Of 100 posts; each is paid.")
    languages: str = Field(default="", description="As lang:pl OR lang:en; empty for all.")


SETTINGS = Settings


class _Metrics(msgspec.Struct):
    retweet_count: int = 0
    reply_count: int = 0
    like_count: int = 0
    quote_count: int = 0
    impression_count: int = 0
    followers_count: int = 0


class _Reference(msgspec.Struct):
    type: str
    id: str


class _Tweet(msgspec.Struct):
    id: str
    text: str
    created_at: str
    author_id: str | None = None
    lang: str | None = None
    referenced_tweets: list[_Reference] = []
    public_metrics: _Metrics = msgspec.field(default_factory=_Metrics)
    edit_history_tweet_ids: list[str] = []


class _User(msgspec.Struct):
    id: str
    public_metrics: _Metrics = msgspec.field(default_factory=_Metrics)


class _Includes(msgspec.Struct):
    users: list[_User] = []


class _Delivery(msgspec.Struct):
    data: _Tweet
    includes: _Includes = msgspec.field(default_factory=_Includes)


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of a delivery ``{"data": …, "includes": …}``.

    An edit has a new id at X; here it is an update of the first one, so that it is counted once.

    Raises:
        MalformedError: it is none.
    """
    delivery = convert(record, _Delivery)
    tweet = delivery.data
    first = min(tweet.edit_history_tweet_ids or [tweet.id], key=lambda n: (len(n), n))
    followers = {user.id: user.public_metrics.followers_count for user in delivery.includes.users}
    references = {reference.type: reference.id for reference in tweet.referenced_tweets}
    counts = tweet.public_metrics
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=first,
            op=Op.CREATE if first == tweet.id else Op.UPDATE,
            author=tweet.author_id,
            reach=followers.get(tweet.author_id or "", 0),
            text=tidy(tweet.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")),
            language=tweet.lang if tweet.lang not in (None, "und", "zxx") else None,
            created_ms=parse_time(tweet.created_at),
            engagement={
                "likes": counts.like_count,
                "reposts": counts.retweet_count,
                "replies": counts.reply_count,
                "quotes": counts.quote_count,
                "views": counts.impression_count,
            },
            reply_to=references.get("replied_to"),
            repost_of=references.get("retweeted"),
            quote_of=references.get("quoted"),
            url=f"https://x.com/i/status/{tweet.id}",
        )
    ]


def rules_of(queries: Queries, settings: Settings) -> list[str]:
    """Rules of the stream, none longer than allowed.

    Raises:
        ConfigurationError: there are no terms, or more rules are needed than allowed.
    """
    rules = packed(_terms(queries), settings.rule_chars, suffix=_suffix(settings))
    if not rules:
        raise nothing_to_ask("X", "CZUJKA_WATCHLIST", "name a brand in the watchlist")
    if len(rules) > settings.max_rules:
        raise ConfigurationError(
            f"X: the watchlist needs {len(rules)} rules, allowed are {settings.max_rules}: watch "
            f"fewer terms, or raise {Settings.variable('max_rules')} with the access"
        )
    return rules


def _terms(queries: Queries) -> list[str]:
    terms = [quoted(text) for text in (*queries.phrases, *queries.stems)]
    terms += [f"#{tag}" for tag in queries.hashtags] + [f"@{name}" for name in queries.handles]
    return list(dict.fromkeys(terms))


def _suffix(settings: Settings) -> str:
    return f" ({settings.languages})" if settings.languages else " -is:nullcast"


class _State(msgspec.Struct, frozen=True):
    """How far we came, and what it cost.

    Attributes:
        last_id: newest post that was delivered.
        last_ms: its time.
        month: as 2026-11, UTC.
        delivered: posts of this month.
    """

    last_id: str = ""
    last_ms: int = 0
    month: str = ""
    delivered: int = 0


class XSource:
    """Listens to the filtered stream."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._base = settings.url.rstrip("/")
        token = settings.token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._api = Api(
            "X", Settings.variable("url"), Settings.variable("token"),
            Rates("x-rate-limit-remaining", "x-rate-limit-reset", "epoch"),
            backoff=_REFUSED, secrets=(token,),
        )  # fmt: skip
        self._state = _State()
        self._newest_ms = 0

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._context.name

    def budget(self) -> str:
        """Rules, and what the money buys.

        Raises:
            ConfigurationError: see `rules_of`.
        """
        settings = self._settings
        rules = len(rules_of(self._context.queries.current(), settings))
        return (
            f"{rules} of {settings.max_rules} rules; {settings.usd_per_month:.2f} USD a month are "
            f"{settings.usd_per_month / settings.usd_per_post:.0f} posts, and it stops "
            f"{BATCH_POSTS} before"
        )

    async def pages(self, cursor: str | None) -> Pages:
        """What was missed since the cursor, then the stream."""
        self._state = _read_cursor(cursor)
        async with self._context.client(self._api) as client:
            self._check_spend(BATCH_POSTS)
            await self._set_rules(client)
            if self._state.last_id:
                async for page in self._backfill(client):
                    yield page
            async for page in self._stream(client):
                yield page

    async def _stream(self, client: HttpClient) -> Pages:
        url = f"{self._base}/2/tweets/search/stream"
        clock = self._context.clock
        looked_s = clock.monotonic_s()
        try:
            async with client.lines(url, _FIELDS, self._headers) as lines:
                ended = False
                waiting = asyncio.ensure_future(anext(lines))
                try:
                    while not ended:
                        batch: list[bytes | LongLine] = [await waiting]
                        waiting = asyncio.ensure_future(anext(lines))
                        deadline = time.monotonic() + BATCH_S
                        while len(batch) < BATCH_POSTS and not ended:
                            left_s = deadline - time.monotonic()
                            done, _ = await asyncio.wait({waiting}, timeout=max(0.0, left_s))
                            if not done:
                                break
                            if waiting.exception() is not None:
                                ended = True
                            else:
                                batch.append(waiting.result())
                                waiting = asyncio.ensure_future(anext(lines))
                        yield self._page([line for line in batch if line != b""])
                        self._check_spend(BATCH_POSTS)
                        if clock.monotonic_s() - looked_s > RULES_EVERY_S:
                            looked_s = clock.monotonic_s()
                            await self._renew_rules(client)
                    await waiting
                finally:
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
        except RetryError as error:
            backoff = _REFUSED if " answers " in str(error) else _BROKEN
            raise RetryError(str(error), error.after_s, backoff) from error

    def _page(self, lines: Sequence[bytes | LongLine]) -> Page:
        """Posts of some lines; a page without any says that the stream lives."""
        began_ms = self._context.clock.now_ms()
        records: list[Any] = []
        rejects: list[Reject] = []
        for line in lines:
            raw = line.head if isinstance(line, LongLine) else line
            try:
                records.append(msgspec.json.decode(raw))
            except (msgspec.DecodeError, RecursionError) as error:
                rejects.append(reject_of(raw, f"not JSON: {error}", "X stream"))
        return self._read(records, rejects, began_ms - DELAY_MS)

    def _read(self, records: list[Any], rejects: list[Reject], until_ms: int | None) -> Page:
        sight = self._context.sight()
        posts: list[Post] = []
        newest, newest_ms = self._state.last_id, self._state.last_ms
        paid = 0
        for record in records:
            if isinstance(record, dict) and "data" not in record and "errors" in record:
                raise RetryError(f"X ends the stream: {msgspec.json.encode(record)[:200]!r}")
            paid += 1
            try:
                found = parse(record, sight)
            except MalformedError as error:
                rejects.append(reject_of(record, error, "X"))
                continue
            posts += found
            native = str(record["data"]["id"])
            newest = max(newest, native, key=lambda n: (len(n), n))
            newest_ms = max(newest_ms, *(post.created_ms for post in found))
        if paid:
            month = self._month()
            before = self._state.delivered if self._state.month == month else 0
            self._state = _State(newest, newest_ms, month, before + paid)
        cursor = msgspec.json.encode(self._state).decode() if paid else None
        page = Page(tuple(posts), cursor, until_ms, rejects=tuple(rejects))
        self._tell_spend()
        return page

    async def _backfill(self, client: HttpClient) -> Pages:
        """Recent search for what was missed; it reaches seven days back."""
        rules = packed(
            _terms(self._context.queries.current()), SEARCH_CHARS, suffix=_suffix(self._settings)
        )
        since = self._state.last_id
        since_ms = self._state.last_ms
        pages = 0
        for rule in rules:
            params: dict[str, str | int] = {
                **_FIELDS, "query": rule, "since_id": since, "max_results": SEARCH_POSTS,
                "sort_order": "recency",
            }  # fmt: skip
            while True:
                if pages >= self._settings.max_backfill_pages:
                    yield Page(gap=self._gap(since_ms, Settings.variable("max_backfill_pages")))
                    return
                pages += 1
                self._check_spend(SEARCH_POSTS)
                found = await client.get_json(
                    f"{self._base}/2/tweets/search/recent", params, self._headers
                )
                if not isinstance(found, dict):
                    raise RetryError(f"X gives no posts: is {Settings.variable('url')} right?")
                includes = found.get("includes", {})
                data = found.get("data") or []
                records = [{"data": tweet, "includes": includes} for tweet in reversed(data)]
                # The cursor stays before what is still missing: results come newest first.
                page = self._read(records, [], None)
                held = msgspec.structs.replace(self._state, last_id=since, last_ms=since_ms)
                yield Page(page.posts, msgspec.json.encode(held).decode(), rejects=page.rejects)
                token = found.get("meta", {}).get("next_token")
                if not token:
                    break
                params["next_token"] = str(token)

    def _gap(self, from_ms: int, setting: str) -> Gap:
        now_ms = self._context.clock.now_ms()
        reason = f"more was missed than may be fetched: raise {setting}"
        return Gap(from_ms or now_ms, now_ms, reason)

    async def _renew_rules(self, client: HttpClient) -> None:
        """Takes over a changed watchlist; if that fails, the rules before it stay."""
        try:
            await self._set_rules(client)
        except ConfigurationError as error:
            log.error("%s: going on with the rules before: %s", self.name, error)  # noqa: TRY400

    async def _set_rules(self, client: HttpClient) -> None:
        """Makes the rules of the app those of the watchlist; rules of others stay.

        Raises:
            ConfigurationError: there are none, they are too many, or X refuses one.
        """
        wanted = rules_of(self._context.queries.current(), self._settings)
        url = f"{self._base}/2/tweets/search/stream/rules"
        found = await client.get_json(url, headers=self._headers)
        if not isinstance(found, dict):
            raise RetryError(f"X gives no rules: is {Settings.variable('url')} right?")
        ours = [rule for rule in found.get("data") or [] if rule.get("tag") == RULE_TAG]
        there = {rule["value"]: rule["id"] for rule in ours}
        new = [{"value": rule, "tag": RULE_TAG} for rule in wanted if rule not in there]
        old = [number for rule, number in there.items() if rule not in wanted]
        changes: list[dict[str, Any]] = [{"add": new}] if new else []
        if old:
            deletes = {"delete": {"ids": old}}
            room = len(found.get("data") or []) + len(new) <= self._settings.max_rules
            changes.insert(len(changes) if room else 0, deletes)  # new ones first, if they fit
        for change in changes:
            answer = await client.fetch("POST", url, json=change, headers=self._headers)
            refused = _refused(client.read_json(answer, url))
            if refused:
                raise ConfigurationError(f"X refuses a rule of the watchlist: {refused}")

    def _check_spend(self, more: int) -> None:
        """Stops before so many more posts might cost too much.

        Raises:
            SpendCapError: they might.
        """
        self._tell_spend()
        if not self._affordable(more):
            spent = self._delivered() * self._settings.usd_per_post
            raise SpendCapError(
                f"X: {spent:.2f} of {self._settings.usd_per_month:.2f} USD of this month are "
                f"spent, and {more} more posts would be too many: nothing more is asked for until "
                f"the next month; or raise {Settings.variable('usd_per_month')} and start anew",
                self._next_month_ms(),
            )

    def _affordable(self, more: int) -> bool:
        cost = (self._delivered() + more) * self._settings.usd_per_post
        return cost <= self._settings.usd_per_month + 1e-9

    def _delivered(self) -> int:
        return self._state.delivered if self._state.month == self._month() else 0

    def _tell_spend(self) -> None:
        metrics = self._context.metrics
        spent = self._delivered() * self._settings.usd_per_post
        metrics.quota_used.labels(self.name, "usd").set(spent)
        settings = self._settings
        spendable = max(0.0, settings.usd_per_month - BATCH_POSTS * settings.usd_per_post)
        metrics.quota_limit.labels(self.name, "usd").set(spendable)

    def _month(self) -> str:
        return f"{self._now():%Y-%m}"

    def _next_month_ms(self) -> int:
        first = self._now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return int((first + timedelta(days=32)).replace(day=1).timestamp() * 1000)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._context.clock.now_ms() / 1000, UTC)


def _refused(said: Any) -> str:
    """What X says of rules that it did not take; a rule that is there already is no trouble."""
    errors = said.get("errors", []) if isinstance(said, dict) else []
    told = [error for error in errors if error.get("title") != "DuplicateRule"]
    return "; ".join(
        f"{error.get('value', '')}: {error.get('title', '')} {error.get('detail', '')}".strip()
        for error in told
    )


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """X as a source."""
    assert isinstance(settings, Settings)
    return XSource(settings, context)


def _read_cursor(cursor: str | None) -> _State:
    if cursor is None:
        return _State()
    try:
        return msgspec.json.decode(cursor, type=_State)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"the saved cursor cannot be read ({error}): begin again with --from-start"
        ) from error
