"""YouTube against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import pytest

from connectors.base import Source
from connectors.context import Context
from connectors.errors import ConfigurationError, RateLimitedError
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from connectors.youtube import Settings, YouTubeSource
from tests.servers.http import Reply
from tests.servers.polled import YouTube

NOON_MS = 1_700_049_600_000  # 2023-11-15 12:00 UTC, 4 in the morning in California
NOW_MS = NOON_MS + 1_800_000
MIDNIGHT_MS = NOON_MS + 20 * 3_600_000


def comment(number: int, text: str, **changes: Any) -> dict[str, Any]:
    """A comment as the API gives it, one a minute."""
    snippet = {
        "videoId": "wideo1", "textDisplay": text, "textOriginal": text, "likeCount": number,
        "authorDisplayName": "@MarekZ", "authorChannelId": {"value": "UCmarekz"},
        "publishedAt": f"2023-11-15T12:{number:02}:00Z", "updatedAt": "2023-11-15T12:59:00Z",
    }  # fmt: skip
    return {"kind": "youtube#comment", "id": f"Ug{number}", "snippet": snippet | changes}


def thread(top: dict[str, Any], *replies: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"id": top["id"], "snippet": {"topLevelComment": top}}
    return made | ({"replies": {"comments": list(replies)}} if replies else {})


THREADS = [
    thread(comment(4, "日本語"), comment(5, "odpowiedź", parentId="Ug4")),
    {"id": "Ug9", "snippet": {}},
    thread(comment(2, "drugi")),
    thread(comment(1, "Zażółć gęślą jaźń 😡")),
]


def a_source(server: YouTube, clock: ManualClock | None = None, **options: object) -> YouTubeSource:
    given = {"url": server.url, "key": "klucz", "channels": "UCorzel,UCnone"}
    settings = Settings.load(given | options)
    return YouTubeSource(settings, Context("instance", clock=clock or ManualClock(NOW_MS)))


def a_server() -> YouTube:
    return YouTube({"UCorzel": list(THREADS)})


class TestYouTube(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": NOON_MS + 60_000,
        "drugi": NOON_MS + 120_000,
        "日本語": NOON_MS + 240_000,
        "odpowiedź": NOON_MS + 300_000,
    }
    names = ("marekz",)
    url_setting = "CZUJKA_YOUTUBE_URL"
    credential_setting = "CZUJKA_YOUTUBE_KEY"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return a_server()

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, YouTube)
        return a_source(server, clock)


def test_rounds_are_as_far_apart_as_the_units_of_the_day_ask_for() -> None:
    async def run() -> dict[int, float]:
        async with a_server() as server:
            clock = ManualClock(NOW_MS)
            asked_s: dict[int, float] = {}
            async for _ in a_source(server, clock, units_per_day=103, interval_s=1).pages(None):
                asked_s.setdefault(len(server.requests), clock.monotonic_s())
                if len(server.requests) > 7:
                    break
            return asked_s

    asked_s = asyncio.run(run())  # 3 units of the first round, 2 of each other one
    left_s = (MIDNIGHT_MS - NOW_MS) / 1000
    first_s, second_s = asked_s[5] - asked_s[3], asked_s[7] - asked_s[5]
    assert first_s == pytest.approx(left_s / 50, rel=0.01)
    assert second_s == pytest.approx(first_s, rel=0.05)


def test_used_up_units_wait_for_midnight_in_california_also_after_a_restart() -> None:
    async def run() -> None:
        async with a_server() as server:
            pages = await collect(a_source(server), limit=3)
            cursor = [page.cursor for page in pages if page.cursor][-1]
            with pytest.raises(RateLimitedError) as caught:
                await collect(a_source(server, units_per_day=3), cursor, limit=1)
            assert caught.value.until_ms == MIDNIGHT_MS
            used_up = {"error": {"errors": [{"reason": "quotaExceeded"}]}}
            server.faults.append(Reply.json(used_up, 403))
            with pytest.raises(RateLimitedError) as caught:
                await collect(a_source(server), limit=1)
            assert caught.value.until_ms == MIDNIGHT_MS
            later = ManualClock(MIDNIGHT_MS + 1)  # a new day, new units
            await collect(a_source(server, later, units_per_day=3), cursor, limit=1)

    asyncio.run(run())


def test_a_wrong_key_and_a_missing_channel_are_told() -> None:
    async def run(key: str) -> None:
        async with a_server() as server:
            await collect(a_source(server, key=key), limit=1)

    for key in ("wrong", "zły"):
        with pytest.raises(ConfigurationError, match="CZUJKA_YOUTUBE_KEY"):
            asyncio.run(run(key))
    with pytest.raises(ConfigurationError, match="CZUJKA_YOUTUBE_CHANNELS"):
        YouTubeSource(Settings.load({"key": "k"}), Context("instance")).targets()
