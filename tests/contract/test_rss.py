"""RSS and Atom against a local server."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Source
from connectors.context import Context
from connectors.errors import MalformedError
from connectors.native import Sight
from connectors.rss import RssSource, Settings, entries_of, parse
from connectors.testing import LiveContract, ManualClock, PlatformServer, collect
from tests.servers.polled import Feeds

NOON_MS = 1_700_049_600_000  # 2023-11-15 12:00 UTC
NOW_MS = NOON_MS + 1_800_000
RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
     xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>Gazeta</title><language>pl</language>
<item><guid>g-1</guid><title>Orzeł Air odwołuje loty</title><link>https://gazeta.example/1</link>
<description>&lt;p&gt;Zażółć &lt;b&gt;gęślą&lt;/b&gt; jaźń 😡&lt;/p&gt;</description>
<dc:creator>Anna Nowak</dc:creator><pubDate>Wed, 15 Nov 2023 13:00:00 +0100</pubDate></item>
<item><description></description></item>
<item><title>bez identyfikatora</title><pubDate>Wed, 15 Nov 2023 12:05:00 GMT</pubDate></item>
<item><guid>g-0</guid><title>z zeszłego tygodnia</title>
<pubDate>Wed, 08 Nov 2023 12:00:00 GMT</pubDate></item>
</channel></rss>"""
ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><id>urn:b</id>
<updated>2023-11-15T12:10:00Z</updated>
<entry><id>urn:e1</id><title>Żółw</title><link href="https://blog.example/e1"/>
<author><name>Jan Kowalczyk</name></author><updated>2023-11-15T12:10:00Z</updated>
<summary>日本語</summary></entry></feed>"""


def a_source(server: Feeds, clock: ManualClock | None = None) -> RssSource:
    feeds = ",".join(f"{server.url}{path}" for path in sorted(server.feeds))
    settings = Settings.load({"feeds": feeds})
    return RssSource(settings, Context("instance", clock=clock or ManualClock(NOW_MS)))


class TestRss(LiveContract):
    texts: ClassVar[Mapping[str, int]] = {
        "Orzeł Air odwołuje loty\nZażółć gęślą jaźń 😡": NOON_MS,
        "bez identyfikatora": NOON_MS + 300_000,
        "Żółw\n日本語": NOON_MS + 600_000,
    }
    names = ("nowak", "kowalczyk")
    url_setting = "CZUJKA_RSS_FEEDS"
    now_ms = NOW_MS

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return Feeds({"/a.xml": RSS, "/b.xml": ATOM})

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Feeds)
        return a_source(server, clock)


def test_a_feed_is_asked_for_changes_alone_and_each_entry_comes_once() -> None:
    async def run() -> None:
        async with Feeds({"/a.xml": RSS}) as server:
            pages = await collect(a_source(server), limit=4)
            assert sum(len(page.posts) for page in pages) == 2
            assert server.requests[1].headers["if-none-match"]
            cursor = next(page.cursor for page in pages if page.cursor)
            server.feeds["/a.xml"] = RSS.replace(
                "<item>", "<item><guid>new</guid><title>nowy</title></item><item>", 1
            ).encode()
            [page] = await collect(a_source(server), cursor, limit=1)
            assert [post.text for post in page.posts] == ["nowy"]
            assert page.posts[0].created_ms == NOW_MS  # it names no time

    asyncio.run(run())


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"a": 1}', b"plain", b"\xff\xfe\x00"])
def test_what_is_no_feed_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(MalformedError):
        entries_of(body)


@given(st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()))
def test_no_record_whatever_stops_the_reading(record: object) -> None:
    with pytest.raises(MalformedError):
        parse(record, Sight("s", NOW_MS))


def test_a_feed_of_which_nothing_is_known_any_more_is_a_gap() -> None:
    def feed(first: int) -> str:
        items = "".join(
            f"<item><guid>g-{n}</guid><title>tytuł {n}</title></item>"
            for n in range(first, first + 12)
        )
        return f"<rss version='2.0'><channel>{items}</channel></rss>"

    async def run() -> None:
        async with Feeds({"/a.xml": feed(0)}) as server:
            settings = Settings.load({"feeds": f"{server.url}/a.xml"})
            clock = ManualClock(NOW_MS)
            source = RssSource(settings, Context("instance", clock=clock))
            gaps = []
            async for page in source.pages(None):
                gaps += [page.gap] if page.gap is not None else []
                number = len(server.requests)
                server.feeds["/a.xml"] = feed({1: 5, 2: 5, 3: 100}.get(number, 200)).encode()
                if gaps:
                    break
            [gap] = gaps
            assert number == 4  # five new ones are no gap, nor is nothing new
            assert (gap.from_ms, gap.to_ms) == (NOW_MS + 60_000, NOW_MS + 180_000)

    asyncio.run(asyncio.wait_for(run(), 20))
