"""Websockets with the limits, errors and settings of the HTTP client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from connectors.errors import ConfigurationError, RetryError
from connectors.http import Answer, Api, HttpClient, HttpSettings, explain, tls_context

QUEUE_FRAMES = 1_024
"""Frames that wait for us; beyond, the socket is not read, which slows the server down."""
BATCH_FRAMES = 2_000
BATCH_S = 0.25


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """No redirect is followed."""
        return exc


class Frames:
    """What comes in on an open websocket."""

    def __init__(self, connection: ClientConnection, place: str, silence_s: float) -> None:
        self._connection = connection
        self._place = place
        self._silence_s = silence_s
        self._heard_s = time.monotonic()

    async def batch(self, quiet_s: float | None = None) -> list[bytes]:
        """The next frames: at least one, and what follows within a moment.

        Args:
            quiet_s: none at all are given after so long a silence.

        Raises:
            RetryError: the connection broke or was silent for too long. What had come in before
                is given first.
        """
        frames: list[bytes] = []
        waits_s = self._silence_s if quiet_s is None else min(quiet_s, self._silence_s)
        receive = self._connection.recv
        try:
            async with asyncio.timeout(waits_s):
                frames.append(await receive(decode=False))
            self._heard_s = time.monotonic()
            async with asyncio.timeout(BATCH_S):
                while len(frames) < BATCH_FRAMES:
                    frames.append(await receive(decode=False))
        except TimeoutError as error:
            if not frames and (
                quiet_s is None or time.monotonic() - self._heard_s > self._silence_s
            ):
                raise RetryError(
                    f"{self._place}: silent for {self._silence_s:g} s, so the connection is "
                    "taken for broken"
                ) from error
        except ConnectionClosed as error:
            if not frames:
                raise RetryError(f"{self._place}: the connection broke ({error})") from error
        return frames


@asynccontextmanager
async def open_websocket(
    url: str, client: HttpClient, settings: HttpSettings, subprotocol: str | None = None
) -> AsyncIterator[Frames]:
    """Opens a websocket that sends nothing, not even pings.

    Args:
        url: ws:// or wss://.
        client: whose table of statuses holds for a refused handshake.
        settings: proxy, authorities and limits.
        subprotocol: to ask for.

    Raises:
        RetryError, RateLimitedError, ConfigurationError: it could not be opened.
        RefusedError: the server answered with a status; the caller may know more about it.
    """
    api: Api = client.api
    place = f"{api.name} ({url.partition('?')[0]})"
    try:
        opened = await _Connect(
            url,
            subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
            compression=None,
            ping_interval=None,
            open_timeout=settings.timeout_s,
            close_timeout=1.0,
            max_size=settings.max_line_bytes,
            max_queue=QUEUE_FRAMES,
            proxy=settings.proxy or True,
            ssl=tls_context(settings) if url.startswith("wss:") else None,
            user_agent_header=settings.user_agent,
        )
    except InvalidStatus as error:
        response = error.response
        if 200 <= response.status_code < 300:
            raise RetryError(
                f"{place} answers with a page where a websocket should be: is {api.url_setting} "
                "right, and does no proxy or login page stand between (CZUJKA_HTTP_PROXY)?"
            ) from error
        answer = Answer(
            response.status_code,
            httpx.Headers(list(response.headers.raw_items())),
            bytes(response.body or b""),
        )
        raise RefusedError(answer) from error
    except InvalidURI as error:
        raise ConfigurationError(
            f"{api.url_setting}={url}: write an address with wss://"
        ) from error
    except InvalidHandshake as error:
        raise RetryError(
            f"{place}: no websocket there ({error}): is {api.url_setting} right?"
        ) from error
    except OSError as error:
        raise explain(error, place, api) from error
    if opened.response is not None:
        client.look_at_clock(httpx.Headers(list(opened.response.headers.raw_items())))
    try:
        yield Frames(opened, place, settings.silence_s)
    finally:
        await opened.close()


class RefusedError(Exception):
    """The handshake was answered with a status."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status {answer.status}")
        self.answer = answer
