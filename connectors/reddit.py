"""Reddit: new posts and comments of subreddits, and searches over all of it.

Reddit hands out keys by application, so bring approved ones. It tells no deletes: the latest posts
are looked up again, a hundred in a round, and those that were emptied are taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from pydantic import Field, SecretStr

from connectors.base import Source
from connectors.context import Context
from connectors.errors import MalformedError, RetryError
from connectors.http import Api, HttpClient, Params
from connectors.native import Sight, convert, deletion, make_post
from connectors.polling import (
    Harvest,
    Mark,
    PollingSource,
    Records,
    Rhythm,
    newest_first,
    nothing_to_ask,
)
from connectors.queries import packed, quoted
from connectors.rates import Rates
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.tokens import LentToken
from models.post import Post

PLATFORM = "reddit"
PAGE_ITEMS = 100
MAX_PAGES = 10
"""Reddit lists the last thousand."""
REQUESTS_PER_MINUTE = 100
SEARCH_CHARS = 512
SUBREDDITS_AT_ONCE = 50
LOOKED_UP_AGAIN = 100
REMEMBERED = 500
"""So many of the latest posts of each listing are looked up again, in turn."""
_EMPTIED = ("[deleted]", "[removed]")


class Settings(ConnectorSettings):
    """How to ask Reddit."""

    model_config = settings_config("REDDIT")

    url: str = "https://oauth.reddit.com"
    auth_url: str = "https://www.reddit.com"
    id: str = Field(description="id of an approved application")
    secret: SecretStr = Field(description="its secret")
    user_agent: str = Field(
        default="linux:czujka:0.1 (brand monitoring)", description="Reddit wants a telling one."
    )
    ask: Names = Field(
        default=("subreddits", "searches"), description="subreddits, searches, or both."
    )
    subreddits: Names = Field(default=(), description="Besides those of the watchlist.")
    interval_s: float = Field(default=30.0, gt=0)
    lookup_s: float = Field(default=120.0, gt=0, description="Between looks for deletes.")
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class _Data(msgspec.Struct):
    name: str
    created_utc: float
    author: str = ""
    title: str = ""
    selftext: str = ""
    body: str = ""
    permalink: str = ""
    parent_id: str | None = None
    score: int = 0
    num_comments: int = 0


class _Thing(msgspec.Struct):
    kind: str
    data: _Data


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of a thing of a listing (`t3` a post, `t1` a comment), or that it was emptied.

    Raises:
        MalformedError: it is none.
    """
    thing = convert(record, _Thing)
    said = thing.data
    if _emptied(said):
        return [deletion(sight, PLATFORM, said.name)]
    text = "\n".join(part.strip() for part in (said.title, said.selftext, said.body) if part)
    if not text:
        raise MalformedError("no text")
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=said.name,
            author=said.author,
            text=text,
            created_ms=round(said.created_utc * 1000),
            engagement={"likes": said.score, "replies": said.num_comments},
            reply_to=said.parent_id,
            url=f"https://www.reddit.com{said.permalink}" if said.permalink else None,
        )
    ]


def _emptied(said: _Data) -> bool:
    return said.selftext in _EMPTIED or said.body in _EMPTIED


class RedditSource(PollingSource):
    """Asks for the newest of subreddits and searches."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api(
            "Reddit",
            Settings.variable("url"),
            f"{Settings.variable('id')} and {Settings.variable('secret')}",
            Rates("x-ratelimit-remaining", "x-ratelimit-reset", "seconds"),
        )
        rhythm = Rhythm(settings.interval_s, delay_s=5.0, lookback_s=settings.lookback_s)
        super().__init__(context, api, rhythm)
        self._settings = settings
        self._token = LentToken(self._log_in)

    def targets(self) -> Sequence[str]:
        """Listings, as paths of the API.

        Raises:
            ConfigurationError: there are none.
        """
        queries = self._context.queries.current()
        found: list[str] = []
        if "subreddits" in self._settings.ask:
            names = list(dict.fromkeys((*self._settings.subreddits, *queries.subreddits)))
            for at in range(0, len(names), SUBREDDITS_AT_ONCE):
                several = quote("+".join(names[at : at + SUBREDDITS_AT_ONCE]), safe="+")
                found += [f"/r/{several}/new", f"/r/{several}/comments"]
        if "searches" in self._settings.ask:
            terms = [quoted(text) for text in queries.searches]
            found += [f"/search?q={quote(query)}" for query in packed(terms, SEARCH_CHARS)]
        if not found:
            raise nothing_to_ask(
                "Reddit",
                Settings.variable("subreddits"),
                "name a brand in the watchlist, or subreddits under its `follow`",
            )
        return found

    def budget(self) -> str:
        """Requests a minute when every listing fits a page, deletes looked up among them."""
        targets, settings = len(self.targets()), self._settings
        lookups = 60 * targets / max(settings.lookup_s, settings.interval_s)
        per_minute = 60 * targets / settings.interval_s + lookups
        return f"listings: {targets}; {per_minute:.0f} of {REQUESTS_PER_MINUTE} requests a minute"

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """What is new in a listing, and which of the latest were emptied."""
        after: dict[int, str] = {}

        async def page(number: int) -> Records:
            params: dict[str, str | int] = {"limit": PAGE_ITEMS, "raw_json": 1}
            if "?" in target:
                params |= {"sort": "new", "type": "link"}
            if number:
                params["after"] = after[number]
            things, after[number + 1] = await self._listing(client, target, params)
            return things, bool(after[number + 1])

        def describe(record: Any) -> tuple[str, int]:
            data = convert(record, _Thing).data
            state = "-" if _emptied(data) else ""
            return f"{data.name}{state}", round(data.created_utc * 1000)

        now_ms = self._context.clock.now_ms()
        harvest = await newest_first(page, mark, describe, now_ms=now_ms, max_pages=MAX_PAGES)
        names = [name for record in harvest.records if (name := _name_of(record))]
        latest = list(dict.fromkeys((*mark.notes.get("latest", "").split(), *names)))[-REMEMBERED:]
        looked_ms = int(mark.notes.get("looked", "0")) or now_ms
        emptied: list[Any] = []
        if latest and now_ms - looked_ms >= self._settings.lookup_s * 1000:
            looked_ms = now_ms
            some, rest = latest[:LOOKED_UP_AGAIN], latest[LOOKED_UP_AGAIN:]
            emptied = await self._emptied_among(client, some)
            gone = {_name_of(record) for record in emptied}
            latest = rest + [name for name in some if name not in gone]
        notes = {"latest": " ".join(latest), "looked": str(looked_ms)}
        return Harvest(
            [*harvest.records, *emptied],
            msgspec.structs.replace(harvest.mark, notes=notes),
            harvest.gap,
        )

    async def _emptied_among(self, client: HttpClient, names: Sequence[str]) -> list[Any]:
        params: Params = {"id": ",".join(names), "raw_json": 1}
        things, _ = await self._listing(client, "/api/info", params)
        found = []
        for thing in things:
            try:
                if _emptied(convert(thing, _Thing).data):
                    found.append(thing)
            except MalformedError:
                continue  # it was a post when it was new; what it is now is told by nobody
        return found

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)

    async def _listing(
        self, client: HttpClient, path: str, params: Params
    ) -> tuple[list[Any], str]:
        """The things of a page, and what the next one begins after."""
        where, _, query = path.partition("?q=")
        asked = {**params, "q": unquote(query)} if query else params
        found = await self._ask(client, where, asked)
        try:
            things, after = found["data"]["children"], found["data"].get("after")
        except (KeyError, TypeError, AttributeError) as error:
            raise RetryError(
                f"Reddit gives no listing: is {Settings.variable('url')} right?"
            ) from error
        return list(things), str(after or "")

    async def _ask(self, client: HttpClient, path: str, params: Params) -> Any:
        url = f"{self._settings.url.rstrip('/')}{path}"
        agent = {"User-Agent": self._settings.user_agent}
        return await self._token.get_json(client, url, params, agent)

    async def _log_in(self, client: HttpClient) -> str:
        settings = self._settings
        url = f"{settings.auth_url.rstrip('/')}/api/v1/access_token"
        answer = await client.fetch(
            "POST",
            url,
            data={"grant_type": "client_credentials"},
            auth=(settings.id, settings.secret.get_secret_value()),
            headers={"User-Agent": settings.user_agent},
        )
        found = client.read_json(answer, url)
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise RetryError(f"Reddit gives no token: is {Settings.variable('url')} right?")
        return token


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Reddit as a source."""
    assert isinstance(settings, Settings)
    return RedditSource(settings, context)


def _name_of(record: Any) -> str:
    data = record.get("data") if isinstance(record, dict) else None
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) else ""
