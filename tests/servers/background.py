"""Servers on a thread of their own, for tests of commands that have an event loop themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.http import HttpServer
from tests.servers.jetstream import Jetstream


@contextmanager
def in_background(server: HttpServer | Jetstream) -> Iterator[str]:
    """Address of a server that runs until the end of ``with``."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(20)  # type: ignore[arg-type]

    try:
        do(server.__aenter__())
        try:
            yield server.url
        finally:
            do(server.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
