"""Hacker News: every story and comment by Algolia's search, deletions by the Firebase API.

Algolia gives at most 1 000 hits a query, so a stretch of time with more is halved until it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import Field

from connectors.base import Source
from connectors.context import Context
from connectors.errors import MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, convert, deletion, make_post, text_of
from connectors.polling import Harvest, Mark, PollingSource, Rhythm
from connectors.settings import ConnectorSettings, settings_config
from models.post import Post

PLATFORM = "hackernews"
MAX_HITS = 1_000
OVERLAP_S = 180
"""Algolia may index so much later than a post was written."""
_NEWS, _CHANGES = "news", "changes"


class Settings(ConnectorSettings):
    """Where Hacker News is."""

    model_config = settings_config("HACKERNEWS")

    url: str = Field(default="https://hn.algolia.com/api/v1", description="Algolia's search.")
    firebase_url: str = "https://hacker-news.firebaseio.com/v0"
    interval_s: float = Field(default=30.0, gt=0)
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="objectID")
    created_s: int = msgspec.field(name="created_at_i")
    author: str = ""
    title: str | None = None
    story_text: str | None = None
    comment_text: str | None = None
    parent_id: int | None = None
    points: int | None = None
    num_comments: int | None = None


class _Item(msgspec.Struct):
    id: int
    deleted: bool = False
    dead: bool = False


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of a hit of Algolia, or the deletion in an item of Firebase.

    Raises:
        MalformedError: it is neither.
    """
    if isinstance(record, dict) and "objectID" not in record and "id" in record:
        item = convert(record, _Item)
        gone = item.deleted or item.dead
        return [deletion(sight, PLATFORM, str(item.id))] if gone else []
    hit = convert(record, _Hit)
    parts = [text_of(part) for part in (hit.title, hit.story_text, hit.comment_text) if part]
    if not parts:
        raise MalformedError("neither a title nor a text")
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=hit.id,
            author=hit.author,
            text="\n".join(parts),
            created_ms=hit.created_s * 1000,
            engagement={"likes": hit.points or 0, "replies": hit.num_comments or 0},
            reply_to=str(hit.parent_id) if hit.parent_id is not None else None,
            url=f"https://news.ycombinator.com/item?id={hit.id}",
        )
    ]


class HackerNewsSource(PollingSource):
    """Asks for what is new, and for what was changed."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api("Hacker News", Settings.variable("url"))
        rhythm = Rhythm(settings.interval_s, delay_s=5.0, lookback_s=settings.lookback_s)
        super().__init__(context, api, rhythm)
        self._settings = settings

    def targets(self) -> Sequence[str]:
        """First what is new, so that a deletion stands behind its post."""
        return (_NEWS, _CHANGES)

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """New stories and comments, or deletions."""
        if target == _CHANGES:
            return await self._changes(client, mark)
        now_s = self._context.clock.now_ms() // 1000 + 1
        from_s = mark.since_ms // 1000 - (OVERLAP_S if mark.seen else 0)
        hits = await self._between(client, from_s, now_s)
        fresh = [hit for hit in hits if not mark.knows(_hit_id(hit))]
        seen = mark.having_seen([_hit_id(hit) for hit in hits])
        return Harvest(fresh, Mark((now_s - 1) * 1000, seen=seen))

    async def _between(self, client: HttpClient, from_s: int, to_s: int) -> list[Any]:
        """All hits of a stretch of time, both ends in seconds since the epoch."""
        found = await client.get_json(
            f"{self._settings.url.rstrip('/')}/search_by_date",
            {
                "tags": "(story,comment)",
                "numericFilters": f"created_at_i>={from_s},created_at_i<{to_s}",
                "hitsPerPage": MAX_HITS,
            },
        )
        if not isinstance(found, dict) or not isinstance(found.get("hits"), list):
            raise RetryError(f"Hacker News gives no hits: is {Settings.variable('url')} right?")
        many = found.get("nbHits", 0) > len(found["hits"]) and len(found["hits"]) >= MAX_HITS
        if many and to_s - from_s > 1:
            middle_s = (from_s + to_s) // 2
            earlier = await self._between(client, from_s, middle_s)
            return earlier + await self._between(client, middle_s, to_s)
        return list(reversed(found["hits"]))

    async def _changes(self, client: HttpClient, mark: Mark) -> Harvest:
        base = self._settings.firebase_url.rstrip("/")
        changes = await client.get_json(f"{base}/updates.json")
        numbers = changes.get("items", []) if isinstance(changes, dict) else []
        gone = []
        for number in numbers:
            if mark.knows(str(number)):
                continue
            item = await client.get_json(f"{base}/item/{int(number)}.json")
            if isinstance(item, dict) and (item.get("deleted") or item.get("dead")):
                gone.append(item)
        seen = mark.having_seen([str(item.get("id")) for item in gone])
        return Harvest(gone, Mark(mark.since_ms, seen=seen))

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """Hacker News as a source."""
    assert isinstance(settings, Settings)
    return HackerNewsSource(settings, context)


def _hit_id(hit: Any) -> str:
    return str(hit.get("objectID", hit)) if isinstance(hit, dict) else repr(hit)
