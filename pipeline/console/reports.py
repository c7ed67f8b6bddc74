"""Reports as pages and as downloads of the console."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from models.errors import UserError
from pipeline.language import _
from pipeline.ledger import Ledger
from pipeline.report.account import write_account
from pipeline.report.dossier import Dossier
from pipeline.report.html import POLICY, write_html
from pipeline.report.markdown import write_markdown

FORMATS = ("html", "md")


class Reports:
    """Writes reports when they are asked for, one at a time: each reads the topics.

    Args:
        ledger: knows which alerts there are.
        read_dossier: reads the topics; without it the ledger's newest revision is all there is.
    """

    def __init__(
        self, ledger: Ledger, read_dossier: Callable[[str], Awaitable[Dossier]] | None
    ) -> None:
        self._ledger = ledger
        self._read_dossier = read_dossier
        self._turn = asyncio.Lock()

    async def page(self, request: Request) -> Response:
        """The report on an alert; `format=md` for Markdown."""
        alert_id = request.path_params["alert_id"]
        wanted = request.query_params.get("format", "html")
        if wanted not in FORMATS:
            raise HTTPException(400, f"format is one of {', '.join(FORMATS)}")
        if self._ledger.alert(alert_id) is None:
            raise HTTPException(404, _("No such alert is in memory."))
        try:
            async with self._turn:
                account = write_account(await self._dossier(alert_id))
        except UserError as error:
            raise HTTPException(503, str(error)) from error
        if wanted == "md":
            name = f"attachment; filename*=UTF-8''{quote(alert_id, safe='')}.md"
            return PlainTextResponse(
                write_markdown(account),
                media_type="text/markdown",
                headers={"Content-Disposition": name},
            )
        policy = f"{POLICY}; frame-ancestors 'none'"
        return HTMLResponse(write_html(account), headers={"Content-Security-Policy": policy})

    async def _dossier(self, alert_id: str) -> Dossier:
        if self._read_dossier is not None:
            return await self._read_dossier(alert_id)
        dossier = Dossier(alert_id)
        alert = self._ledger.alert(alert_id)
        if alert is not None:
            dossier.take_alert(alert)
        for answer in self._ledger.answers(alert_id):
            dossier.take_answer(answer.key(), answer)
        return dossier
