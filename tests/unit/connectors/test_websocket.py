"""Websockets against servers that do what they should not: each error says what to mend."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme
import zstandard
from websockets.asyncio.server import ServerConnection, serve

from connectors.bluesky import BlueskySource, Settings
from connectors.context import Context
from connectors.errors import ConfigurationError, ConnectorError, RateLimitedError, RetryError
from connectors.http import Api, HttpClient, HttpSettings
from connectors.testing import ManualClock, collect
from connectors.websocket import RefusedError, open_websocket
from tests.servers.http import Replies, Reply
from tests.servers.jetstream import Jetstream, commit

API = Api("Forum", "CZUJKA_FORUM_URL", "CZUJKA_FORUM_TOKEN")
SMALL = HttpSettings(max_line_bytes=1_000, timeout_s=5, silence_s=5)
Handler = Callable[[ServerConnection], Awaitable[None]]


async def first_frames(
    url: str, settings: HttpSettings = SMALL, quiet_s: float | None = None
) -> list[bytes]:
    async with HttpClient(API, settings, ManualClock()) as client:
        try:
            async with open_websocket(url, client, settings) as frames:
                return await frames.batch(quiet_s)
        except RefusedError as refused:
            raise client.refusal(refused.answer, url) from None


def frames_from(
    handler: Handler, settings: HttpSettings = SMALL, quiet_s: float | None = None
) -> list[bytes]:
    async def run() -> list[bytes]:
        async with serve(handler, "127.0.0.1", 0, compression=None, max_size=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return await first_frames(f"ws://127.0.0.1:{port}", settings, quiet_s)

    return asyncio.run(run())


def error_of_page(reply: Reply) -> ConnectorError:
    """What a server that speaks no websocket leads to."""

    async def run() -> None:
        async with Replies(reply) as server:
            await first_frames(server.url.replace("http", "ws"))

    with pytest.raises(ConnectorError) as caught:
        asyncio.run(run())
    return caught.value


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_or_expired_credentials_name_their_setting(status: int) -> None:
    error = error_of_page(Reply(status, b'{"error": "expired token"}'))
    assert isinstance(error, ConfigurationError)
    assert "CZUJKA_FORUM_TOKEN" in str(error)
    assert "expired token" in str(error)


def test_a_redirect_elsewhere_is_refused_and_named() -> None:
    error = error_of_page(Reply(302, headers={"Location": "wss://elsewhere.example/"}))
    assert isinstance(error, ConfigurationError)
    assert "wss://elsewhere.example" in str(error)
    assert "CZUJKA_FORUM_URL" in str(error)


def test_a_web_page_in_place_of_a_websocket_names_address_and_proxy() -> None:
    error = error_of_page(Reply(body=b"<html>Log in</html>", headers={"Content-Type": "text/html"}))
    assert isinstance(error, RetryError)
    assert "CZUJKA_FORUM_URL" in str(error)
    assert "CZUJKA_HTTP_PROXY" in str(error)


def test_too_many_requests_and_a_broken_server_lead_to_a_wait() -> None:
    limited = error_of_page(Reply(429, headers={"Retry-After": "7"}))
    assert isinstance(limited, RateLimitedError)
    assert limited.until_ms == ManualClock().now_ms() + 7_000
    assert isinstance(error_of_page(Reply(503)), RetryError)


def test_a_frame_without_end_breaks_the_connection_and_the_memory_stays() -> None:
    async def endless(connection: ServerConnection) -> None:
        async def pieces() -> object:
            while True:
                yield "x" * 10_000

        await connection.send(pieces())  # type: ignore[arg-type]

    with pytest.raises(RetryError, match="the connection broke"):
        frames_from(endless)


def test_frames_that_came_before_a_too_long_one_are_given() -> None:
    async def then_long(connection: ServerConnection) -> None:
        await connection.send("a")
        await connection.send("b")
        await connection.send("x" * 10_000)

    assert frames_from(then_long) == [b"a", b"b"]


def test_a_compression_bomb_in_a_frame_is_a_reject_and_the_rest_flows() -> None:
    samples = [b'{"text": "wpis %d"}' % n for n in range(400)]
    dictionary = zstandard.train_dictionary(1_024, samples)  # type: ignore[arg-type]
    record = {"text": "x" * (64 << 20), "createdAt": "2023-11-14T22:13:20Z"}

    async def run() -> None:
        async with Jetstream("v2", dictionary) as server:
            small = {"text": "mały", "createdAt": "2023-11-14T22:13:20Z"}
            server.events = [commit(1, small), commit(2, record), commit(3, small)]
            settings = Settings.load({"url": server.url, "zstd": True})
            source = BlueskySource(settings, Context("instance", clock=ManualClock()))
            posts, rejects = [], []
            async for page in source.pages(None):
                posts += page.posts
                rejects += page.rejects
                if len(posts) == 2:
                    break
            assert [post.text for post in posts] == ["mały", "mały"]
            assert len(rejects) == 1
            assert "would be unpacked to" in rejects[0].reason

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_frame_that_is_no_json_is_a_reject_and_the_rest_flows() -> None:
    async def run() -> None:
        async with Jetstream("v2") as server:
            small = {"text": "mały", "createdAt": "2023-11-14T22:13:20Z"}
            server.events = [commit(1, small), commit(2, small), commit(3, small)]
            server.raw[2] = b"<html>Please wait</html>"
            settings = Settings.load({"url": server.url})
            source = BlueskySource(settings, Context("instance", clock=ManualClock()))
            [page] = await collect(source, limit=1)
            assert len(page.posts) == 2
            assert len(page.rejects) == 1

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_certificate_that_is_not_trusted_or_of_another_host_is_a_setting(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusting = SMALL.model_copy(update={"ca_file": tmp_path / "ca.pem"})

    async def hello(connection: ServerConnection) -> None:
        await connection.send("hello")

    def read(host: str, settings: HttpSettings) -> list[bytes]:
        async def run() -> list[bytes]:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(host).configure_cert(context)
            async with serve(hello, "127.0.0.1", 0, ssl=context) as server:
                port = next(iter(server.sockets)).getsockname()[1]
                return await first_frames(f"wss://127.0.0.1:{port}", settings)

        return asyncio.run(run())

    assert read("127.0.0.1", trusting) == [b"hello"]
    with pytest.raises(ConfigurationError, match=r"CZUJKA_FORUM_URL.*CZUJKA_HTTP_CA_FILE"):
        read("127.0.0.1", SMALL)
    with pytest.raises(ConfigurationError, match=r"certificate.*CZUJKA_FORUM_URL"):
        read("other.example", trusting)


def test_a_server_that_is_silent_is_taken_for_broken_unless_quiet_is_expected() -> None:
    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    impatient = SMALL.model_copy(update={"silence_s": 0.2})
    with pytest.raises(RetryError, match=r"silent for 0\.2 s"):
        frames_from(silent, impatient)
    assert frames_from(silent, SMALL, quiet_s=0.1) == []


def test_an_address_that_is_none_is_a_setting() -> None:
    for url in ("http://a.example", "a.example"):
        with pytest.raises(ConfigurationError, match="CZUJKA_FORUM_URL"):
            asyncio.run(first_frames(url))


def test_a_wrong_clock_of_ours_is_told_from_the_handshake(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = ManualClock(1_700_000_000_000)  # the server's date is that of today

    async def hello(connection: ServerConnection) -> None:
        await connection.send("hello")

    async def run() -> None:
        async with serve(hello, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with (
                HttpClient(API, SMALL, ours) as client,
                open_websocket(f"ws://127.0.0.1:{port}", client, SMALL) as frames,
            ):
                await frames.batch()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    [told] = [r.getMessage() for r in caplog.records if "clock of this machine" in r.getMessage()]
    assert "behind that of Forum" in told


def test_frames_that_are_not_read_slow_the_server_down_and_none_is_dropped() -> None:
    total, text = 4_000, "x" * 20_000  # 80 MB, more than sockets and queues hold
    sent = 0

    async def fast(connection: ServerConnection) -> None:
        nonlocal sent
        for number in range(total):
            await connection.send(f"{number} {text}")
            sent += 1

    async def stands_still() -> bool:
        before, looks = sent, 0
        while sent == before and looks < 50:
            looks += 1
            await asyncio.sleep(0.01)
        return looks == 50

    async def run() -> None:
        roomy = SMALL.model_copy(update={"max_line_bytes": 1 << 20})
        async with (
            asyncio.timeout(60),
            serve(fast, "127.0.0.1", 0, compression=None) as server,
            HttpClient(API, roomy, ManualClock()) as client,
            open_websocket(
                f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", client, roomy
            ) as frames,
        ):
            while not (sent and await stands_still()):
                pass
            held = sent
            assert held < total
            numbers: list[int] = []
            while len(numbers) < total:
                numbers += [int(frame.split(b" ", 1)[0]) for frame in await frames.batch()]
            assert numbers == list(range(total))

    asyncio.run(run())
