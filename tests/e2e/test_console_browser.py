"""A person walks through the console in a real browser: overview, alert, answers, report."""

from __future__ import annotations

import itertools
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import uvicorn

from models.feedback import Answer, Feedback
from pipeline.console.app import create_app
from pipeline.console.changes import Changes
from pipeline.console.desk import Desk
from pipeline.console.sessions import Sessions
from pipeline.console.views import alert_href, brand_href, report_href, resilience_href
from pipeline.language import _, speaking
from pipeline.ledger import Ledger
from pipeline.listening import listen, port_of
from tests.unit.pipeline.alert_samples import crisis_alert, series_point
from tests.unit.pipeline.console.test_pages import EVIL, Source, evil_alert
from tests.unit.pipeline.report.samples import STEP, at

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_playwright = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
TOKEN = "correct horse battery"
ALERT_PAGE = alert_href(crisis_alert().alert_id)
BRAND_PAGE = brand_href("orzel-air")
REPORT_PAGE = report_href(crisis_alert().alert_id)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here"),
]


@dataclass
class Place:
    address: str
    ledger: Ledger
    written: list[tuple[bytes, Feedback | None]]


@pytest.fixture
def place() -> Iterator[Place]:
    ledger = Ledger()
    first, loud = (
        {
            "post": f"x:{n}",
            "created_at": at(n),
            "platform": "x",
            "author": f"u_{n:016x}",
            "reach": reach,
            "text": text,
            "language": "pl",
            "p_negative": 0.9,
        }
        for n, reach, text in ((1, 12, "Znowu odwołany lot"), (4, 81_000, "Nikt nic nie wie!"))
    )
    loud |= {"handle": "@minister", "alike": 14}
    take_off = {"exhibit": loud, "minutes": 15, "before_per_min": 0.4, "after_per_min": 11.5}
    voices = [
        {"author": loud["author"], "platform": "x", "role": role, "reach": reach, "tone": tone}
        for role, reach, tone in (
            ("loudest", 81_000, -0.8),
            ("turned", 81_000, -0.8),
            ("calming", 9_000, 0.6),
        )
    ]
    voices[0]["handle"] = voices[1]["handle"] = "@minister"
    voices[2]["author"] = "u_0000000000000009"
    ledger.fold_alert(
        crisis_alert(
            brand_name="Orzeł Air",
            exhibits=[loud, first],
            first_post=first,
            take_off=take_off,
            voices=voices,
            organic={"copies": 0.1, "authors": 0.9, "entropy": 0.97},
            step=STEP,
        )
    )
    ledger.fold_alert(evil_alert())
    for minute in range(60):
        ledger.fold_point(series_point(minute, brand_name="Orzeł Air"))
    written: list[tuple[bytes, Feedback | None]] = []

    async def send(key: bytes, answer: Feedback | None) -> None:
        written.append((key, answer))

    desk = Desk(ledger, Sessions(TOKEN, time.time), send)
    changes = Changes(ledger)
    listener: socket.socket = listen("127.0.0.1", 0, "--port")
    app = create_app(ledger, changes, Source(), desk)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Place(f"http://127.0.0.1:{port_of(listener)}", ledger, written)
    changes.close()
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en")
    yield context.new_page()
    context.close()


def sign_in(page: Page, place: Place) -> None:
    page.goto(f"{place.address}/sign-in")
    page.locator("input[name=token]").fill(TOKEN)
    page.locator("main button").click()
    page.locator(".attention, #attention").wait_for()


@pytest.mark.parametrize("language", ["en", "pl"])
def test_from_overview_to_brand_to_alert_to_answers_to_report(
    place: Place, browser: Browser, language: str
) -> None:
    def say(message: str) -> str:
        with speaking(language):
            return _(message)

    page = browser.new_context(locale=language).new_page()
    steps = itertools.count(1)

    def keep(name: str) -> None:
        path = ARTEFACTS / f"walk-{language}-{next(steps)}-{name}.png"
        page.screenshot(path=path, full_page=True)

    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    page.goto(place.address)
    assert page.locator("html").get_attribute("lang") == language
    keep("overview")
    page.locator("table.brands").get_by_role("link", name="Orzeł Air").click()
    page.locator("#plot svg.main-svg").first.wait_for()
    assert page.locator("#plot .scatterlayer .trace").count() >= 4
    keep("brand")
    page.locator("table.alerts").get_by_role("link", name="Orzeł Air").click()
    page.get_by_role("heading", name="Orzeł Air").wait_for()
    page.get_by_text(say("After this one it took off")).wait_for()
    keep("alert")
    page.locator("#say").get_by_role("link", name=say("Sign in")).click()
    page.get_by_label(say("Your name, for the report")).fill("Ala")
    page.get_by_label(say("Token")).fill(TOKEN)
    page.get_by_role("button", name=say("Sign in")).click()
    page.get_by_label(say("Note, for the report")).fill("już się tym zajmuję")
    page.get_by_role("button", name=say("Acknowledge"), exact=True).click()
    page.get_by_text(f"✓ {say('Acknowledged')}").wait_for()
    keep("acknowledged")
    said_list = page.locator("#said")
    page.get_by_role("button", name=say("Right alert")).click()
    said_list.get_by_text(say("called it right")).wait_for()
    page.get_by_label(say("The cause was")).select_option("outage")
    page.get_by_role("button", name=say("Correct the cause")).click()
    said_list.get_by_text(say("corrected the cause:")).wait_for()
    page.get_by_role("button", name=say("This post is not negative")).first.click()
    said_list.get_by_text(say("said that a post is not negative")).wait_for()
    page.get_by_role("button", name=say("False alarm")).click()
    said_list.get_by_text(say("called it a false alarm")).wait_for()
    keep("answered")
    said = [answer.answer for _, answer in place.written if answer is not None]
    assert said == [
        Answer.ACKNOWLEDGE,
        Answer.RIGHT_ALERT,
        Answer.WRONG_CAUSE,
        Answer.NOT_NEGATIVE,
        Answer.FALSE_ALARM,
    ]
    taken_back = page.locator("#said li").filter(has_text=say("called it a false alarm"))
    taken_back.get_by_role("button").click()
    taken_back.wait_for(state="detached")
    assert [key for key, answer in place.written if answer is None] == [
        f"{crisis_alert().alert_id}#verdict".encode()
    ]
    page.get_by_role("link", name=say("Report"), exact=True).click()
    page.get_by_role("heading", name=say("Questions")).wait_for()
    assert page.locator("html").get_attribute("lang") == language
    line = say("%(who)s %(did)s") % {"who": "Ala", "did": say("acknowledged")}
    assert page.get_by_text(line).count() == 1
    assert page.get_by_text("już się tym zajmuję").count() == 1
    keep("report")
    assert faults == []
    page.context.close()


def test_a_page_of_hostile_posts_runs_nothing(place: Place, page: Page) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(place.address)
    page.locator("article.card a").filter(has_text="onerror").click()
    page.get_by_role("heading", name="onerror").wait_for()
    page.goto(page.get_by_role("link", name="Report", exact=True).evaluate("a => a.href"))
    page.get_by_role("heading", name="Questions").wait_for()
    assert dialogs == []
    assert page.locator("img[src=x]").count() == 0
    assert EVIL.split("\u202e")[0] in page.locator("h1").inner_text()


def test_the_page_follows_the_ledger_and_keeps_what_somebody_is_typing(
    place: Place, page: Page
) -> None:
    page.goto(f"{place.address}/sign-in")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.locator("article.card").get_by_role("link", name="Orzeł Air").click()
    page.get_by_label("Note").fill("half a sen")
    place.ledger.fold_alert(crisis_alert(3, "resolved", brand_name="Orzeł Air"))
    page.locator("#alert-head").get_by_text("Resolved").wait_for(timeout=60_000)
    assert page.get_by_label("Note").input_value() == "half a sen"


PAGES = {
    "overview": "/",
    "alerts": "/alerts",
    "brand": BRAND_PAGE,
    "alert": ALERT_PAGE,
    "report": REPORT_PAGE,
    "resilience": resilience_href("orzel-air"),
    "digest": "/digest",
    "sign-in": "/sign-in",
    "failure": "/nowhere",
}
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize(
    ("language", "scheme"), list(itertools.product(("en", "pl"), ("light", "dark")))
)
def test_axe_finds_no_serious_barrier_on_any_page(
    place: Place, browser: Browser, language: str, scheme: Literal["light", "dark"]
) -> None:
    axe = axe_playwright.Axe()
    found: list[str] = []
    for name, path in PAGES.items():
        context = browser.new_context(locale=language, color_scheme=scheme)
        page = context.new_page()
        if name == "alert":
            sign_in(page, place)
        page.goto(place.address + path)
        if name == "brand":
            page.locator("#plot svg.main-svg").first.wait_for()
        page.screenshot(path=ARTEFACTS / f"{name}-{language}-{scheme}.png", full_page=True)
        for fault in axe.run(page).response["violations"]:
            if fault["impact"] in SERIOUS:
                nodes = "; ".join(node["html"][:120] for node in fault["nodes"][:3])
                found.append(f"{name}: {fault['id']}: {nodes}")
        context.close()
    assert found == []


def test_pages_fit_a_phone_in_both_languages(place: Place, browser: Browser) -> None:
    for language, (name, path) in itertools.product(("en", "pl"), PAGES.items()):
        context = browser.new_context(locale=language, viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto(place.address + path)
        page.screenshot(path=ARTEFACTS / f"{name}-{language}-phone.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, (name, language)
        context.close()


def test_the_walk_can_be_made_in_polish_with_the_keyboard_alone(
    place: Place, browser: Browser
) -> None:
    page = browser.new_context(locale="pl").new_page()
    page.goto(place.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the head of the page
    for _step in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Orzeł Air":
            break
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Twoja ocena").wait_for()
    page.get_by_role("link", name="Zaloguj się").last.press("Enter")
    page.get_by_label("Token").press_sequentially(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Przyjmuję").press("Enter")
    page.get_by_text("✓ Przyjęty").wait_for()
    page.get_by_role("link", name="English").press("Enter")
    page.get_by_text("✓ Acknowledged").wait_for()
    assert page.url.startswith(place.address + ALERT_PAGE)


def test_a_page_that_lost_its_server_says_so_and_shows_the_present_when_it_is_back(
    place: Place, browser: Browser
) -> None:
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(place.address)
    page.locator("article.card").first.wait_for()
    context.set_offline(True)
    for revision in range(1, 60):  # an hour goes by
        place.ledger.fold_alert(crisis_alert(revision, brand_name="Orzeł Air"))
        place.ledger.fold_point(series_point(60 + revision, brand_name="Orzeł Air"))
    place.ledger.fold_alert(crisis_alert(60, "resolved", brand_name="Orzeł Air"))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("#offline").wait_for(state="visible", timeout=60_000)
    context.set_offline(False)
    page.locator("#resolved").get_by_role("link", name="Orzeł Air").wait_for(timeout=60_000)
    assert not page.locator("#offline").is_visible()
    context.close()
