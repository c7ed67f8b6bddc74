"""The HTTP client against a server over real sockets: what an answer means, and its limits."""

import asyncio
import gzip
import logging
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigurationError, ConnectorError, RateLimitedError, RetryError
from connectors.http import Api, HttpClient, HttpSettings, LineSplitter, LongLine
from connectors.rates import Rates
from connectors.testing import ManualClock
from tests.servers.http import HttpServer, Replies, Reply, refusal

NOW_MS = 1_700_000_000_000
API = Api("Forum", "CZUJKA_FORUM_URL", "CZUJKA_FORUM_TOKEN")
AT_90_S = datetime.fromtimestamp(NOW_MS / 1000 + 90, UTC)
SMALL = HttpSettings(max_body_bytes=200_000, max_line_bytes=1_000, timeout_s=5, silence_s=5)


def with_server(
    server: HttpServer,
    act: Callable[[HttpClient, str], Awaitable[object]],
    api: Api = API,
    settings: HttpSettings = SMALL,
    clock: ManualClock | None = None,
) -> object:
    async def run() -> object:
        async with server, HttpClient(api, settings, clock or ManualClock(NOW_MS)) as client:
            return await act(client, server.url)

    return asyncio.run(run())


def get(server: HttpServer, **options: object) -> object:
    return with_server(server, lambda client, url: client.get_json(f"{url}/a"), **options)  # type: ignore[arg-type]


def error_of(reply: Reply, **options: object) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        get(Replies(reply), **options)
    return caught.value


def test_json_is_read_packed_and_unpacked() -> None:
    packed = Reply(body=gzip.compress(b'{"a": "\xc5\xbc"}'), headers={"Content-Encoding": "gzip"})
    assert get(Replies(packed)) == {"a": "ż"}
    assert get(Replies(Reply.json([1]))) == [1]


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (400, ConfigurationError, "CZUJKA_FORUM_"),
        (401, ConfigurationError, "mend CZUJKA_FORUM_TOKEN"),
        (403, ConfigurationError, "mend CZUJKA_FORUM_TOKEN"),
        (404, ConfigurationError, "is CZUJKA_FORUM_URL right"),
        (410, ConfigurationError, "is CZUJKA_FORUM_URL right"),
        (422, ConfigurationError, "CZUJKA_FORUM_"),
        (408, RetryError, "answers 408"),
        (429, RateLimitedError, "too many requests"),
        (420, RateLimitedError, "too many requests"),
        (500, RetryError, "answers 500"),
        (502, RetryError, "answers 502"),
        (503, RetryError, "answers 503"),
        (599, RetryError, "answers 599"),
    ],
)
def test_each_status_says_what_to_do_next(status: int, kind: type[Exception], message: str) -> None:
    error = error_of(refusal(status))
    assert type(error) is kind
    assert message in str(error)
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize(
    ("rates", "headers", "wait_s"),
    [
        (Rates(), {"Retry-After": "7"}, 7),
        (Rates(), {"Retry-After": format_datetime(AT_90_S, True)}, 90),
        (Rates("x-left", "x-reset", "epoch"), {"x-reset": "1700000030"}, 30),
        (Rates("x-left", "x-reset", "seconds"), {"x-reset": "12.5"}, 12.5),
        (Rates("x-left", "x-reset", "iso"), {"x-reset": "2023-11-14T22:14:00.000Z"}, 40),
        (Rates("x-left", "x-reset", "epoch"), {"x-reset": "1700000030", "Retry-After": "99"}, 99),
        (Rates(), {}, 60),
        (Rates(), {"Retry-After": "soon"}, 60),
        (Rates(), {"Retry-After": "-3"}, 60),
        (Rates(), {"Retry-After": "0"}, 1),
        (Rates(), {"Retry-After": "999999999"}, 86_400),
    ],
)  # fmt: skip
def test_after_429_the_platforms_own_time_is_kept(
    rates: Rates, headers: dict[str, str], wait_s: float
) -> None:
    error = error_of(refusal(429, **headers), api=Api("Forum", "U", rates=rates))
    assert isinstance(error, RateLimitedError)
    assert error.until_ms == NOW_MS + wait_s * 1000


def test_a_reset_is_held_against_the_clock_of_the_server_and_not_ours() -> None:
    theirs = datetime.fromtimestamp(1_700_003_600, UTC)  # our clock is an hour behind
    headers = {"Date": format_datetime(theirs, True), "x-reset": "1700003630"}
    error = error_of(refusal(429, **headers), api=Api("Forum", "U", rates=Rates("", "x-reset")))
    assert isinstance(error, RateLimitedError)
    assert error.until_ms == NOW_MS + 30_000


def test_a_wrong_clock_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    theirs = format_datetime(datetime.fromtimestamp(1_700_003_600, UTC), True)
    server = Replies(Reply.json(1, Date=theirs))

    async def twice(client: HttpClient, url: str) -> None:
        await client.get_json(url)
        await client.get_json(url)

    with caplog.at_level(logging.WARNING):
        with_server(server, twice)
    [record] = caplog.records
    assert "3600 s behind that of Forum" in record.getMessage()


def test_429_without_a_time_waits_longer_each_time_and_anew_after_a_success() -> None:
    limited = [refusal(429)] * 3
    server = Replies(*limited, Reply.json(1), refusal(429))
    clock = ManualClock(NOW_MS)
    waits: list[float] = []

    async def ask(client: HttpClient, url: str) -> None:
        for _ in range(5):
            try:
                await client.get_json(url)
            except RateLimitedError as error:
                waits.append((error.until_ms - clock.now_ms()) / 1000)

    with_server(server, ask, clock=clock)
    assert waits == [60, 120, 240, 60]


def test_when_the_allowance_is_used_up_nothing_is_asked_until_there_is_more() -> None:
    server = Replies(Reply.json(1, X_Left="0", X_Reset="30"))
    api = Api("Forum", "U", rates=Rates("x-left", "x-reset", "seconds"))
    clock = ManualClock(NOW_MS)

    async def ask(client: HttpClient, url: str) -> None:
        await client.get_json(url)
        with pytest.raises(RateLimitedError) as caught:
            await client.get_json(url)
        assert caught.value.until_ms == NOW_MS + 30_000
        clock.advance(31)
        await client.get_json(url)

    with_server(server, ask, api, clock=clock)
    assert len(server.requests) == 2


def test_503_with_a_time_is_kept_as_the_least_wait() -> None:
    error = error_of(refusal(503, Retry_After="20"))
    assert isinstance(error, RetryError)
    assert error.after_s == 20


def test_a_web_page_where_json_should_be_is_told() -> None:
    error = error_of(Reply(body=b"<html>Log in</html>", headers={"Content-Type": "text/html"}))
    assert isinstance(error, RetryError)
    assert "CZUJKA_FORUM_URL" in str(error)
    assert "CZUJKA_HTTP_PROXY" in str(error)
    assert isinstance(error_of(Reply(body=b'{"a": ')), RetryError)
    deep = Reply(body=b"[" * 100_000)
    assert isinstance(error_of(deep), RetryError)


def test_a_redirect_elsewhere_is_refused_and_names_the_setting_and_the_host() -> None:
    moved = Reply(302, headers={"Location": "https://evil.example/a"})
    error = error_of(moved)
    assert isinstance(error, ConfigurationError)
    assert "https://evil.example" in str(error)
    assert "CZUJKA_FORUM_URL" in str(error)


def test_a_redirect_on_the_same_host_is_followed_but_not_in_a_circle() -> None:
    server = Replies(Reply(301, headers={"Location": "/b?x=1"}), Reply.json({"ok": 1}))
    assert get(server) == {"ok": 1}
    assert [request.path for request in server.requests] == ["/a", "/b"]
    assert "circle" in str(error_of(Reply(302, headers={"Location": "/a"})))


def test_a_compression_bomb_is_noticed_before_it_fills_the_memory() -> None:
    bomb = gzip.compress(bytes(300 << 20), 9)
    assert len(bomb) < 400_000
    error = error_of(Reply(body=bomb, headers={"Content-Encoding": "gzip"}))
    assert isinstance(error, RetryError)
    assert "CZUJKA_HTTP_MAX_BODY_BYTES" in str(error)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"x"), ("gzip", b"no gzip at all"), ("deflate", zlib.compress(b"{}")[:-3] + b"xxx")],
)
def test_damaged_or_unknown_compression_is_a_retry(encoding: str, body: bytes) -> None:
    assert isinstance(
        error_of(Reply(body=body, headers={"Content-Encoding": encoding})), RetryError
    )


def test_a_body_without_end_is_cut_off() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"[" * 10_000

    assert isinstance(error_of(Reply(stream=endless())), RetryError)


def test_a_connection_that_breaks_within_a_body_is_a_retry() -> None:
    assert isinstance(error_of(Reply(body=b"[1, 2, 3]", cut_after=4)), RetryError)


def test_a_server_that_is_not_there_is_a_retry_and_an_address_that_is_none_a_setting() -> None:
    async def ask(url: str) -> None:
        async with HttpClient(API, SMALL, ManualClock(NOW_MS)) as client:
            await client.get_json(url)

    with pytest.raises(RetryError, match="Forum"):
        asyncio.run(ask("http://127.0.0.1:1/"))
    for wrong in ("ftp://a.example", "a.example/b", "https://", "http://[::1"):
        with pytest.raises(ConfigurationError, match="CZUJKA_FORUM_URL"):
            asyncio.run(ask(wrong))


def test_secrets_in_an_address_are_not_shown() -> None:
    async def ask(client: HttpClient, url: str) -> None:
        await client.get_json(f"{url}/botSECRET/x?key=KEY")

    with pytest.raises(ConfigurationError) as caught:
        with_server(Replies(refusal(404)), ask, Api("Forum", "U", secrets=("SECRET",)))
    assert "SECRET" not in str(caught.value)
    assert "KEY" not in str(caught.value)


def test_a_certificate_that_is_not_trusted_or_of_another_host_is_a_setting(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusting = SMALL.model_copy(update={"ca_file": tmp_path / "ca.pem"})

    def server(host: str) -> Replies:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        return Replies(Reply.json(1), tls=context)

    assert get(server("127.0.0.1"), settings=trusting) == 1
    with pytest.raises(ConfigurationError, match=r"CZUJKA_FORUM_URL.*CZUJKA_HTTP_CA_FILE"):
        get(server("127.0.0.1"))
    with pytest.raises(ConfigurationError, match=r"certificate.*CZUJKA_FORUM_URL"):
        get(server("other.example"), settings=trusting)


def through_a_proxy(*replies: Reply) -> tuple[object, Replies]:
    async def run() -> tuple[object, Replies]:
        async with Replies(*replies) as proxy:
            settings = SMALL.model_copy(update={"proxy": proxy.url.replace("//", "//ola:sekret@")})
            async with HttpClient(API, settings, ManualClock(NOW_MS)) as client:
                return await client.get_json("http://forum.example/a"), proxy

    return asyncio.run(run())


def test_a_proxy_is_asked_in_place_of_the_host() -> None:
    found, proxy = through_a_proxy(Reply.json({"ok": 1}))
    assert found == {"ok": 1}
    [request] = proxy.requests
    assert request.headers["host"] == "forum.example"
    assert request.headers["proxy-authorization"] == "Basic b2xhOnNla3JldA=="


def test_a_proxy_that_wants_credentials_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="CZUJKA_HTTP_PROXY") as caught:
        through_a_proxy(refusal(407))
    assert "sekret" not in str(caught.value)


def test_a_file_of_authorities_that_cannot_be_read_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(ConfigurationError, match="CZUJKA_HTTP_CA_FILE"):
            get(Replies(Reply.json(1)), settings=SMALL.model_copy(update={"ca_file": path}))


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def lines_of(reply: Reply) -> list[bytes | LongLine]:
    found: list[bytes | LongLine] = []

    async def read(client: HttpClient, url: str) -> None:
        async with client.lines(url) as lines:
            async for line in lines:
                found.append(line)

    with pytest.raises(RetryError):
        with_server(Replies(reply), read)
    return found


def test_a_stream_gives_its_lines_and_then_says_that_it_ended() -> None:
    reply = Reply(stream=chunks("ż\r\n".encode()[:1], "ż\r\nb".encode()[1:], b"\n\nrest"))
    assert lines_of(reply) == ["ż".encode(), b"b", b""]


def test_a_stream_that_breaks_gives_what_was_whole() -> None:
    assert lines_of(Reply(stream=chunks(b"a\nb\nc"), cut_after=0)) == [b"a", b"b"]


def test_a_line_that_is_too_long_is_named_and_the_next_ones_flow() -> None:
    found = lines_of(Reply(stream=chunks(b"a\n" + b"x" * 5_000, b"x" * 5_000 + b"\nb\n")))
    assert (found[0], found[2]) == (b"a", b"b")
    assert isinstance(found[1], LongLine)


def test_a_line_without_end_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000

    assert lines_of(Reply(stream=endless())) == []


@given(
    st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b and b[-1:] != b"\r")), st.data()
)
def test_lines_do_not_depend_on_where_a_stream_is_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    splitter = LineSplitter(100)
    found: list[bytes | LongLine] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    assert found == lines
