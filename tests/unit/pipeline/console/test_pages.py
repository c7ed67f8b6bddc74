from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from models.alert import ALL_BRANDS, CrisisAlert
from models.detection.base import Severity
from models.feedback import Answer, Feedback
from models.watchlist import parse_watchlist
from pipeline.console.app import FOLDER, create_app
from pipeline.console.changes import Changes
from pipeline.console.views import alert_href, brand_href
from pipeline.ledger import Ledger
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms, series_point

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp'


@dataclass
class Source:
    connected: bool = True
    caught_up: bool = True


def client(ledger: Ledger, source: Source | None = None) -> TestClient:
    return TestClient(create_app(ledger, Changes(ledger), source or Source()))


def ledger_of(*records: CrisisAlert) -> Ledger:
    ledger = Ledger()
    for record in records:
        ledger.fold_alert(record)
    return ledger


class Tags(HTMLParser):
    """What a browser would make of a page: its elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def evil_alert() -> CrisisAlert:
    exhibit = {
        "post": "x:1",
        "created_at": from_ms(NOON_MS),
        "platform": EVIL,
        "author": EVIL,
        "text": EVIL,
        "language": EVIL,
        "url": "javascript:alert(3)",
        "p_negative": 0.9,
    }
    step = {
        "owner": EVIL,
        "severity": "error",
        "runbook": "javascript:alert(4)",
        "first_steps": [EVIL],
        "holding_statement": {EVIL: EVIL},
    }
    evidence = {"statistic": 1, "threshold": 1, "p_chance": 0, "votes": {EVIL: 1}}
    return crisis_alert(
        brand=EVIL,
        alert_id=EVIL,
        brand_name=EVIL,
        summary=EVIL,
        reason=EVIL,
        exhibits=[exhibit],
        step=step,
        evidence=evidence | {"baseline": {EVIL: 1}, "sentiment_model": EVIL},
        platforms={EVIL: 1},
        languages={EVIL: 1},
        first_post=exhibit,
        cause={"cause": "outage", "share": 0.5, "reasons": [EVIL]},
        terms=[{"term": EVIL, "z": 3, "share": 0.4, "usual_share": 0.01}],
        voices=[
            {
                "author": EVIL,
                "handle": EVIL,
                "platform": EVIL,
                "role": "calming",
                "reach": 9,
                "tone": 0.5,
            }
        ],
        take_off={
            "exhibit": exhibit | {"handle": EVIL},
            "minutes": 15,
            "before_per_min": 1,
            "after_per_min": 9,
        },
    )


@pytest.mark.parametrize("page", ["/", "/alerts", alert_href(EVIL), brand_href(EVIL)])
def test_words_of_strangers_never_become_elements_attributes_or_links(page: str) -> None:
    ledger = ledger_of(evil_alert())
    terms = [{"term": EVIL, "share": 0.5}]
    ledger.fold_point(series_point(brand=EVIL, brand_name=EVIL, platforms={EVIL: 4}, terms=terms))
    answer = client(ledger).get(page)
    assert answer.status_code == 200
    assert "\u202e" not in answer.text
    for tag, attributes in Tags(answer.text).elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not (attributes.get("href") or "").startswith("javascript:")
        if tag == "script":
            assert attributes["src"] in (
                "/static/console.js",
                "/static/brand.js",
                "/static/plotly.min.js",
            )
        if tag == "img":
            assert attributes["src"] == "/static/icon.svg"


@pytest.mark.parametrize("path", ["/", "/alerts", "/nowhere", "/api/brands", "/static/console.css"])
def test_every_answer_forbids_what_is_not_the_consoles_own(path: str) -> None:
    headers = client(Ledger()).get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_nothing_of_ours_is_loaded_from_elsewhere() -> None:
    for file in (FOLDER / "static").iterdir():
        found = re.findall(r"https?://[^\s\"']+", file.read_text())
        assert set(found) <= {"http://www.w3.org/2000/svg"}, file


def test_brands_stand_by_urgency_with_their_figures() -> None:
    ledger = Ledger(names={"nowa": "Nowa"})
    ledger.fold_point(series_point(brand="calm", brand_name="Spokojna", coverage=0.5))
    ledger.fold_point(series_point(brand="loud", brand_name="Głośna", mentions=99))
    ledger.fold_alert(crisis_alert(brand="loud", brand_name="Głośna"))
    page = client(ledger).get("/").text
    table = page[page.index('class="brands"') :]
    assert table.index("Głośna") < table.index("Spokojna") < table.index("Nowa")
    assert "<b>99</b>" in table
    assert "50\u202f%" in table
    assert "Partly blind" in table
    assert "No minute has closed yet" in table
    assert "22 Feb 2015, 12:01" in page


def test_a_firing_alert_says_what_where_since_when_how_far_and_what_to_do() -> None:
    step = {"owner": "social-media", "severity": "error", "first_steps": ["Call the duty manager"]}
    ledger = ledger_of(crisis_alert(brand_name="Orzeł Air", step=step, coverage=0.8))
    ledger.fold_point(series_point(90))
    page = client(ledger).get("/").text
    for said in (
        "(1) Czujka",
        "Orzeł Air",
        "Negative surge",
        "Error",
        "240",
        "usually 42 (25–66)",
        "84\u202f%",
        "1.25\u202fM",
        "1 h 31 min",
        "coverage 80\u202f%",
        "Call the duty manager",
        "social-media",
    ):
        assert said in page


def test_the_page_of_an_alert_shows_its_life_evidence_and_exhibits() -> None:
    exhibit = {
        "post": "bluesky:1",
        "created_at": from_ms(NOON_MS),
        "platform": "bluesky",
        "text": "Znowu awaria",
        "url": "https://example.org/1",
        "p_negative": 0.97,
    }
    alert = crisis_alert(2, "resolved", exhibits=[exhibit], platforms={"bluesky": 3, "x": 1})
    page = client(ledger_of(alert)).get(alert_href(alert.alert_id)).text
    for said in ("Resolved", "Znowu awaria", 'href="https://example.org/1"', "75\u202f%", "10⁻⁹"):
        assert said in page
    assert "not in memory here" in page
    assert "No step is planned" in page


def test_the_page_of_an_alert_draws_its_minutes_while_they_are_in_memory() -> None:
    alert = crisis_alert(2, "resolved", minute=30)
    ledger = ledger_of(alert)
    for minute in range(60):
        ledger.fold_point(series_point(minute, mentions=minute))
    page = client(ledger).get(alert_href(alert.alert_id)).text
    assert re.findall(r'class="marker (\w+)"', page) == ["onset", "fired", "resolved"]
    assert "peak 59 mentions a minute" in page


def test_what_never_fired_is_no_resolved_alert_and_says_so_quietly() -> None:
    faded = crisis_alert(1, "resolved", brand="faded", fired_at=None)
    browser = client(ledger_of(faded, crisis_alert(1, "resolved", brand="ended")))
    overview = browser.get("/").text
    lately = overview[overview.index("Resolved lately") :]
    assert "Ended" in lately
    assert "Faded" not in lately
    listed = browser.get("/alerts").text
    assert "Did not fire" in listed
    assert listed.count("Resolved") == 1
    assert "Faded without firing" in browser.get(alert_href(faded.alert_id)).text


def test_where_there_is_nothing_the_pages_say_what_to_do() -> None:
    page = client(Ledger()).get("/").text
    assert "No brand has been heard of" in page
    assert "czujka connect NAME" in page
    assert "czujka check" in page
    assert "No alert yet" in client(Ledger()).get("/alerts").text


def test_what_befalls_all_brands_is_not_said_to_wait_for_connectors() -> None:
    ledger = ledger_of(crisis_alert(brand=ALL_BRANDS))
    for path in ("/", brand_href(ALL_BRANDS)):
        page = client(ledger).get(path).text
        assert "concerns all brands together" in page and "No minute has closed" not in page


def test_a_lost_broker_and_unread_history_are_said_so() -> None:
    assert "broker does not answer" in client(Ledger(), Source(connected=False)).get("/").text
    assert "Reading what happened before" in client(Ledger(), Source(caught_up=False)).get("/").text


def test_the_overview_follows_the_ledger_and_the_source() -> None:
    ledger, source = Ledger(), Source()
    browser = client(ledger, source)
    assert "Orzel Air" not in browser.get("/").text
    ledger.fold_alert(crisis_alert())
    assert "Orzel Air" in browser.get("/").text
    source.connected = False
    assert "broker does not answer" in browser.get("/").text


def test_ten_thousand_open_alerts_make_pages_that_can_be_read() -> None:
    ledger = Ledger()
    for number in range(10_000):
        ledger.fold_alert(crisis_alert(brand=f"b{number}"))
    browser = client(ledger)
    overview = browser.get("/").text
    assert overview.count("<article") == 50
    assert "9950 more are firing" in overview
    assert browser.get("/alerts?page=100").text.count("<tr>") == 101
    assert browser.get("/alerts?page=101").status_code == 404


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e3", "٣", "9" * 30, ""])
def test_a_page_number_that_is_none_is_refused_in_words(page: str) -> None:
    answer = client(Ledger()).get("/alerts", params={"page": page})
    assert answer.status_code == 400
    assert "page is a whole number" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/alerts/none", "/static/../app.py"])
def test_what_is_not_there_is_a_page_that_leads_back(path: str) -> None:
    answer = client(Ledger()).get(path)
    assert answer.status_code == 404
    assert 'href="/"' in answer.text


def test_the_api_gives_brands_by_urgency_with_their_newest_minute() -> None:
    ledger = ledger_of(crisis_alert(brand="loud"))
    ledger.fold_point(series_point(brand="calm"))
    answer = client(ledger).get("/api/brands").json()
    assert answer["watermark"] == "2015-02-22T12:01:00+00:00"
    assert [(b["brand"], b["state"]) for b in answer["brands"]] == [
        ("loud", "firing"),
        ("calm", "calm"),
    ]
    assert answer["brands"][0]["open_alerts"] == [crisis_alert(brand="loud").alert_id]
    assert answer["brands"][1]["latest"]["mentions"] == 4


def test_the_api_chooses_alerts_by_status_and_brand() -> None:
    ledger = ledger_of(
        crisis_alert(brand="a", severity=Severity.CRITICAL),
        crisis_alert(0, "pending", brand="a", minute=5),
        crisis_alert(1, "resolved", brand="b"),
    )
    api = client(ledger)

    def chosen(query: str) -> list[str]:
        return [alert["status"] for alert in api.get(f"/api/alerts?{query}").json()["alerts"]]

    assert chosen("") == ["firing", "pending", "resolved"]
    assert chosen("status=resolved&status=pending") == ["pending", "resolved"]
    assert chosen("brand=a") == ["firing", "pending"]
    assert chosen("limit=1&offset=1") == ["pending"]
    assert api.get("/api/alerts?limit=1").json()["total"] == 3


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=5000", "offset=-1"])
def test_the_api_refuses_what_makes_no_sense(query: str) -> None:
    answer = client(Ledger()).get(f"/api/alerts?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_api_gives_an_alert_as_it_stands_on_the_topic() -> None:
    alert = crisis_alert()
    api = client(ledger_of(alert))
    assert (
        CrisisAlert.model_validate_json(api.get(f"/api{alert_href(alert.alert_id)}").content)
        == alert
    )
    assert api.get("/api/alerts/none").status_code == 404
    assert "erased" in api.get("/api/alerts/none").json()["error"]


def test_it_is_ready_when_history_is_read() -> None:
    source = Source(caught_up=False)
    probes = client(Ledger(), source)
    assert (probes.get("/healthz").status_code, probes.get("/readyz").status_code) == (200, 503)
    source.caught_up = True
    assert probes.get("/readyz").status_code == 200


def test_the_language_is_the_browsers_until_somebody_chooses_another() -> None:
    ledger = ledger_of(crisis_alert(brand_name="Orzeł Air"))
    browser = client(ledger)
    polish = browser.get("/", headers={"accept-language": "pl-PL,pl;q=0.9,en;q=0.8"})
    assert '<html lang="pl">' in polish.text
    assert "Fala negatywnych wpisów" in polish.text
    assert "Negative surge" not in polish.text
    assert polish.headers["content-language"] == "pl"
    assert "Accept-Language" in polish.headers["vary"]
    assert '<html lang="en">' in browser.get("/").text
    came_from = {"referer": "http://testserver/alerts?page=1"}
    answer = browser.get("/language/pl", headers=came_from, follow_redirects=False)
    assert answer.headers["location"] == "/alerts?page=1"
    assert "Alerty" in browser.get("/alerts", headers={"accept-language": "en"}).text
    assert browser.get("/language/tlh").status_code == 404


@pytest.mark.parametrize("referer", ["https://evil.example/x", "http://testserver//evil", ""])
def test_choosing_a_language_sends_nobody_elsewhere(referer: str) -> None:
    answer = client(Ledger()).get(
        "/language/pl", headers={"referer": referer}, follow_redirects=False
    )
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "cookie", ["czujka-language=xx", "czujka-language=../x", "\x01=;;;", "a" * 9]
)
def test_a_cookie_that_makes_no_sense_leaves_the_language_to_the_browser(cookie: str) -> None:
    answer = client(Ledger()).get("/", headers={"cookie": cookie, "accept-language": "pl"})
    assert answer.headers["content-language"] == "pl"


@pytest.mark.parametrize("page", ["/", "/alerts", "/sign-in", "/nowhere", "/alerts/none"])
def test_no_page_mixes_the_languages(page: str) -> None:
    text = client(ledger_of(crisis_alert())).get(page, headers={"accept-language": "pl"}).text
    visible = re.sub(r"<[^>]+>|English|czujka \w+", " ", text)
    assert not re.search(r"\b(the|and|of|is|are|since|usually|Overview)\b", visible)


WATCHLIST = """
version: 1
brands:
  - id: orzel-air
    name: Orzeł Air
    match: {any: [orzel]}
    events:
      - {name: Over, from: "2015-02-01T00:00+00:00", to: "2015-02-02T00:00+00:00"}
      - {name: "Sale <b>", from: "2015-02-23T00:00+00:00", to: "2015-02-24T00:00+00:00"}
"""


def brand_of(ledger: Ledger) -> TestClient:
    watchlist = parse_watchlist(WATCHLIST)
    return TestClient(create_app(ledger, Changes(ledger), Source(), watchlist=watchlist))


def test_the_page_of_a_brand_shows_course_alerts_plans_terms_platforms_and_both_moods() -> None:
    ledger = ledger_of(crisis_alert(1, "resolved"))
    for minute in range(90):
        terms = [{"term": "odwołany lot", "share": 0.6}] if minute == 60 else []
        ledger.fold_point(
            series_point(
                minute,
                brand_name="Orzeł Air",
                sentiment=0.2,
                weighted_sentiment=-0.4,
                platforms={"bluesky": 3, "x": 1},
                terms=terms,
            )
        )
    page = brand_of(ledger).get(brand_href("orzel-air")).text
    for said in (
        "<b>+0.20</b>",
        "<b>−0.40</b>",
        "odwołany lot",
        "75\u202f%",
        "Sale &lt;b&gt;",
        "Negative surge",
        "allows 1 in 28 days",
        "No verdict narrows it",
    ):
        assert said in page
    assert "Over</bdi>" not in page
    assert re.findall(r'class="marker (\w+)"', page) == ["onset", "fired", "resolved"]


def test_the_columns_of_a_brand_are_as_long_as_its_minutes_and_smooth_the_mood() -> None:
    ledger = ledger_of(crisis_alert())
    for minute in range(30):
        ledger.fold_point(series_point(minute, sentiment=1.0 if minute == 29 else 0.0))
    columns = brand_of(ledger).get("/api/brands/orzel-air").json()
    assert {len(columns[name]) for name in ("bucket_ms", "mentions", "low", "sentiment")} == {30}
    assert columns["sentiment"][-1] == pytest.approx(1 / 15)
    assert columns["alerts"][0]["open"]
    assert [event["name"] for event in columns["events"]] == ["Over", "Sale <b>"]
    assert brand_of(ledger).get("/api/brands/none").status_code == 404
    assert brand_of(ledger).get("/brands/none").status_code == 404


def test_verdicts_that_narrow_the_budget_are_shown_with_their_end() -> None:
    ledger = ledger_of(crisis_alert(1, "resolved"))
    ledger.fold_point(series_point())
    said = Feedback(
        alert_id=crisis_alert().alert_id,
        brand="orzel-air",
        answer=Answer.FALSE_ALARM,
        by="Ala",
        at=from_ms(NOON_MS),
    )
    ledger.fold_answer(said.key(), said)
    page = brand_of(ledger).get(brand_href("orzel-air")).text
    assert "leave 50\u202f%" in page
    assert "counts until 17 May 2015" in page
    ledger.fold_answer(said.key(), None)
    assert "No verdict narrows it" in brand_of(ledger).get(brand_href("orzel-air")).text


def test_an_open_alert_shows_the_next_hours_with_an_interval_and_a_closed_one_does_not() -> None:
    forecast = [
        {"hours": 1, "mentions": 300, "low": 180, "high": 500},
        {"hours": 3, "mentions": 700, "low": 300, "high": 1500},
    ]
    alert = crisis_alert(forecast=forecast, growth_per_hour=0.4)
    page = client(ledger_of(alert)).get(alert_href(alert.alert_id)).text
    for said in ("within 1 hour<", "within 3 hours", "likely 180 to 500", "40\u202f%"):
        assert said in page
    over = crisis_alert(1, "resolved", forecast=forecast)
    assert "next hours" not in client(ledger_of(over)).get(alert_href(over.alert_id)).text


def test_the_script_that_draws_comes_from_its_package_packed() -> None:
    answer = client(Ledger()).get("/static/plotly.min.js")
    assert answer.headers["content-encoding"] == "gzip"
    assert "plotly.js v" in answer.text[:400]
    whole = client(Ledger()).get("/static/plotly.min.js", headers={"accept-encoding": "identity"})
    assert whole.content == answer.content


def post(number: int, text: str, **more: object) -> dict[str, object]:
    return {
        "post": f"x:{number}",
        "created_at": from_ms(NOON_MS + number * 60_000),
        "platform": "x",
        "author": f"u_{number:016x}",
        "reach": 50_000,
        "text": text,
        "p_negative": 0.9,
        **more,
    }


TOOK_OFF = {"minutes": 15, "before_per_min": 0.5, "after_per_min": 9.25}


@pytest.mark.parametrize(
    ("language", "after", "both", "rise", "turned"),
    [
        (
            "en",
            "After this one it took off",
            "The first one kept, after which it took off",
            "negative mentions a minute: 0.5 in the 15 min before it, 9.2 after it",
            "Turned the tone",
        ),
        (
            "pl",
            "Po tym wpisie sprawa ruszyła",
            "Najwcześniejszy zachowany; po nim sprawa ruszyła",
            "negatywne wzmianki na minutę: 0,5 w ciągu 15 min przed nim, 9,2 po nim",
            "Zwrot nastrojów",
        ),
    ],
)
def test_the_post_after_which_it_took_off_stands_in_the_alert_with_what_followed(
    language: str, after: str, both: str, rise: str, turned: str
) -> None:
    first, loud = post(1, "the first word"), post(2, "the loud word", handle="@minister", alike=7)
    voice = {"author": loud["author"], "role": "turned", "reach": 50_000, "tone": -0.8}
    seen = crisis_alert().observed.model_copy(update={"weighted_sentiment": -0.81})
    alert = crisis_alert(
        exhibits=[loud],
        first_post=first,
        take_off={"exhibit": loud, **TOOK_OFF},
        voices=[voice | {"handle": "@minister", "platform": "x"}],
        observed=seen,
    )
    browser = client(ledger_of(alert))
    page = browser.get(alert_href(alert.alert_id), headers={"Accept-Language": language}).text
    for said in (after, rise, turned, "the first word", "the loud word"):
        assert said in page
    assert both not in page
    assert page.count("@minister") == 3, "the take-off, the exhibit and the voice"
    assert f"{loud['author']}" not in page, "the handle stands instead of the pseudonym"
    assert f"{first['author']}" in page
    assert ("−0.81" if language == "en" else "−0,81") in page
    alone = crisis_alert(first_post=loud, take_off={"exhibit": loud, **TOOK_OFF})
    page = client(ledger_of(alone)).get(
        alert_href(alone.alert_id), headers={"Accept-Language": language}
    )
    assert both in page.text
    assert page.text.count("the loud word") == 1


def test_a_brand_without_a_plan_and_an_alert_without_text_are_pages_like_others() -> None:
    bare = {"post": "x:1", "created_at": from_ms(NOON_MS), "platform": "x", "p_negative": 0.9}
    alert = crisis_alert(exhibits=[bare], first_post=bare, step=None, summary="", reason="")
    ledger = ledger_of(alert)
    ledger.fold_point(series_point(brand_name="", platforms={}))
    browser = brand_of(ledger)
    page = browser.get(alert_href(alert.alert_id)).text
    assert page.count("(no text)") == 2
    assert "No step is planned" in page
    assert browser.get(brand_href("orzel-air")).status_code == 200
    report = browser.get(f"/reports/{alert.alert_id}").text
    assert "(no text)" in report
    assert "Nothing, for this kind and severity." in report
    ownerless = crisis_alert(brand="b", step={"severity": "error"})
    ledger.fold_alert(ownerless)
    assert browser.get(alert_href(ownerless.alert_id)).status_code == 200
    assert browser.get(f"/reports/{ownerless.alert_id}?format=md").status_code == 200


@pytest.mark.parametrize(
    ("taken", "packed"),
    [
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("identity", False),
        ("gzip;q=0, identity", False),
        ("gzip; q=0.0", False),
        ("", False),
    ],
)
def test_the_overview_is_packed_for_those_who_take_it_so(taken: str, packed: bool) -> None:
    ledger = ledger_of(crisis_alert())
    browser = client(ledger)
    answer = browser.get("/", headers={"Accept-Encoding": taken})
    assert (answer.headers.get("Content-Encoding") == "gzip") == packed
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.text == browser.get("/", headers={"Accept-Encoding": "identity"}).text


def test_pages_that_hold_the_mark_of_a_session_are_never_packed() -> None:
    alert = crisis_alert()
    ledger = ledger_of(alert)
    ledger.fold_point(series_point())
    browser = client(ledger)
    for path in (alert_href(alert.alert_id), brand_href("orzel-air"), "/alerts"):
        answer = browser.get(path, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
