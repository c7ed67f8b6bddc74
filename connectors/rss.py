"""RSS and Atom: articles of any site that has a feed, by conditional requests.

A feed shows its last entries, and no more: what falls out of it between two looks is never seen. It
is told as a gap when no entry of a feed is known any more.
Edits and deletes are not told by feeds.
"""

from __future__ import annotations

import calendar
import io
from collections.abc import Sequence
from typing import Any

import feedparser
import msgspec
from pydantic import Field

from connectors.base import Gap, Source
from connectors.context import Context
from connectors.errors import MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, convert, make_post, opaque_id, text_of
from connectors.polling import Harvest, Mark, PollingSource, Rhythm, nothing_to_ask
from connectors.settings import ConnectorSettings, Names, settings_config
from models.post import Post

PLATFORM = "rss"
TELLING_ENTRIES = 10
"""A feed of fewer entries may well be new as a whole."""
_LOOKED = "looked"


class Settings(ConnectorSettings):
    """Which feeds to read."""

    model_config = settings_config("RSS")

    feeds: Names = Field(
        default=(), description="Addresses, parted by commas; besides those of the watchlist."
    )
    interval_s: float = Field(default=60.0, gt=0)
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class Entry(msgspec.Struct, omit_defaults=True):
    """What we take from an entry of a feed; times in milliseconds since the epoch."""

    id: str = ""
    link: str = ""
    title: str = ""
    summary: str = ""
    author: str = ""
    language: str = ""
    published_ms: int | None = None


def entries_of(body: bytes, content_type: str = "") -> list[dict[str, Any]]:
    """The entries of a feed as plain records, in its own order.

    Raises:
        MalformedError: this is no feed.
    """
    headers = {"content-type": content_type} if content_type else {}
    feed = feedparser.parse(
        io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    if not feed.get("version") and not feed.get("entries"):
        raise MalformedError("neither RSS nor Atom")
    language = str(feed.feed.get("language", ""))
    return [msgspec.to_builtins(_entry(entry, language)) for entry in feed.entries]


def _entry(entry: Any, language: str) -> Entry:
    content = entry.get("content") or []
    # dict.get: feedparser's own warns when it gives one of them for the other
    times = (dict.get(entry, "published_parsed"), dict.get(entry, "updated_parsed"))
    when = next((time for time in times if time is not None), None)
    return Entry(
        id=str(entry.get("id", "")),
        link=str(entry.get("link", "")),
        title=str(entry.get("title", "")),
        summary=str(content[0].get("value", "") if content else entry.get("summary", "")),
        author=str(entry.get("author", "")),
        language=str(entry.get("language", "") or language),
        published_ms=None if when is None else calendar.timegm(when) * 1000,
    )


def id_of(entry: Entry) -> str:
    """What tells an entry apart: its guid, else its address, else what it says.

    Raises:
        MalformedError: it has none of them.
    """
    if entry.id or entry.link:
        return entry.id or entry.link
    if entry.title or entry.summary:
        return opaque_id(entry.title, entry.summary)
    raise MalformedError("an entry with neither id, address nor text")


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of an entry; one without a time is of now.

    Raises:
        MalformedError: it says nothing.
    """
    entry = convert(record, Entry)
    parts = (text_of(entry.title), text_of(entry.summary))
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=opaque_id(id_of(entry)),
            author=entry.author[:256],
            text="\n".join(dict.fromkeys(part for part in parts if part)),
            language=entry.language[:35],
            created_ms=sight.at_ms if entry.published_ms is None else entry.published_ms,
            url=entry.link,
        )
    ]


class RssSource(PollingSource):
    """Reads feeds in turn."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api("RSS", Settings.variable("feeds"))
        super().__init__(context, api, Rhythm(settings.interval_s, lookback_s=settings.lookback_s))
        self._settings = settings

    def targets(self) -> Sequence[str]:
        """The feeds.

        Raises:
            ConfigurationError: there are none.
        """
        followed = self._context.queries.current().feeds
        found = tuple(dict.fromkeys((*self._settings.feeds, *followed)))
        if not found:
            raise nothing_to_ask(
                "RSS", Settings.variable("feeds"), "name feeds under `follow` of a brand"
            )
        return found

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """Entries that were not there before."""
        conditions = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        headers = {conditions[k]: value for k, value in mark.notes.items() if k in conditions}
        answer = await client.fetch("GET", target, headers=headers)
        if answer.status == 304:
            return Harvest((), mark)
        try:
            records = entries_of(answer.body, answer.headers.get("content-type", ""))
        except MalformedError as error:
            raise RetryError(
                f"RSS ({target}) gives no feed ({error}): is {Settings.variable('feeds')} right?"
            ) from error
        fresh, seen = [], []
        for record in records:
            entry = convert(record, Entry)
            try:
                native_id = id_of(entry)
            except MalformedError:
                native_id = repr(record)
            old = entry.published_ms is not None and entry.published_ms < mark.since_ms
            if not old and not mark.knows(native_id):
                fresh.append(record)
            seen.append(native_id)
        now_ms = self._context.clock.now_ms()
        gap = None
        if mark.seen and len(seen) >= TELLING_ENTRIES and not any(map(mark.knows, seen)):
            reason = f"{target}: every entry is new, so others may have come and gone: ask oftener"
            gap = Gap(int(mark.notes.get(_LOOKED, now_ms)), now_ms, reason)
        notes = {name: answer.headers[name] for name in conditions if name in answer.headers}
        notes[_LOOKED] = str(now_ms)
        return Harvest(fresh, Mark(mark.since_ms, seen=mark.having_seen(seen), notes=notes), gap)

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Feeds as a source."""
    assert isinstance(settings, Settings)
    return RssSource(settings, context)
