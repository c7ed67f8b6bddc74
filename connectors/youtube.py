"""YouTube: comments under the videos of channels, or under single videos.

The Data API allows 10 000 units a day, a list call costs one. So the day is planned: the rounds are
as far apart as the units that are left ask for. YouTube tells no deletes; whoever keeps its data
must refresh or drop it within 30 days, which the topics' retention does. Replies are read where the
listing shows them (the last ones of a thread).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field, SecretStr

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError, ConnectorError, RetryError
from connectors.http import Answer, Api, HttpClient
from connectors.native import Sight, convert, make_post, tidy
from connectors.polling import Harvest, Mark, PollingSource, Records, Rhythm, newest_first
from connectors.rates import limited
from connectors.settings import ConnectorSettings, Names, settings_config
from connectors.times import parse_time
from models.post import Post

PLATFORM = "youtube"
PAGE_THREADS = 100
MAX_PAGES = 10
PACIFIC = ZoneInfo("America/Los_Angeles")
"""Where the day of the quota begins at midnight."""
_DAY_S = 86_400
_USED_UP = ("quotaExceeded", "dailyLimitExceeded")
_CLOSED = ("commentsDisabled", "videoNotFound", "channelNotFound")


class Settings(ConnectorSettings):
    """Whose comments to read."""

    model_config = settings_config("YOUTUBE")

    url: str = "https://www.googleapis.com/youtube/v3"
    key: SecretStr = Field(description="API key of a Google Cloud project")
    channels: Names = Field(default=(), description="Ids (UC…), besides those of the watchlist.")
    videos: Names = Field(default=(), description="Video ids.")
    units_per_day: int = Field(default=10_000, ge=1)
    interval_s: float = Field(default=30.0, gt=0, description="At least.")
    lookback_s: float = Field(default=3600.0, ge=0, description="At the very first look.")


SETTINGS = Settings


class _Channel(msgspec.Struct):
    value: str = ""


class _Said(msgspec.Struct):
    published: str = msgspec.field(name="publishedAt")
    text: str = msgspec.field(name="textDisplay")
    original: str | None = msgspec.field(name="textOriginal", default=None)
    name: str = msgspec.field(name="authorDisplayName", default="")
    channel: _Channel | None = msgspec.field(name="authorChannelId", default=None)
    likes: int = msgspec.field(name="likeCount", default=0)
    video: str = msgspec.field(name="videoId", default="")
    parent: str | None = msgspec.field(name="parentId", default=None)


class _Comment(msgspec.Struct):
    id: str
    snippet: _Said


def comments_of(thread: Any) -> list[Any]:
    """The comments of a thread, the topmost first; what is no thread is given as it is."""
    try:
        replies = thread.get("replies", {}).get("comments", [])
        return [thread["snippet"]["topLevelComment"], *replies]
    except (KeyError, TypeError, AttributeError):
        return [thread]


def parse(record: object, sight: Sight) -> list[Post]:
    """The post of a comment.

    Raises:
        MalformedError: it is none.
    """
    comment = convert(record, _Comment)
    said = comment.snippet
    link = f"https://www.youtube.com/watch?v={said.video}&lc={comment.id}" if said.video else None
    return [
        make_post(
            sight,
            platform=PLATFORM,
            native_id=comment.id,
            author=said.channel.value if said.channel and said.channel.value else said.name,
            text=tidy(said.original if said.original is not None else said.text),
            created_ms=parse_time(said.published),
            engagement={"likes": said.likes},
            reply_to=said.parent,
            url=link,
        )
    ]


class YouTubeSource(PollingSource):
    """Reads the newest comments, as often as the units allow."""

    def __init__(self, settings: Settings, context: Context) -> None:
        api = Api(
            "YouTube",
            Settings.variable("url"),
            Settings.variable("key"),
            refine=self._refine,
            secrets=(settings.key.get_secret_value(),),
        )
        rhythm = Rhythm(settings.interval_s, delay_s=10.0, lookback_s=settings.lookback_s)
        super().__init__(context, api, rhythm)
        self._settings = settings
        self._spent = 0

    def targets(self) -> Sequence[str]:
        """Channels and videos, as parameters of the API.

        Raises:
            ConfigurationError: there are none.
        """
        settings = self._settings
        followed = self._context.queries.current().channels
        channels = dict.fromkeys((*settings.channels, *followed))
        found = [f"allThreadsRelatedToChannelId={channel}" for channel in channels]
        found += [f"videoId={video}" for video in settings.videos]
        if not found:
            raise ConfigurationError(
                f"YouTube: nothing to ask for: set {Settings.variable('channels')} or "
                f"{Settings.variable('videos')}, or `follow: channels:` of a brand"
            )
        return found

    def plan(self, marks: Mapping[str, Mark]) -> None:
        """Counts the units of today.

        Raises:
            RateLimitedError: they do not do for a round; there are more after midnight.
        """
        today = self._today()
        self._spent = sum(
            int(mark.notes.get("units", "0"))
            for mark in marks.values()
            if mark.notes.get("day") == today
        )
        limit = self._settings.units_per_day
        gauges = self._context.metrics
        gauges.quota_used.labels(self.name, "units").set(self._spent)
        gauges.quota_limit.labels(self.name, "units").set(limit)
        gauges.quota_reset.labels(self.name, "units").set(self._midnight_ms() / 1000)
        if self._spent + len(self.targets()) > limit:
            raise limited(
                f"YouTube: {self._spent} of {limit} units of the day are used", self._midnight_ms()
            )

    def interval_s(self) -> float:
        """So that the units that are left last until midnight."""
        left_s = (self._midnight_ms() - self._context.clock.now_ms()) / 1000
        rounds = (self._settings.units_per_day - self._spent) / len(self.targets())
        return max(self._settings.interval_s, math.ceil(left_s / rounds) if rounds >= 1 else left_s)

    def budget(self) -> str:
        """How the units are spread over a day in which each round costs a unit a target."""
        targets, limit = len(self.targets()), self._settings.units_per_day
        every_s = max(self._settings.interval_s, math.ceil(_DAY_S * targets / limit))
        units = min(limit, int(_DAY_S / every_s) * targets)
        return f"a round each {every_s:.0f} s takes {targets}: {units} of {limit} units a day"

    async def harvest(self, client: HttpClient, target: str, mark: Mark) -> Harvest:
        """Comments that are new."""
        name, _, value = target.partition("=")
        tokens: dict[int, str] = {}
        calls = 0

        async def page(number: int) -> Records:
            nonlocal calls
            calls += 1
            params: dict[str, str | int] = {
                name: value,
                "part": "snippet,replies",
                "order": "time",
                "textFormat": "plainText",
                "maxResults": PAGE_THREADS,
            }
            if number:
                params["pageToken"] = tokens[number]
            headers = {"X-Goog-Api-Key": self._settings.key.get_secret_value()}
            url = f"{self._settings.url.rstrip('/')}/commentThreads"
            try:
                found = await client.get_json(url, params, headers)
            except _ClosedError:
                return (), False
            if not isinstance(found, dict) or not isinstance(found.get("items"), list):
                raise RetryError(f"YouTube gives no items: is {Settings.variable('url')} right?")
            tokens[number + 1] = str(found.get("nextPageToken", ""))
            comments = [comment for thread in found["items"] for comment in comments_of(thread)]
            return comments, bool(tokens[number + 1])

        def describe(record: Any) -> tuple[str, int]:
            comment = convert(record, _Comment)
            return comment.id, parse_time(comment.snippet.published)

        now_ms = self._context.clock.now_ms()
        harvest = await newest_first(page, mark, describe, now_ms=now_ms, max_pages=MAX_PAGES)
        self._spent += calls
        today = self._today()
        before = int(mark.notes.get("units", "0")) if mark.notes.get("day") == today else 0
        notes = {"day": today, "units": str(before + calls)}
        return Harvest(
            harvest.records, msgspec.structs.replace(harvest.mark, notes=notes), harvest.gap
        )

    def read(self, record: Any, sight: Sight) -> list[Post]:
        """See `parse`."""
        return parse(record, sight)

    def _refine(self, answer: Answer) -> ConnectorError | None:
        """What a refusal means, by its reason."""
        body = answer.body
        if answer.status == 403 and any(reason.encode() in body for reason in _USED_UP):
            return limited("YouTube: the units of the day are used up", self._midnight_ms())
        if answer.status in (403, 404) and any(reason.encode() in body for reason in _CLOSED):
            return _ClosedError("there are no comments")
        if answer.status == 400 and b"API key" in body:
            return ConfigurationError(f"YouTube refuses the key: mend {Settings.variable('key')}")
        return None

    def _today(self) -> str:
        now_s = self._context.clock.now_ms() / 1000
        return datetime.fromtimestamp(now_s, PACIFIC).date().isoformat()

    def _midnight_ms(self) -> int:
        now = datetime.fromtimestamp(self._context.clock.now_ms() / 1000, PACIFIC)
        tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return int(tomorrow.timestamp() * 1000)


class _ClosedError(ConnectorError):
    """A video or a channel without comments."""


def open_source(settings: ConnectorSettings, context: Context) -> Source:
    """YouTube as a source."""
    assert isinstance(settings, Settings)
    return YouTubeSource(settings, context)
