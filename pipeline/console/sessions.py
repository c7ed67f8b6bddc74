"""Who may write: sign-in by token, a signed cookie, and marks that only our own forms carry.

Nothing is kept on the server. The cookie says who somebody is and until when, signed with a key
that comes from the token: another token signs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from models.feedback import MAX_NAME_CHARS
from pipeline.language import _
from pipeline.plaintext import one_line

COOKIE = "czujka-session"
SESSION_S = 12 * 3600
MAX_FORM_BYTES = 16_384
MAX_COOKIE_CHARS = 1_024


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Attributes:
        name: what they call themselves; may be empty.
        until_s: end of the session, seconds since the epoch.
        mark: stands in every form of the session; without it a post is refused.
    """

    name: str
    until_s: int
    mark: str


def open_sessions(
    token: SecretStr | None, user_header: str | None, clock: Callable[[], float]
) -> Sessions | None:
    """Sessions as the settings allow them; None where nobody may write.

    With a proxy's header alone, no token signs anybody in.
    """
    if token is None and user_header is None:
        return None
    secret = secrets.token_hex(32) if token is None else token.get_secret_value()
    return Sessions(secret, clock, user_header)


class Sessions:
    """Signs people in and knows them again.

    Args:
        token: the shared secret of those who may write.
        clock: seconds since the epoch.
        user_header: a reverse proxy says in it who asks. It is believed: only a proxy that sets it
            on every request, and lets nobody else's through, may reach the port.
    """

    def __init__(
        self, token: str, clock: Callable[[], float], user_header: str | None = None
    ) -> None:
        self._token = token.encode()
        self._clock = clock
        self._user_header = user_header

    def opens(self, token: str) -> bool:
        """Whether a token is the right one; takes as long for a wrong one."""
        return hmac.compare_digest(
            self._sign(b"token", token.encode()), self._sign(b"token", self._token)
        )

    def begin(self, request: Request, response: Response, name: str) -> None:
        """Gives the browser its cookie."""
        until_s = int(self._clock()) + SESSION_S
        content = json.dumps([one_line(name, MAX_NAME_CHARS), until_s]).encode()
        value = urlsafe_b64encode(content).decode() + "." + self._sign(b"session", content)
        response.set_cookie(
            COOKIE,
            value,
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def of(self, request: Request) -> Session | None:
        """The session of a request; None if nobody signed in, or it is over or forged."""
        if self._user_header is not None:
            named = one_line(request.headers.get(self._user_header, ""), MAX_NAME_CHARS)
            if named:
                until_s = int(self._clock()) + SESSION_S
                return Session(named, until_s, self._sign(b"proxy", named.encode()))
        cookie = request.cookies.get(COOKIE, "")[:MAX_COOKIE_CHARS]
        encoded, _, signature = cookie.partition(".")
        try:
            content = urlsafe_b64decode(encoded.encode())
        except (NotBase64, ValueError):
            return None
        ours = self._sign(b"session", content)
        if not hmac.compare_digest(ours.encode(), signature.encode("utf-8", "replace")):
            return None
        name, until_s = json.loads(content)
        if until_s <= self._clock():
            return None
        return Session(name, until_s, self._sign(b"form", content))

    def _sign(self, purpose: bytes, content: bytes) -> str:
        return hmac.new(self._token, purpose + b"\0" + content, hashlib.sha256).hexdigest()


async def read_form(request: Request) -> dict[str, str]:
    """Fields of a form that one of our own pages sent.

    Raises:
        HTTPException: it comes from another site, is too long or is no form.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, _("This form was sent from another site."))
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, _("This form was sent from another site."))
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, _("A form is expected."))
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, _("The form is too long."))
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise HTTPException(400, _("The form cannot be read.")) from error


def require_mark(session: Session, fields: dict[str, str]) -> None:
    """Refuses a form that does not carry the mark of its session.

    Raises:
        HTTPException: it does not.
    """
    if not hmac.compare_digest(session.mark.encode(), fields.get("mark", "").encode()):
        raise HTTPException(403, _("This form is too old or not ours: load the page again."))
