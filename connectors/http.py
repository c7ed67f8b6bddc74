"""One HTTP client for all connectors, whose errors name the setting to mend.

Redirects to another host are not followed (credentials would go along), bodies and lines have a
largest size, also after decompression, and every status leads to an action by one table.
"""

from __future__ import annotations

import logging
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

import certifi
import httpx
import msgspec
from pydantic import Field

from connectors.clock import Clock
from connectors.errors import Backoff, ConfigurationError, ConnectorError, RetryError
from connectors.rates import FIRST_LIMIT_WAIT_S, NO_RATES, Rates, limited, server_time_ms
from connectors.settings import ConnectorSettings, settings_config

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)
"""It tells each request with its address, in which tokens may stand."""

MAX_REDIRECTS = 5
SKEW_LIMIT_S = 120.0
ENDLESS_LINES = 64
"""A line of so many times the largest size is taken for endless."""
PROXY_WANTS_CREDENTIALS = 407
_PIECE_BYTES = 65_536

Params = Mapping[str, str | int]


class HttpSettings(ConnectorSettings):
    """How all connectors speak HTTP; variables begin with ``CZUJKA_HTTP_``."""

    model_config = settings_config("HTTP")

    proxy: str | None = Field(default=None, description="Else HTTPS_PROXY and its like hold.")
    ca_file: Path | None = Field(default=None, description="More authorities to trust, PEM.")
    timeout_s: float = Field(default=30.0, gt=0, description="For an answer to begin or go on.")
    silence_s: float = Field(default=90.0, gt=0, description="A stream silent for so long broke.")
    max_body_bytes: int = Field(default=32 << 20, gt=0, description="After decompression.")
    max_line_bytes: int = Field(default=1 << 20, gt=0, description="Of a stream.")
    user_agent: str = "czujka (brand monitoring)"


class Action(Enum):
    """What to do about a status."""

    TAKE = "take"
    REDIRECT = "redirect"
    RETRY = "retry"
    LIMITED = "limited"
    CREDENTIALS = "credentials"
    ADDRESS = "address"
    REQUEST = "request"


ACTIONS: Mapping[int, Action] = MappingProxyType(
    {
        304: Action.TAKE,
        301: Action.REDIRECT,
        302: Action.REDIRECT,
        303: Action.REDIRECT,
        307: Action.REDIRECT,
        308: Action.REDIRECT,
        400: Action.REQUEST,
        401: Action.CREDENTIALS,
        402: Action.CREDENTIALS,
        403: Action.CREDENTIALS,
        404: Action.ADDRESS,
        405: Action.ADDRESS,
        406: Action.ADDRESS,
        408: Action.RETRY,
        409: Action.RETRY,
        410: Action.ADDRESS,
        420: Action.LIMITED,
        421: Action.RETRY,
        425: Action.RETRY,
        429: Action.LIMITED,
    }
)
"""Statuses that are not here: 2xx take, 5xx retry, other 4xx request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whole."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Api:
    """A platform as the client must know it.

    Attributes:
        name: as people call it.
        url_setting: variable of its address.
        credential_setting: variable of the key or token, None if it needs none.
        rates: its headers about limits.
        actions: where it departs from `ACTIONS`.
        refine: looks at a refusal that the status alone does not explain; gives the error to
            raise, or None to go by the table.
        backoff: how it wants attempts spread.
        secrets: texts that must not stand in messages.
    """

    name: str
    url_setting: str
    credential_setting: str | None = None
    rates: Rates = NO_RATES
    actions: Mapping[int, Action] = field(default_factory=lambda: MappingProxyType({}))
    refine: Callable[[Answer], ConnectorError | None] | None = None
    backoff: Backoff | None = None
    secrets: tuple[str, ...] = ()

    def action(self, status: int) -> Action:
        """What to do about a status."""
        known = self.actions.get(status) or ACTIONS.get(status)
        if known is not None:
            return known
        if 200 <= status < 300:
            return Action.TAKE
        return Action.RETRY if status >= 500 or status < 200 else Action.REQUEST


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that was longer than allowed; its head alone was kept."""

    head: bytes


class LineSplitter:
    """Cuts pieces of a stream into lines, and holds no more than one longest line.

    Raises:
        RetryError: a line seems to have no end.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._rest = bytearray()
        self._skipped = 0
        self._head: bytes | None = None

    def feed(self, piece: bytes) -> Iterator[bytes | LongLine]:
        """The lines that end within a piece, without their ends."""
        self._rest += piece
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if self._head is not None:
                yield LongLine(self._head)
                self._head, self._skipped = None, 0
            elif len(line) > self._limit:
                yield LongLine(line[:_PIECE_BYTES])
            else:
                yield line.removesuffix(b"\r")
        if len(self._rest) > self._limit:
            if self._head is None:
                self._head = bytes(self._rest[:_PIECE_BYTES])
            self._skipped += len(self._rest)
            self._rest.clear()
            if self._skipped > ENDLESS_LINES * self._limit:
                raise RetryError(
                    f"a line goes on for more than {self._skipped} bytes: is the address right?"
                )


class HttpClient:
    """Speaks to one platform; from ``async with`` to its end.

    Every method raises errors of `connectors.errors`, by `ACTIONS` and by what the connection did.
    """

    def __init__(self, api: Api, settings: HttpSettings, clock: Clock) -> None:
        self.api = api
        self._settings = settings
        self._clock = clock
        self._limited_in_a_row = 0
        self._quiet_until_ms = 0
        self._told_of_skew = False
        self._client = httpx.AsyncClient(
            verify=tls_context(settings),
            proxy=settings.proxy,
            trust_env=settings.proxy is None,
            follow_redirects=False,
            timeout=httpx.Timeout(settings.timeout_s),
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=4),
            headers={"User-Agent": settings.user_agent},
        )

    async def __aenter__(self) -> Self:
        """Gives itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def get_json(
        self, url: str, params: Params | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """What a JSON document holds."""
        return self.read_json(await self.fetch("GET", url, params=params, headers=headers), url)

    def read_json(self, answer: Answer, url: str) -> Any:
        """What the body of an answer holds.

        Raises:
            RetryError: a web page or something else that is not JSON.
        """
        try:
            return msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, RecursionError) as error:
            kind = answer.headers.get("content-type", "")
            if "html" in kind or answer.body.lstrip()[:1] == b"<":
                raise RetryError(
                    f"{self._place(url)} answers with a web page where JSON should be: is "
                    f"{self.api.url_setting} right, and does no proxy or login page stand between "
                    "(CZUJKA_HTTP_PROXY)?",
                    backoff=self.api.backoff,
                ) from error
            raise RetryError(
                f"{self._place(url)} answers with something that is not JSON ({error}; it begins "
                f"'{_shown(answer, 80)}'): is {self.api.url_setting} right?",
                backoff=self.api.backoff,
            ) from error

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        data: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        take: tuple[int, ...] = (),
    ) -> Answer:
        """A whole answer: a status that is to be taken (2xx, 304, `take`) and its body."""
        request = self._client.build_request(
            method, self._parsed(url), params=params or None,
            headers=self._headers(headers, "gzip"), json=json, data=data,
        )  # fmt: skip
        sent = await self._send(request, httpx.BasicAuth(*auth) if auth else None, take)
        try:
            return await self._whole(sent)
        finally:
            await sent.aclose()

    @asynccontextmanager
    async def lines(
        self, url: str, params: Params | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncGenerator[bytes | LongLine, None]]:
        """A stream of lines that goes on until it breaks (`RetryError`)."""
        request = self._client.build_request(
            "GET", self._parsed(url), params=params or None,
            headers=self._headers(headers, "identity"),
            timeout=httpx.Timeout(self._settings.timeout_s, read=self._settings.silence_s),
        )  # fmt: skip
        sent = await self._send(request, None)
        try:
            async with aclosing(self._lines(sent)) as lines:
                yield lines
        finally:
            await sent.aclose()

    async def _lines(self, sent: httpx.Response) -> AsyncGenerator[bytes | LongLine, None]:
        splitter = LineSplitter(self._settings.max_line_bytes)
        async for piece in self._pieces(sent, None):
            for line in splitter.feed(piece):
                yield line
        raise RetryError(f"{self._place(str(sent.url))} ended the stream", backoff=self.api.backoff)

    def _headers(self, headers: Mapping[str, str] | None, encoding: str) -> dict[str, str]:
        if headers is not None and not all(value.isascii() for value in headers.values()):
            raise ConfigurationError(
                f"{self.api.credential_setting or self.api.url_setting}: holds letters that no key "
                "or token has; copy it anew"
            )
        return {"Accept-Encoding": encoding, **(headers or {})}

    def _parsed(self, url: str) -> httpx.URL:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"{self.api.url_setting}={url}: {error}") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ConfigurationError(
                f"{self.api.url_setting}={url}: write an address with https://"
            )
        return parsed

    async def _send(
        self, request: httpx.Request, auth: httpx.BasicAuth | None, take: tuple[int, ...] = ()
    ) -> httpx.Response:
        """An answer whose status is to be taken; its body is yet to be read."""
        if self._clock.now_ms() < self._quiet_until_ms:
            raise limited(f"{self.api.name}: the allowance is used up", self._quiet_until_ms)
        for _ in range(MAX_REDIRECTS + 1):
            with self._explained(request.url):
                sent = await self._client.send(request, stream=True, auth=auth)
            try:
                self.look_at_clock(sent.headers)
                self._quiet_until_ms = self.api.rates.quiet_until_ms(
                    sent.headers, self._clock.now_ms()
                )
                action = self.api.action(sent.status_code)
                if action is Action.TAKE or sent.status_code in take:
                    self._limited_in_a_row = 0
                    return sent
                if action is not Action.REDIRECT:
                    await self._refuse(sent, str(request.url))
                request = self._redirected(request, sent)
            except BaseException:
                await sent.aclose()
                raise
            await sent.aclose()
        raise RetryError(f"{self._place(str(request.url))} redirects in a circle")

    def _redirected(self, request: httpx.Request, sent: httpx.Response) -> httpx.Request:
        target = request.url.join(sent.headers.get("location", ""))
        same = (target.host, target.port) == (request.url.host, request.url.port)
        upgrade = target.host == request.url.host and (
            (request.url.scheme, target.scheme) == ("http", "https")
        )
        if not (same and target.scheme == request.url.scheme) and not upgrade:
            raise self._redirect_refused(
                str(request.url), f"{target.scheme}://{target.netloc.decode()}"
            )
        return self._client.build_request(
            "GET" if sent.status_code == 303 else request.method, target,
            headers={k: v for k, v in request.headers.items() if k.lower() != "host"},
            content=None if sent.status_code == 303 else request.content,
            extensions=request.extensions,
        )  # fmt: skip

    def _redirect_refused(self, url: str, target: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._place(url)} redirects to another host, {target}, which is not followed: if it "
            f"is right, set {self.api.url_setting} to it"
        )

    async def _refuse(self, sent: httpx.Response, url: str) -> NoReturn:
        raise self.refusal(await self._whole(sent), url)

    def refusal(self, answer: Answer, url: str) -> ConnectorError:
        """The error for an answer that is not to be taken, from here or from a websocket."""
        action = self.api.action(answer.status)
        if action is Action.REDIRECT:
            return self._redirect_refused(url, answer.headers.get("location", "?"))
        if self.api.refine is not None and (error := self.api.refine(answer)) is not None:
            return error
        place = f"{self._place(url)} answers {answer.status}"
        if answer.status == PROXY_WANTS_CREDENTIALS:
            return ConfigurationError(
                f"{place}: the proxy wants to know who asks: write CZUJKA_HTTP_PROXY as "
                "http://user:password@host:port"
            )
        said = f" ({_shown(answer)})" if answer.body else ""
        now_ms = self._clock.now_ms()
        if action is Action.LIMITED:
            wait_ms = self.api.rates.wait_ms(answer.headers, now_ms)
            if wait_ms is None:
                wait_ms = int(FIRST_LIMIT_WAIT_S * 1000 * 2 ** min(self._limited_in_a_row, 4))
            self._limited_in_a_row += 1
            return limited(f"{place}: too many requests", now_ms + wait_ms)
        if action is Action.RETRY:
            wait_ms = self.api.rates.retry_after_ms(answer.headers, now_ms)
            return RetryError(
                place + said, None if wait_ms is None else wait_ms / 1000, self.api.backoff
            )
        if action is Action.CREDENTIALS and self.api.credential_setting is not None:
            return ConfigurationError(
                f"{place}{said}: the credentials are wrong, expired or lack rights: mend "
                f"{self.api.credential_setting}"
            )
        if action in (Action.ADDRESS, Action.CREDENTIALS):
            return ConfigurationError(f"{place}{said}: is {self.api.url_setting} right?")
        return ConfigurationError(
            f"{place}{said}: the request was not understood; look at the settings that begin as "
            f"{self.api.url_setting.rpartition('_')[0]}_"
        )

    async def _whole(self, sent: httpx.Response) -> Answer:
        body = bytearray()
        async for piece in self._pieces(sent, self._settings.max_body_bytes):
            body += piece
        return Answer(sent.status_code, sent.headers, bytes(body))

    async def _pieces(self, sent: httpx.Response, limit: int | None) -> AsyncGenerator[bytes, None]:
        """The body, decompressed in small steps, so that a bomb is noticed before it is large."""
        place = self._place(str(sent.url))
        encoding = sent.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "deflate"):
            raise RetryError(f"{place} compresses with {encoding}, which was not asked for")
        inflater = None if encoding in ("identity", "") else zlib.decompressobj(wbits=47)
        size = 0
        with self._explained(sent.url):
            async for chunk in sent.aiter_raw():
                rest = chunk
                while rest:
                    if inflater is None:
                        piece, rest = rest, b""
                    else:
                        try:
                            piece = inflater.decompress(rest, _PIECE_BYTES)
                        except zlib.error as error:
                            raise RetryError(f"{place}: damaged compression: {error}") from error
                        rest = inflater.unconsumed_tail
                    size += len(piece)
                    if limit is not None and size > limit:
                        raise RetryError(
                            f"{place} answers with more than {limit} bytes: if that is right, "
                            "raise CZUJKA_HTTP_MAX_BODY_BYTES",
                            backoff=self.api.backoff,
                        )
                    yield piece

    def _explained(self, url: httpx.URL) -> _Explained:
        return _Explained(self._place(str(url)), self.api)

    def look_at_clock(self, headers: Mapping[str, str]) -> None:
        """Tells once if our clock and that of a server are far apart."""
        now_ms = self._clock.now_ms()
        theirs_ms = server_time_ms(headers)
        if theirs_ms is None or self._told_of_skew:
            return
        skew_s = (now_ms - theirs_ms) / 1000
        if abs(skew_s) > SKEW_LIMIT_S:
            self._told_of_skew = True
            log.warning(
                "the clock of this machine is %.0f s %s that of %s: set it (NTP), else times of "
                "observation are wrong",
                abs(skew_s),
                "before" if skew_s > 0 else "behind",
                self.api.name,
            )

    def _place(self, url: str) -> str:
        """The address without its query and without secrets."""
        shown = url.partition("?")[0]
        for secret in self.api.secrets:
            shown = shown.replace(secret, "…")
        return f"{self.api.name} ({shown})"


class _Explained:
    """Turns errors of the connection into ours."""

    def __init__(self, place: str, api: Api) -> None:
        self._place = place
        self._api = api

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, httpx.HTTPError | OSError | httpx.InvalidURL):
            raise explain(error, self._place, self._api) from error


def explain(error: Exception, place: str, api: Api) -> ConnectorError:
    """What the failure of a connection means."""
    tls = _tls_fault(error)
    if tls is not None:
        return ConfigurationError(
            f"{place}: {tls}: is {api.url_setting} right? An authority of your own goes into "
            "CZUJKA_HTTP_CA_FILE"
        )
    if isinstance(error, httpx.ProxyError):
        return RetryError(f"{place}: the proxy refuses ({error}): is CZUJKA_HTTP_PROXY right?")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ConfigurationError(f"{api.url_setting}: {error}")
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        what = "does not answer in time" if isinstance(error, httpx.ConnectTimeout) else "is silent"
        return RetryError(f"{place} {what}", backoff=api.backoff)
    detail = str(error) or type(error).__name__
    return RetryError(f"{place}: the connection failed ({detail})", backoff=api.backoff)


def tls_context(settings: HttpSettings) -> ssl.SSLContext:
    """What to trust.

    Raises:
        ConfigurationError: the file of authorities cannot be read.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"CZUJKA_HTTP_CA_FILE={settings.ca_file}: no certificates there: {error}"
            ) from error
    return context


def _tls_fault(error: BaseException) -> str | None:
    """What is wrong with a certificate, if that is what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not good: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(cause):
            return "no TLS is spoken there"
        cause = cause.__cause__ or cause.__context__
    return None


def _shown(answer: Answer, most: int = 200) -> str:
    """The beginning of what a server said, on one line."""
    text = " ".join(answer.body[:2_000].decode("utf-8", "replace").split())
    return text if len(text) <= most else text[: most - 1] + "…"
