"""Only those who signed in may answer, only through our own forms, and what they say is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from httpx import Response
from pydantic import SecretStr
from starlette.testclient import TestClient

from models.errors import UserError
from models.feedback import Answer, Feedback
from pipeline.console.app import create_app
from pipeline.console.changes import Changes
from pipeline.console.desk import Desk
from pipeline.console.sessions import COOKIE, SESSION_S, open_sessions
from pipeline.console.views import alert_href
from pipeline.ledger import Ledger
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms, series_point
from tests.unit.pipeline.console.test_pages import EVIL, Source

TOKEN = "correct horse battery"
ALERT = crisis_alert(
    exhibits=[{"post": "x:1", "created_at": from_ms(NOON_MS), "platform": "x", "p_negative": 0.9}]
)


@dataclass
class Place:
    """A console with a token, and what was written through it."""

    clock_s: float = 1_000_000.0
    written: list[tuple[bytes, Feedback | None]] = field(default_factory=list)
    broken: bool = False
    token: str | None = TOKEN
    user_header: str | None = None

    def __post_init__(self) -> None:
        self.ledger = Ledger()
        self.ledger.fold_alert(ALERT)
        self.ledger.fold_point(series_point(30))
        token = None if self.token is None else SecretStr(self.token)
        sessions = open_sessions(token, self.user_header, lambda: self.clock_s)
        desk = Desk(self.ledger, sessions, self.send, now=lambda: from_ms(NOON_MS))
        app = create_app(self.ledger, Changes(self.ledger), Source(), desk)
        self.browser = TestClient(app, follow_redirects=False)

    async def send(self, key: bytes, answer: Feedback | None) -> None:
        if self.broken:
            raise UserError("the broker is away")
        self.written.append((key, answer))

    def sign_in(self, name: str = "Ala", token: str = TOKEN, back: str = "/") -> Response:
        return self.browser.post("/sign-in", data={"token": token, "name": name, "back": back})

    @property
    def page(self) -> str:
        return self.browser.get(alert_href(ALERT.alert_id)).text

    def answer(self, **fields: str) -> Response:
        mark = re.search(r'name="mark" value="(\w+)"', self.page)
        given = {"alert": ALERT.alert_id, "mark": mark[1] if mark else ""}
        return self.browser.post("/feedback", data=given | fields)


def test_without_a_token_the_console_is_read_only_and_says_how_to_answer() -> None:
    place = Place(token=None)
    assert "<form" not in place.page
    assert "czujka feedback" in place.page
    assert place.sign_in().status_code == 403
    assert place.answer(answer="acknowledge").status_code == 403
    assert place.written == []


def test_somebody_who_signed_in_acknowledges_and_everybody_sees_it() -> None:
    place = Place()
    assert "<form" not in place.page
    assert place.sign_in(back=alert_href(ALERT.alert_id)).headers["location"] == alert_href(
        ALERT.alert_id
    )
    reply = place.answer(answer="acknowledge", note=" on it ")
    assert reply.status_code == 303
    ((key, said),) = place.written
    assert said is not None
    assert key == said.key()
    assert (said.answer, said.by, said.note) == (Answer.ACKNOWLEDGE, "Ala", "on it")
    assert said.as_of == place.ledger.watermark
    place.browser.cookies.clear()
    assert "Acknowledged" in place.page
    assert "Ala" in place.page
    assert "Acknowledged" in place.browser.get("/").text


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"answer": "right-alert"}, Answer.RIGHT_ALERT),
        ({"answer": "false-alarm"}, Answer.FALSE_ALARM),
        ({"answer": "wrong-cause", "cause": "external"}, Answer.WRONG_CAUSE),
        ({"answer": "not-negative", "post": "x:1"}, Answer.NOT_NEGATIVE),
    ],
)
def test_each_answer_is_written_and_can_be_taken_back(
    fields: dict[str, str], answer: Answer
) -> None:
    place = Place()
    place.sign_in()
    assert place.answer(**fields).status_code == 303
    assert [said.answer for said in place.ledger.answers(ALERT.alert_id)] == [answer]
    back = {"answer": "withdraw", "taken_back": answer.value, "post": fields.get("post", "")}
    assert place.answer(**back).status_code == 303
    assert place.ledger.answers(ALERT.alert_id) == []
    assert place.written[-1] == (place.written[0][0], None)


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "praise"},
        {"answer": "wrong-cause"},
        {"answer": "wrong-cause", "cause": "magic"},
        {"answer": "not-negative"},
        {"answer": "not-negative", "post": "x:2"},
        {"answer": "acknowledge", "note": "x" * 501},
        {"answer": "withdraw"},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(fields: dict[str, str]) -> None:
    place = Place()
    place.sign_in()
    assert place.answer(**fields).status_code == 400
    assert place.written == []


def test_a_wrong_token_signs_nobody_in() -> None:
    place = Place()
    reply = place.sign_in(token="guess")
    assert reply.status_code == 403
    assert COOKIE not in reply.cookies
    assert "not the token" in reply.text


def test_a_form_without_the_mark_of_the_session_is_refused() -> None:
    place = Place()
    place.sign_in()
    assert place.answer(answer="acknowledge", mark="f" * 64).status_code == 403
    assert place.written == []


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    place = Place()
    place.sign_in()
    place.browser.headers.update(headers)
    assert place.answer(answer="acknowledge").status_code == 403
    assert place.written == []


def test_a_session_ends_by_time_by_signing_out_and_by_another_token() -> None:
    place = Place()
    place.sign_in()
    assert "<form" in place.page
    cookie = place.browser.cookies[COOKIE]
    place.clock_s += SESSION_S
    assert "<form" not in place.page
    place.clock_s -= SESSION_S
    mark = re.search(r'name="mark" value="(\w+)"', place.page)
    assert mark is not None
    place.browser.post("/sign-out", data={"mark": mark[1]})
    assert "<form" not in place.page
    other = Place(token="another token of enough length")
    other.browser.cookies.set(COOKIE, cookie)
    assert "<form" not in other.page


@pytest.mark.parametrize("cookie", ["", ".", "x", "W10=.00", "ą.ę", "a" * 5000])
def test_a_forged_cookie_is_nobody(cookie: str) -> None:
    place = Place()
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())]
    reply = place.browser.get(alert_href(ALERT.alert_id), headers=headers)
    assert reply.status_code == 200
    assert "<form" not in reply.text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "/a\nb", ""])
def test_sign_in_never_sends_anybody_elsewhere(back: str) -> None:
    assert Place().sign_in(back=back).headers["location"] == "/"


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    cookie = Place().sign_in().headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_a_name_and_a_note_of_strangers_stay_text() -> None:
    place = Place()
    place.sign_in(name=EVIL)
    place.answer(answer="acknowledge", note=EVIL)
    assert "<img src=x" not in place.page
    assert "\u202e" not in place.page


def test_an_answer_that_cannot_be_written_is_said_so_and_not_shown() -> None:
    place = Place(broken=True)
    place.sign_in()
    reply = place.answer(answer="acknowledge")
    assert reply.status_code == 503
    assert "broker is away" in reply.text
    assert place.ledger.answers(ALERT.alert_id) == []


def test_too_long_a_form_is_refused() -> None:
    place = Place()
    place.sign_in()
    assert place.answer(answer="acknowledge", note="x" * 20_000).status_code == 413


def test_the_report_is_a_page_of_its_own_and_a_download() -> None:
    place = Place()
    page = place.browser.get(f"/reports/{ALERT.alert_id}")
    assert page.status_code == 200
    assert "sha256-" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    text = place.browser.get(f"/reports/{ALERT.alert_id}?format=md")
    assert text.text.startswith("# Orzel Air")
    assert "attachment" in text.headers["content-disposition"]
    assert place.browser.get("/reports/none").status_code == 404
    assert place.browser.get(f"/reports/{ALERT.alert_id}?format=pdf").status_code == 400


def test_a_proxy_names_who_asks_where_the_setting_says_so() -> None:
    place = Place(user_header="X-Forwarded-User")
    place.browser.headers["X-Forwarded-User"] = "ala@example.org"
    assert place.answer(answer="acknowledge").status_code == 303
    said = place.written[0][1]
    assert said is not None
    assert said.by == "ala@example.org"


def test_with_a_proxy_alone_nobody_signs_in_by_a_token_and_nobody_without_the_header() -> None:
    place = Place(token=None, user_header="X-Forwarded-User")
    assert place.sign_in(token="").status_code == 403
    assert place.answer(answer="acknowledge").status_code == 403
    place.browser.headers["X-Forwarded-User"] = " \t "
    assert place.answer(answer="acknowledge", mark="").status_code == 403


def test_without_the_setting_a_header_is_nobody() -> None:
    place = Place()
    place.browser.headers["X-Forwarded-User"] = "mallory"
    assert place.answer(answer="acknowledge").status_code == 403
    assert place.written == []


def test_a_form_of_one_persons_page_is_not_taken_from_another() -> None:
    place = Place(user_header="X-Forwarded-User")
    place.browser.headers["X-Forwarded-User"] = "ala"
    mark = re.search(r'name="mark" value="(\w+)"', place.page)
    assert mark is not None
    place.browser.headers["X-Forwarded-User"] = "ola"
    assert place.answer(answer="acknowledge", mark=mark[1]).status_code == 403
