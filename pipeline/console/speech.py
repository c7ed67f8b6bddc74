"""Speaks the language that a browser asks for, or that was chosen with the switch."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.language import LANGUAGES, _, preferred, speaking

LANGUAGE_COOKIE = "czujka-language"
COOKIE_S = 365 * 24 * 3600


class SpeakLanguage:
    """Has each request answered in its language."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers within the language."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        code = _language_of(Headers(scope=scope))

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Language"] = code
                    headers.add_vary_header("Accept-Language, Cookie")
            await send(message)

        with speaking(code):
            await self._app(scope, receive, send_named)


async def choose_language(request: Request) -> Response:
    """Keeps a choice of language and leads back to the page where it was made."""
    code = request.path_params["code"]
    if code not in LANGUAGES:
        raise HTTPException(404, _("The console speaks %(known)s.", known=", ".join(LANGUAGES)))
    came_from = urlsplit(request.headers.get("referer", ""))
    ours = came_from.netloc == request.headers.get("host")
    back = came_from._replace(scheme="", netloc="", fragment="").geturl() if ours else "/"
    response = RedirectResponse(local(back), 303)
    response.set_cookie(LANGUAGE_COOKIE, code, max_age=COOKIE_S, httponly=True, samesite="lax")
    return response


def local(address: str) -> str:
    """An address of this console, whatever was asked for: nobody is sent elsewhere."""
    ours = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if ours and address.isprintable() else "/"


def _language_of(headers: Headers) -> str:
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(LANGUAGE_COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    return preferred(headers.get("accept-language", ""))
