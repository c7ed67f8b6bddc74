"""Bluesky against local Jetstream servers of both versions."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import zstandard

from connectors.base import Page, Source
from connectors.bluesky import BlueskySource, Settings
from connectors.context import Context
from connectors.cursors import MemoryCursors
from connectors.errors import ConfigurationError, RetryError
from connectors.http import HttpSettings
from connectors.runner import Runner
from connectors.testing import LiveContract, ManualClock, MemorySink, PlatformServer, collect
from models.post import Op
from tests.servers.jetstream import Jetstream, account, commit, time_us

MS = 1000
FAST = HttpSettings(silence_s=2.0, timeout_s=5.0)


def post(number: int, text: str, **record: object) -> dict[str, object]:
    created = {"createdAt": "2023-11-14T22:13:20.000Z", "$type": "app.bsky.feed.post"}
    return commit(number, {**created, "text": text, **record})


POST_1 = "at://did:plc:autor1/app.bsky.feed.post/3k0001"
EVENTS = [
    post(1, "Zażółć gęślą jaźń 😡", langs=["pl"]),
    commit(2, {"subject": {"uri": POST_1}}, collection="app.bsky.feed.like"),
    post(3, "żółw \u200d\u2764\ufe0f 日本語"),
    commit(4, {"createdAt": "2023-11-14T22:13:20Z"}),  # no text
    post(5, "stary wpis z importu", createdAt="2012-05-01T10:00:00+02:00"),
    post(6, "z przyszłości", createdAt="2031-01-01T00:00:00Z"),
    commit(1, None),
    post(8, "odpowiedź", reply={"parent": {"uri": POST_1}}),
    {"kind": "identity", "did": "did:plc:autor3", "handle": "ola.example"},
    account("did:plc:autor3", "deleted"),
    post(11, "ostatni wpis"),
]  # fmt: skip
OLD_MS = 1_335_859_200_000


def at(number: int) -> int:
    return time_us(number) // MS


def filled(server: Jetstream) -> Jetstream:
    server.events = list(EVENTS)
    return server


def a_source(
    server: Jetstream, clock: ManualClock | None = None, **options: object
) -> BlueskySource:
    settings = Settings.load({"url": server.url, "version": server.version, **options})
    return BlueskySource(settings, Context("instance", http=FAST, clock=clock or ManualClock()))


class BlueskyContract(LiveContract):
    version: ClassVar[Literal["v1", "v2"]]
    texts: ClassVar[Mapping[str, int]] = {
        "Zażółć gęślą jaźń 😡": at(1),
        "żółw \u200d\u2764\ufe0f 日本語": at(3),
        "stary wpis z importu": OLD_MS,
        "z przyszłości": at(6),
        "odpowiedź": at(8),
        "ostatni wpis": at(11),
    }
    gone = 2
    rejects = 1
    names = ("did:plc", "autor", "ola.example")
    url_setting = "CZUJKA_BLUESKY_URL"

    def serve(self) -> AbstractAsyncContextManager[PlatformServer]:
        return filled(Jetstream(self.version))

    def make(self, server: PlatformServer, clock: ManualClock) -> Source:
        assert isinstance(server, Jetstream)
        return a_source(server, clock)


class TestJetstream2(BlueskyContract):
    version = "v2"


class TestJetstream1(BlueskyContract):
    version = "v1"


async def pages_of(
    server: Jetstream, cursor: str | None = None, limit: int = 1, **options: object
) -> list[Page]:
    return await collect(a_source(server, **options), cursor, limit)


def test_the_event_of_the_cursor_is_not_published_twice() -> None:
    async def run() -> None:
        async with filled(Jetstream("v2")) as server:
            [page] = await pages_of(server)
            server.events.append(post(12, "nowy"))
            [resumed] = await pages_of(server, page.cursor)
            assert [post.text for post in resumed.posts] == ["nowy"]
            assert resumed.gap is None
            assert "cursor=11" in server.addresses[-1]

    asyncio.run(run())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_cursor_that_is_too_old_is_told_as_a_gap_and_what_is_left_flows(version: str) -> None:
    async def run() -> None:
        async with Jetstream(version) as server:
            server.events = [post(1, "przed"), *(post(n, f"wpis {n}") for n in range(2, 61))]
            server.break_after.append(1)
            [page] = await pages_of(server)
            server.oldest = 50  # while we were away, the server forgot
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            sink = MemorySink(
                lambda: loop.call_soon_threadsafe(stop.set) if len(sink.posts) >= 11 else None
            )
            cursors = MemoryCursors()
            assert page.cursor is not None
            cursors.save("instance", page.cursor)
            totals = await Runner(a_source(server), sink, cursors, clock=ManualClock()).run(stop)
            assert totals.gaps == 1
            assert [post.text for post in sink.posts] == [f"wpis {n}" for n in range(50, 61)]

    asyncio.run(asyncio.wait_for(run(), 20))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_on_another_host_it_goes_on_by_time_and_a_little_earlier(version: str) -> None:
    async def run() -> None:
        async with filled(Jetstream(version)) as first, filled(Jetstream(version)) as second:
            [page] = await pages_of(first)
            [other] = await pages_of(second, page.cursor)
            assert other.gap is None
            assert f"cursor={time_us(11) - 5_000_000}" in second.addresses[-1]

    asyncio.run(run())


def test_frames_that_are_packed_with_the_servers_dictionary_are_read() -> None:
    server = filled(Jetstream("v2"))
    samples = [server.frame(1 + n % 8) + b"%d" % n for n in range(400)]
    server = filled(Jetstream("v2", zstandard.train_dictionary(4_096, samples)))

    async def run() -> Page:
        async with server:
            [page] = await pages_of(server, zstd=True)
            return page

    page = asyncio.run(run())
    assert "Zażółć gęślą jaźń 😡" in {post.text for post in page.posts}
    assert "zstdDictionary=" in server.addresses[-1]


def test_version_1_packs_with_a_dictionary_from_a_file(tmp_path: Path) -> None:
    plain = filled(Jetstream("v1"))
    samples = [plain.frame(1 + n % 8) + b"%d" % n for n in range(400)]
    dictionary = zstandard.train_dictionary(4_096, samples)
    path = tmp_path / "dictionary"

    async def run() -> Page:
        async with filled(Jetstream("v1", dictionary)) as server:
            with pytest.raises(ConfigurationError, match="CZUJKA_BLUESKY_ZSTD_DICTIONARY"):
                await pages_of(server, zstd=True)
            with pytest.raises(ConfigurationError, match="No such file"):
                await pages_of(server, zstd=True, zstd_dictionary=path)
            path.write_bytes(dictionary.as_bytes())
            [page] = await pages_of(server, zstd=True, zstd_dictionary=path)
            return page

    assert len(asyncio.run(run()).posts) == 8


def test_what_is_no_post_is_dropped_and_counted() -> None:
    async def run() -> None:
        async with filled(Jetstream("v2")) as server:
            source = a_source(server)
            await collect(source, limit=1)
            context: Context = source._context
            value = context.metrics.registry.get_sample_value
            assert value("czujka_connector_skipped_total", {"source": "instance"}) == 2

    asyncio.run(run())


def test_an_error_of_the_server_ends_the_stream_and_is_a_retry() -> None:
    async def run() -> None:
        async with Jetstream("v2") as server:
            server.last_words.append({"$type": "error", "error": "ConsumerTooSlow", "message": "."})
            with pytest.raises(RetryError, match="ConsumerTooSlow"):
                await pages_of(server)

    asyncio.run(run())


def test_a_server_that_falls_silent_is_taken_for_broken() -> None:
    async def run() -> None:
        async with Jetstream("v2") as server:
            with pytest.raises(RetryError, match="silent for 2 s"):
                await pages_of(server)

    asyncio.run(run())


def test_replies_and_quotes_point_to_the_posts_as_they_are_published() -> None:
    quote = {
        "$type": "app.bsky.embed.record",
        "record": {"uri": POST_1},
    }
    media = {"$type": "app.bsky.embed.recordWithMedia", "record": quote}

    async def run() -> None:
        async with filled(Jetstream("v2")) as server:
            server.events += [
                post(12, "cytat", embed=quote),
                post(13, "cytat ze zdjęciem", embed=media),
            ]
            [page] = await pages_of(server)
            by_text = {post.text: post for post in page.posts if post.op is Op.CREATE}
            first = by_text["Zażółć gęślą jaźń 😡"].native_id
            assert by_text["odpowiedź"].reply_to == first
            assert by_text["cytat"].quote_of == first
            assert by_text["cytat ze zdjęciem"].quote_of == first

    asyncio.run(run())
