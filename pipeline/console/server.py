"""Runs the console: a feed that keeps the ledger, and a server that shows it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import uvicorn

from models.feedback import Feedback
from models.watchlist import Watchlist
from pipeline.assembly import read_watchlist
from pipeline.console.app import create_app
from pipeline.console.archive import Archive
from pipeline.console.changes import Changes
from pipeline.console.desk import Desk
from pipeline.console.sessions import open_sessions
from pipeline.console.weeks import KEPT, Weeks
from pipeline.feed import ALERTS, FEEDBACK, SERIES, Feed, News
from pipeline.feedback import send_answer, with_lesson
from pipeline.ledger import Ledger
from pipeline.listening import listen, port_of
from pipeline.metrics import REGISTRY, CollectorRegistry, FeedMetrics, serve_metrics
from pipeline.report.history import History
from pipeline.report.reading import Tell, read_dossier, read_history
from pipeline.role import run_until
from pipeline.settings import Settings

SERIES_TAIL_RECORDS = 100_000
HISTORY_POLL_S = 0.5
SHUTDOWN_S = 3

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the role, which has streams to end first."""
        yield


async def serve_console(
    settings: Settings,
    host: str,
    port: int,
    stop: asyncio.Event,
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Runs the console until `stop` is set.

    Raises:
        UserError: no broker, no topic, or no port.
    """
    ledger = Ledger()
    changes = Changes(ledger)

    archive = None
    if settings.reports_dir is not None:
        archive = Archive(settings.reports_dir, partial(read_dossier, settings))

    async def read_weeks(history: History, tell: Tell) -> None:
        await read_history(settings, datetime.now(tz=UTC) - KEPT, history, tell)

    weeks = Weeks(read_weeks)

    def announce(news: Sequence[News]) -> None:
        changes.announce()
        weeks.hear(news)
        if archive is not None and feed.told:
            archive.hear(news, ledger)

    async def keep_reports(archive: Archive) -> None:
        while not feed.told:  # noqa: ASYNC110 - the feed offers no event
            await asyncio.sleep(HISTORY_POLL_S)
        archive.look_through(ledger)
        await archive.run()

    listener = listen(host, port, "--port")
    metrics = None
    feed = Feed(
        settings,
        ledger,
        FeedMetrics(registry),
        announce,
        SERIES_TAIL_RECORDS,
        topics=(ALERTS, SERIES, FEEDBACK),
    )
    token = settings.console_token
    sessions = open_sessions(token, settings.console_user_header, time.time)

    async def send(key: bytes, answer: Feedback | None) -> None:
        if answer is not None:
            alert = ledger.alert(answer.alert_id)
            answer = await asyncio.to_thread(with_lesson, answer, alert)
        await send_answer(settings, key, answer, ledger.watermark)

    desk = Desk(ledger, sessions, send)
    watchlist = _watchlist(settings)

    app = create_app(ledger, changes, feed, desk, partial(read_dossier, settings), watchlist, weeks)
    try:
        if settings.metrics_port:
            metrics = serve_metrics(host, settings.metrics_port, registry=registry)
        await feed.open()
        if watchlist is None:
            log.warning(
                "no watchlist at %s: planned events and budgets are not shown", settings.watchlist
            )
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                ws="none",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        print(f"console: http://{host}:{port_of(listener)}/", flush=True)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            work = [feed.run(), _end_of(serving), *([keep_reports(archive)] if archive else [])]
            await run_until(stop, *work)
        finally:
            changes.close()
            server.should_exit = True
            await serving
    finally:
        await feed.close()
        listener.close()
        if metrics is not None:
            metrics.close()


def _watchlist(settings: Settings) -> Watchlist | None:
    """The watchlist, where the console has one: for planned events and budgets alone."""
    if settings.watchlist.exists():
        return read_watchlist(settings)
    return None


async def _end_of(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)
