"""Looking back: how a brand bears crises over months, and the week of all brands."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from models.errors import UserError
from pipeline.console.charts import mood_bar
from pipeline.console.desk import ShowPage
from pipeline.console.weeks import Weeks
from pipeline.console.wording import weekday
from pipeline.language import _
from pipeline.ledger import Ledger
from pipeline.report.digest import digest_html, digest_markdown, write_digest
from pipeline.report.history import History
from pipeline.report.html import POLICY
from pipeline.report.resilience import judge_resilience

AGAIN_S = 2


class Reviews:
    """Looks back over what is kept of the topics.

    Args:
        ledger: knows the brands; without `weeks` its alerts are all there is.
        weeks: keeps the history.
        show: renders a page of the console.
    """

    def __init__(self, ledger: Ledger, weeks: Weeks | None, show: ShowPage) -> None:
        self._ledger = ledger
        self._weeks = weeks
        self._show = show

    async def resilience(self, request: Request) -> Response:
        """A brand over months."""
        brand = request.path_params["brand"]
        if self._ledger.brand(brand) is None:
            raise HTTPException(404, _("No such brand has been heard of."))
        history = await self._history(brand)
        if history is None:
            return self._still_reading(request)
        found = judge_resilience(history, brand)
        return self._show(
            "resilience.html",
            it=found,
            hour_names=[f"{hour:02}" for hour in range(24)],
            weekday_names=[weekday(number) for number in range(7)],
            mood_bar=mood_bar,
        )

    async def digest(self, request: Request) -> Response:
        """The seven days before the newest minute; `format=md` for Markdown."""
        history = await self._history(None)
        if history is None:
            return self._still_reading(request)
        if history.newest is None:
            raise HTTPException(404, _("There is neither a minute nor an alert yet."))
        digest = write_digest(history, history.newest)
        if request.query_params.get("format") == "md":
            return PlainTextResponse(digest_markdown(digest), media_type="text/markdown")
        policy = f"{POLICY}; frame-ancestors 'none'"
        return HTMLResponse(digest_html(digest), headers={"Content-Security-Policy": policy})

    def _still_reading(self, request: Request) -> Response:
        """How far it is; the page asks again by itself, a program is told when to."""
        share = self._weeks.share if self._weeks else 0.0
        again = {"Retry-After": str(AGAIN_S)}
        if request.query_params.get("format") == "md":
            return PlainTextResponse(f"{share:.0%}\n", 503, headers=again)
        page = self._show("reading.html", 503, share=share, again_s=AGAIN_S)
        page.headers.update(again)
        return page

    async def _history(self, brand: str | None) -> History | None:
        if self._weeks is not None:
            try:
                return await self._weeks.history()
            except UserError as error:
                raise HTTPException(503, str(error)) from error
        history = History()
        for alert in self._ledger.alerts(brand=brand):
            history.take_alert(alert)
            for answer in self._ledger.answers(alert.alert_id):
                history.take_answer(answer.key(), answer)
        return history
