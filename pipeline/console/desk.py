"""Where people answer: sign-in, sign-out, and what they say of an alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from models.alert import CrisisAlert
from models.causes import Cause
from models.errors import UserError
from models.feedback import QUESTION_OF, Answer, Feedback, feedback_key
from pipeline.console.sessions import COOKIE, Session, Sessions, read_form, require_mark
from pipeline.console.speech import local
from pipeline.console.views import alert_href
from pipeline.language import _
from pipeline.ledger import Ledger

WITHDRAW = "withdraw"

Send = Callable[[bytes, Feedback | None], Awaitable[None]]
"""Writes an answer to the topic; None takes back what stands under the key."""


class ShowPage(Protocol):
    """Renders a page of the console."""

    def __call__(self, template: str, status: int = 200, **context: object) -> Response:
        """The page."""
        ...


class Desk:
    """Takes answers from those who signed in.

    Args:
        ledger: knows the alerts.
        sessions: knows the people; None where the console is read-only.
        send: writes answers.
        now: wall clock.
    """

    def __init__(
        self,
        ledger: Ledger,
        sessions: Sessions | None,
        send: Send,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._send = send
        self._now = now

    @property
    def open(self) -> bool:
        """Whether anybody may write at all."""
        return self._sessions is not None

    def session(self, request: Request) -> Session | None:
        """Who is asking, if they signed in."""
        return None if self._sessions is None else self._sessions.of(request)

    def routes(self, show: ShowPage) -> list[Route]:
        """The desk's addresses."""

        async def sign_in_page(request: Request) -> Response:
            return show(
                "sign_in.html", back=_back(request), wrong=False, session=self.session(request)
            )

        async def sign_in(request: Request) -> Response:
            sessions = self._required()
            fields = await read_form(request)
            back = local(fields.get("back", "/"))
            if not sessions.opens(fields.get("token", "")):
                return show("sign_in.html", 403, back=back, wrong=True, session=None)
            response = RedirectResponse(back, 303)
            sessions.begin(request, response, fields.get("name", ""))
            return response

        async def sign_out(request: Request) -> Response:
            await self._form(request)
            response = RedirectResponse("/", 303)
            response.delete_cookie(COOKIE, httponly=True, samesite="strict")
            return response

        async def answer(request: Request) -> Response:
            session, fields = await self._form(request)
            alert = self._alert(fields)
            key, said = self._read(alert, fields, session.name)
            try:
                await self._send(key, said)
            except UserError as error:
                raise HTTPException(503, str(error)) from error
            self._ledger.fold_answer(key, said)  # the feed brings it again, and it is no news then
            return RedirectResponse(f"{alert_href(alert.alert_id)}#say", 303)

        return [
            Route("/sign-in", sign_in_page, methods=["GET"]),
            Route("/sign-in", sign_in, methods=["POST"]),
            Route("/sign-out", sign_out, methods=["POST"]),
            Route("/feedback", answer, methods=["POST"]),
        ]

    def _required(self) -> Sessions:
        if self._sessions is None:
            raise HTTPException(
                403, _("This console is read-only: CZUJKA_CONSOLE_TOKEN is not set.")
            )
        return self._sessions

    async def _form(self, request: Request) -> tuple[Session, dict[str, str]]:
        session = self._required().of(request)
        if session is None:
            raise HTTPException(403, _("Sign in first."))
        fields = await read_form(request)
        require_mark(session, fields)
        return session, fields

    def _alert(self, fields: dict[str, str]) -> CrisisAlert:
        alert = self._ledger.alert(fields.get("alert", ""))
        if alert is None:
            raise HTTPException(404, _("No such alert is in memory."))
        return alert

    def _read(
        self, alert: CrisisAlert, fields: dict[str, str], name: str
    ) -> tuple[bytes, Feedback | None]:
        word, post = fields.get("answer", ""), fields.get("post") or None
        if post is not None and post not in {exhibit.post for exhibit in alert.exhibits}:
            raise HTTPException(400, _("That post is no exhibit of this alert."))
        try:
            if word == WITHDRAW:
                question = QUESTION_OF[Answer(fields.get("taken_back", ""))]
                return feedback_key(alert.alert_id, question, post), None
            said = Feedback(
                alert_id=alert.alert_id,
                brand=alert.brand,
                answer=Answer(word),
                by=name,
                at=self._now(),
                as_of=self._ledger.watermark,
                post=post,
                cause=Cause(fields["cause"]) if fields.get("cause") else None,
                note=fields.get("note", "").strip(),
            )
        except ValueError as error:
            raise HTTPException(
                400, _("The answer is not complete, or its note is too long.")
            ) from error
        return said.key(), said


def _back(request: Request) -> str:
    return local(request.query_params.get("back", "/"))
