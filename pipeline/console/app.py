"""The console's addresses: pages, their JSON, the stream of changes, and the probes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.alert import CrisisAlert
from models.causes import Cause
from models.errors import UserError
from models.feedback import Feedback
from models.watchlist import Watchlist
from pipeline.console import views
from pipeline.console.brands import describe_minutes, show_brand
from pipeline.console.changes import Changes
from pipeline.console.desk import Desk
from pipeline.console.plotting import PLOTLY_ADDRESS, own_styles, plotly_script
from pipeline.console.reports import Reports
from pipeline.console.reviews import Reviews
from pipeline.console.speech import SpeakLanguage, choose_language
from pipeline.console.templating import make_environment
from pipeline.console.weeks import Weeks
from pipeline.language import _, n_, spoken
from pipeline.ledger import BrandView, Ledger
from pipeline.report.account import dues
from pipeline.report.dossier import Dossier

FOLDER = Path(__file__).parent
FIRING_SHOWN = 50
PENDING_SHOWN = 10
RESOLVED_SHOWN = 10
PAGE_ROWS = 100
MAX_API_ROWS = 1000
STATUSES = ("firing", "pending", "resolved")

HEADERS = {
    "Content-Security-Policy": (
        # The hash is that of nothing: Plotly makes an empty style and fills it by its interface.
        "default-src 'none'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
        "; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer our own forms would say Origin: null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Source(Protocol):
    """Where the ledger gets its records from, as far as the pages speak of it."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether history has been read."""
        ...


@dataclass(frozen=True, slots=True)
class Console:
    """What every answer draws on."""

    ledger: Ledger
    changes: Changes
    source: Source
    desk: Desk
    watchlist: Watchlist | None


ReadDossier = Callable[[str], Awaitable[Dossier]]
"""Reads all that the topics say of an alert."""


def create_app(
    ledger: Ledger,
    changes: Changes,
    source: Source,
    desk: Desk | None = None,
    read_dossier: ReadDossier | None = None,
    watchlist: Watchlist | None = None,
    weeks: Weeks | None = None,
) -> Starlette:
    """The application.

    Args:
        ledger: kept up to date by others.
        changes: of the ledger.
        source: of the ledger.
        desk: takes answers; a read-only one if none is given.
        read_dossier: for reports; without it they are made of what is in memory.
        watchlist: for planned events and budgets; without it they are not shown.
        weeks: for what lies weeks back; without it there is what is in memory.
    """
    desk = desk or Desk(ledger, None, _nowhere)
    console = Console(ledger, changes, source, desk, watchlist)
    reports = Reports(ledger, read_dossier)
    pages = _Pages(console)
    api = _Api(console)
    reviews = Reviews(ledger, weeks, pages.show)
    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/alerts", pages.alerts),
            Route("/alerts/{alert_id:path}", pages.alert),
            Route("/brands/{brand:path}", pages.brand),
            Route("/resilience/{brand:path}", reviews.resilience),
            Route("/digest", reviews.digest),
            Route("/reports/{alert_id:path}", reports.page),
            *desk.routes(pages.show),
            Route("/language/{code}", choose_language),
            Route("/events", _events(changes)),
            Route("/api/brands", api.brands),
            Route("/api/brands/{brand:path}", api.brand),
            Route("/api/alerts", api.alerts),
            Route("/api/alerts/{alert_id:path}", api.alert),
            Route("/healthz", _probe(lambda: True)),
            Route("/readyz", _probe(lambda: source.caught_up)),
            Route(PLOTLY_ADDRESS, plotly_script),
            Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static"),
        ],
        middleware=[Middleware(_GuardHeaders), Middleware(SpeakLanguage)],
        exception_handlers={HTTPException: pages.failure},
    )


class _GuardHeaders:
    """Tells browsers to load nothing from elsewhere and to run nothing that stands in a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_guarded)


class _Overview:
    """The rendered overview, packed for those who take it so: a megabyte of drawings is 20 kB.

    It holds nothing of a session, so its packed size tells nobody a secret; other pages do.
    """

    def __init__(self, page: str) -> None:
        self._plain = page.encode()
        self._packed = gzip.compress(self._plain, compresslevel=5, mtime=0)

    def answer(self, request: Request) -> Response:
        headers = {"Vary": "Accept-Encoding"}
        taken = request.headers.get("accept-encoding", "").lower()
        if re.search(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?(\s|,|$))", taken) is None:
            return HTMLResponse(self._plain, headers=headers)
        return HTMLResponse(self._packed, headers=headers | {"Content-Encoding": "gzip"})


class _Pages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._templates = make_environment(FOLDER / "templates")
        self._brand_rows = views.BrandRows()
        self._overviews: dict[str, tuple[tuple[int, bool, bool], _Overview]] = {}

    async def overview(self, request: Request) -> Response:
        """Who needs attention, every brand by urgency, what was resolved lately.

        Rendered and packed once for each state of the ledger and language, however many look at it.
        """
        ledger, source = self._console.ledger, self._console.source
        state = (ledger.version, source.connected, source.caught_up)
        kept = self._overviews.get(spoken())
        if kept is None or kept[0] != state:
            kept = self._overviews[spoken()] = (state, _Overview(self._render_overview()))
        return kept[1].answer(request)

    def _render_overview(self) -> str:
        ledger = self._console.ledger
        firing, pending, resolved = (ledger.alerts(status) for status in STATUSES)
        ended = [alert for alert in resolved if alert.fired_at is not None]
        return self._render(
            "overview.html",
            firing=firing[:FIRING_SHOWN],
            firing_left_out=len(firing) - FIRING_SHOWN,
            pending=pending[:PENDING_SHOWN],
            pending_left_out=len(pending) - PENDING_SHOWN,
            resolved=ended[:RESOLVED_SHOWN],
            rows=[self._brand_rows.row(view) for view in ledger.brands()],
        )

    async def alerts(self, request: Request) -> Response:
        """Every alert in memory, a page at a time."""
        page = _whole(request, "page", least=1, otherwise=1)
        alerts = self._console.ledger.alerts()
        last = max(1, -(-len(alerts) // PAGE_ROWS))
        if page > last:
            raise HTTPException(
                404,
                n_(
                    "There is %(count)s page of alerts.",
                    "There are %(count)s pages of alerts.",
                    last,
                ),
            )
        start = (page - 1) * PAGE_ROWS
        return self.show(
            "alerts.html",
            alerts=alerts[start : start + PAGE_ROWS],
            total=len(alerts),
            page=page,
            last=last,
        )

    async def brand(self, request: Request) -> Response:
        """One brand: its minutes, alerts, plans, terms, platforms and budget."""
        console = self._console
        page = show_brand(_known_brand(console.ledger, request), console.ledger, console.watchlist)
        session = console.desk.session(request)
        return self.show(
            "brand.html", page=page, session=session, plotly=PLOTLY_ADDRESS, styled=own_styles()
        )

    async def alert(self, request: Request) -> Response:
        """All of one alert."""
        alert = _find(self._console.ledger, request)
        session = self._console.desk.session(request)
        return self.show(
            "alert.html",
            alert=alert,
            session=session,
            answers=self._console.ledger.answers(alert.alert_id),
            acknowledged=self._console.ledger.acknowledgement(alert.alert_id),
            dues=list(
                dues(
                    alert,
                    self._console.ledger.answers(alert.alert_id),
                    self._console.ledger.watermark,
                )
            ),
            causes=list(Cause),
            chart=views.alert_chart(self._console.ledger, alert),
            platforms=views.shares(alert.platforms),
            languages=views.shares(alert.languages),
        )

    async def failure(self, request: Request, error: Exception) -> Response:
        """What was asked for is not there, or was asked for wrongly."""
        assert isinstance(error, HTTPException)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": error.detail}, error.status_code)
        return self.show(
            "failure.html", error.status_code, code=error.status_code, detail=error.detail
        )

    def show(self, template: str, status: int = 200, **context: object) -> Response:
        """A page of the console."""
        return HTMLResponse(self._render(template, **context), status)

    def _render(self, template: str, **context: object) -> str:
        ledger = self._console.ledger
        return self._templates.get_template(template).render(
            watermark=ledger.watermark,
            firing_count=len(ledger.alerts("firing")),
            connected=self._console.source.connected,
            caught_up=self._console.source.caught_up,
            desk_open=self._console.desk.open,
            acknowledgement=ledger.acknowledgement,
            **context,
        )


class _Api:
    def __init__(self, console: Console) -> None:
        self._ledger = console.ledger
        self._watchlist = console.watchlist

    async def brands(self, request: Request) -> Response:
        """Every brand by urgency."""
        watermark = self._ledger.watermark
        return JSONResponse(
            {
                "watermark": watermark.isoformat() if watermark else None,
                "brands": [_brand_json(view) for view in self._ledger.brands()],
            }
        )

    async def brand(self, request: Request) -> Response:
        """The minutes of a brand as columns, with its alerts and planned events."""
        return JSONResponse(
            describe_minutes(_known_brand(self._ledger, request), self._ledger, self._watchlist)
        )

    async def alerts(self, request: Request) -> Response:
        """Alerts by urgency; `status`, `brand`, `limit` and `offset` choose."""
        statuses = request.query_params.getlist("status")
        unknown = set(statuses) - set(STATUSES)
        if unknown:
            raise HTTPException(400, f"status is one of {', '.join(STATUSES)}")
        limit = _whole(request, "limit", least=1, otherwise=PAGE_ROWS, most=MAX_API_ROWS)
        offset = _whole(request, "offset", least=0, otherwise=0)
        found = self._ledger.alerts(*statuses, brand=request.query_params.get("brand"))
        chosen = found[offset : offset + limit]
        return JSONResponse(
            {"total": len(found), "alerts": [alert.model_dump(mode="json") for alert in chosen]}
        )

    async def alert(self, request: Request) -> Response:
        """One alert, as it stands on the topic."""
        alert = _find(self._ledger, request)
        return Response(alert.encode(), media_type="application/json")


async def _nowhere(key: bytes, answer: Feedback | None) -> None:
    raise UserError("this console writes nothing")


def _find(ledger: Ledger, request: Request) -> CrisisAlert:
    alert = ledger.alert(request.path_params["alert_id"])
    if alert is None:
        raise HTTPException(
            404,
            _("No such alert is in memory: it was erased, or is older than what is kept here."),
        )
    return alert


def _known_brand(ledger: Ledger, request: Request) -> BrandView:
    view = ledger.brand(request.path_params["brand"])
    if view is None:
        raise HTTPException(404, _("No such brand has been heard of."))
    return view


def _brand_json(view: BrandView) -> dict[str, object]:
    return {
        "brand": view.brand,
        "name": view.name,
        "state": view.state,
        "severity": view.severity,
        "open_alerts": [alert.alert_id for alert in view.open_alerts],
        "latest": view.latest.model_dump(mode="json") if view.latest else None,
    }


def _whole(
    request: Request, name: str, least: int, otherwise: int, most: int = 1_000_000_000
) -> int:
    text = request.query_params.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
        raise HTTPException(
            400,
            _(
                "%(name)s is a whole number from %(least)s to %(most)s",
                name=name,
                least=least,
                most=most,
            ),
        )
    return int(text)


def _events(changes: Changes) -> Callable[[Request], Awaitable[Response]]:
    async def events(request: Request) -> Response:
        return StreamingResponse(
            changes.events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    return events


def _probe(passes: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
    async def probe(request: Request) -> Response:
        return PlainTextResponse("ok\n") if passes() else PlainTextResponse("no\n", 503)

    return probe
