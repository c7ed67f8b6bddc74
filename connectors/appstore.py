"""App Store: reviews of apps, by the public feed of each country's store.

The feed shows ten pages of fifty reviews; a page in between may be empty. A review that was written
anew keeps its id and is an edit; deletes are not told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import Field

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError, MalformedError, RetryError
from connectors.http import Api, HttpClient
from connectors.native import Sight, convert, make_post, tidy
from connectors.polling import Harvest, Mark, PollingSource, Records, Rhythm, newest_first
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.times import parse_time
from models.post import Op, Post

PLATFORM = "appstore"
MAX_PAGES = 10
_APP = re.compile(r"[a-z]{2}/\d{4,12}")


class Settings(ConnectorSettings):
    """Whose reviews to read."""

    model_config = settings_config("APPSTORE")

    url: str = "https://itunes.apple.com"
    apps: Names = Field(
        default=(), description="Country and id, as pl/123456789; besides those of the watchlist."
    )
    interval_s: float = Field(default=300.0, gt=0)
    lookback_s: float = Field(default=86_400.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class _Label(msgspec.Struct):
    label: str = ""


class _Author(msgspec.Struct):
    name: _Label = msgspec.field(default_factory=_Label)


class _Review(msgspec.Struct):
    id: _Label
    updated: _Label
    content: _Label
    rating: _Label = msgspec.field(name="im:rating")
    title: _Label = msgspec.field(default_factory=_Label)
    author: _Author = msgspec.field(default_factory=_Author)
    app: str = ""
    edited: bool = False


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of a review.

    Args:
        record: an entry of the feed, with `app` (country and id) and whether it was `edited`.
        sight: who saw it, and when.

    Raises:
        MalformedError: it is none.
    """
    review = convert(record, _Review)
    parts = [tidy(part.label) for part in (review.title, review.content) if part.label.strip()]
    if not review.id.label or not parts:
        raise MalformedError("no id" if not review.id.label else "no text")
    country, _, number = review.app.partition("/")
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=review.id.label,
            op=Op.UPDATE if review.edited else Op.CREATE,
            author=review.author.name.label,
            text="\n".join(parts),
            created_ms=parse_time(review.updated.label),
            url=f"https://apps.apple.com/{country}/app/id{number}" if number else None,
        )
    ]


class AppStoreSource(PollingSource):
    """Reads the newest reviews of each app."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api("App Store", Settings.variable("url"))
        super().__init__(context, api, Rhythm(settings.interval_s, lookback_s=settings.lookback_s))
        self._settings = settings

    def targets(self) -> Sequence[str]:
        """Apps, as country and id.

        Raises:
            ConfigurationError: there are none, or one is not written so.
        """
        followed = self._context.queries.current().apps
        apps = list(dict.fromkeys((*self._settings.apps, *followed)))
        wrong = [app for app in apps if not _APP.fullmatch(app)]
        if wrong or not apps:
            what = f"'{wrong[0]}' is no app" if wrong else "nothing to ask for"
            raise ConfigurationError(
                f"App Store: {what}: write country and id as pl/123456789 into "
                f"{Settings.variable('apps')}, or under `follow: apps:` of a brand"
            )
        return apps

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """Reviews that are new, or newly written."""
        country, _, number = target.partition("/")
        base = f"{self._settings.url.rstrip('/')}/{country}/rss/customerreviews"

        async def page(index: int) -> Records:
            url = f"{base}/page={index + 1}/id={number}/sortby=mostrecent/json"
            found = await client.get_json(url)
            feed = found.get("feed") if isinstance(found, dict) else None
            if not isinstance(feed, dict):
                raise RetryError(f"App Store gives no feed: is {Settings.variable('url')} right?")
            entries = feed.get("entry", [])
            entries = entries if isinstance(entries, list) else [entries]
            reviews = [
                {**entry, "app": target} if isinstance(entry, dict) else entry
                for entry in entries
                if not (isinstance(entry, dict) and "im:artist" in entry)  # the app itself
            ]
            return reviews, index + 1 < MAX_PAGES

        def describe(record: Any) -> tuple[str, int]:
            review = convert(record, _Review)
            return (
                f"{review.id.label}@{review.updated.label}",
                parse_time(review.updated.label),
            )

        now_ms = self._context.clock.now_ms()
        found = await newest_first(page, mark, describe, now_ms=now_ms, max_pages=MAX_PAGES)
        ids = [_id_of(record) for record in found.records]
        records = [
            {**record, "edited": True} if name and mark.knows(name) else record
            for record, name in zip(found.records, ids, strict=True)
        ]
        seen = found.mark.having_seen([name for name in ids if name])
        return Harvest(records, msgspec.structs.replace(found.mark, seen=seen), found.gap)

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """The App Store as a source."""
    assert isinstance(settings, Settings)
    return AppStoreSource(settings, context)


def _id_of(record: Any) -> str:
    label = record.get("id") if isinstance(record, dict) else None
    name = label.get("label") if isinstance(label, dict) else None
    return name if isinstance(name, str) else ""
