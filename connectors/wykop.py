"""Wykop (Polish): entries and links by tag and by search, API version 3.

Wykop publishes no limits and tells no deletes; a deleted entry is noticed only while it still
stands in a listing, marked as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import Field, SecretStr, field_validator

from connectors.base import Source
from connectors.context import Context
from connectors.errors import MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, convert, deletion, make_post, text_of
from connectors.polling import (
    Harvest,
    Mark,
    PollingSource,
    Records,
    Rhythm,
    newest_first,
    nothing_to_ask,
)
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.times import parse_time
from connectors.tokens import LentToken
from models.post import Post

PLATFORM = "wykop"
PAGE_ITEMS = 50
MAX_PAGES = 20


class Settings(ConnectorSettings):
    """How to ask Wykop."""

    model_config = settings_config("WYKOP")

    url: str = "https://wykop.pl/api/v3"
    key: SecretStr = Field(description="key of an application (dev.wykop.pl)")
    secret: SecretStr = Field(description="its secret")
    ask: Names = Field(default=("tags", "searches"), description="tags, searches, or both.")
    interval_s: float = Field(default=30.0, gt=0)
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")
    timezone: str = Field(default="Europe/Warsaw", description="Of times, which name none.")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("no such zone; write for example Europe/Warsaw") from error
        return name


SETTINGS = Settings


class _Author(msgspec.Struct):
    username: str = ""


class _Votes(msgspec.Struct):
    up: int = 0


class _Comments(msgspec.Struct):
    count: int = 0


class _Parent(msgspec.Struct):
    id: int | str
    resource: str = "entry"


class _Item(msgspec.Struct):
    id: int | str
    created_at: str
    resource: str = "entry"
    title: str | None = None
    description: str | None = None
    content: str | None = None
    author: _Author | None = None
    votes: _Votes | None = None
    comments: _Comments | None = None
    parent: _Parent | None = None
    deleted: bool | str | None = None


def parse(record: object, sight: Sight, zone: ZoneInfo) -> list[Post]:
    """The post of an entry, a link or a comment.

    Raises:
        MalformedError: it is none.
    """
    item = convert(record, _Item)
    native_id = f"{item.resource}/{item.id}"
    if item.deleted:
        return [deletion(sight, PLATFORM, native_id)]
    parts = [text_of(part) for part in (item.title, item.description, item.content) if part]
    if not parts:
        raise MalformedError("no text")
    place = {"link": "link", "link_comment": "link", "entry": "wpis", "entry_comment": "wpis"}
    top = item.parent.id if item.parent is not None else item.id
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=native_id,
            author=item.author.username if item.author else None,
            text="\n".join(parts),
            language="pl",
            created_ms=parse_time(item.created_at, zone),
            engagement={
                "likes": item.votes.up if item.votes else 0,
                "replies": item.comments.count if item.comments else 0,
            },
            reply_to=f"{item.parent.resource}/{item.parent.id}" if item.parent else None,
            url=f"https://wykop.pl/{place.get(item.resource, 'wpis')}/{top}",
        )
    ]


class WykopSource(PollingSource):
    """Asks for tags and searches of the watchlist."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api(
            "Wykop",
            Settings.variable("url"),
            f"{Settings.variable('key')} and {Settings.variable('secret')}",
        )
        rhythm = Rhythm(settings.interval_s, delay_s=2.0, lookback_s=settings.lookback_s)
        super().__init__(context, api, rhythm)
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._token = LentToken(self._log_in)

    def targets(self) -> Sequence[str]:
        """Tags and searches, as paths of the API.

        Raises:
            ConfigurationError: the watchlist gives none.
        """
        queries = self._context.queries.current()
        found = []
        if "tags" in self._settings.ask:
            found += [f"/tags/{quote(tag, safe='')}/stream" for tag in queries.tags]
        if "searches" in self._settings.ask:
            found += [f"/search/entries?query={quote(text)}" for text in queries.searches]
        if not found:
            raise nothing_to_ask("Wykop", Settings.variable("ask"), "name a brand in the watchlist")
        return found

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """What is new under a tag or in a search."""

        async def page(number: int) -> Records:
            glue = "&" if "?" in target else "?"
            sort = "newest" if "?" in target else "all"
            found = await self._ask(
                client, f"{target}{glue}page={number + 1}&limit={PAGE_ITEMS}&sort={sort}"
            )
            records = found.get("data") if isinstance(found, dict) else None
            if not isinstance(records, list):
                raise RetryError(f"Wykop gives no data: is {Settings.variable('url')} right?")
            return records, len(records) >= PAGE_ITEMS

        def describe(record: Any) -> tuple[str, int]:
            item = convert(record, _Item)
            state = "deleted" if item.deleted else ""
            return f"{item.resource}/{item.id}{state}", parse_time(item.created_at, self._zone)

        now_ms = self._context.clock.now_ms()
        return await newest_first(page, mark, describe, now_ms=now_ms, max_pages=MAX_PAGES)

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight, self._zone)

    async def _ask(self, client: HttpClient, path: str) -> Any:
        return await self._token.get_json(client, f"{self._settings.url.rstrip('/')}{path}")

    async def _log_in(self, client: HttpClient) -> str:
        url = f"{self._settings.url.rstrip('/')}/auth"
        credentials = {
            "key": self._settings.key.get_secret_value(),
            "secret": self._settings.secret.get_secret_value(),
        }
        answer = await client.fetch("POST", url, json={"data": credentials})
        found = client.read_json(answer, url)
        try:
            return str(found["data"]["token"])
        except (KeyError, TypeError) as error:
            raise RetryError(
                f"Wykop gives no token: is {Settings.variable('url')} right?"
            ) from error


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Wykop as a source."""
    assert isinstance(settings, Settings)
    return WykopSource(settings, context)
