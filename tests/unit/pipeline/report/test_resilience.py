"""Weeks and months: what is counted, what is said of it, and what is not said of too little."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from models.errors import UserError
from models.feedback import Answer, Feedback
from models.series import SeriesPoint
from pipeline.cli import main
from pipeline.console import weeks as weeks_module
from pipeline.console.app import create_app
from pipeline.console.changes import Changes
from pipeline.console.views import resilience_href
from pipeline.console.weeks import Weeks
from pipeline.feed import Erased, News, Said
from pipeline.ledger import Ledger
from pipeline.report.digest import digest_html, digest_markdown, sentences, write_digest
from pipeline.report.history import History, decode_brief
from pipeline.report.reading import Tell
from pipeline.report.resilience import judge_resilience
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms, series_point
from tests.unit.pipeline.console.test_pages import EVIL, Source

DAY_MIN = 24 * 60
NOON = from_ms(NOON_MS)


def hourly(hour: int, sentiment: float, brand: str = "orzel-air", **more: object) -> SeriesPoint:
    """A minute that stands for an hour, `hour` hours after noon."""
    return series_point(hour * 60, brand, mentions=10, negative=2, sentiment=sentiment, **more)


def crisis(minute: int, lasted_min: int = 60, **more: object) -> object:
    return crisis_alert(lasted_min - 5, "resolved", minute=minute, **more)


def said(minute: int, answer: Answer, after_min: int) -> Feedback:
    alert = crisis_alert(minute=minute)
    return Feedback(
        alert_id=alert.alert_id,
        brand=alert.brand,
        answer=answer,
        at=NOON + timedelta(minutes=minute + after_min),
    )


def history_of(*records: object) -> History:
    history = History()
    for record in records:
        take(history, record)
    return history


def take(history: History, record: object) -> None:
    if isinstance(record, SeriesPoint):
        history.take_point(record)
    elif isinstance(record, Feedback):
        history.take_answer(record.key(), record)
    else:
        history.take_alert(record)  # type: ignore[arg-type]


def test_months_tell_how_often_how_early_how_long_to_respond_and_to_recover() -> None:
    later = 40 * DAY_MIN
    found = judge_resilience(
        history_of(
            crisis(0, lasted_min=65),
            crisis(DAY_MIN, lasted_min=125),
            crisis(later, lasted_min=35),
            said(0, Answer.ACKNOWLEDGE, 15),
            said(later, Answer.FALSE_ALARM, 30),
            crisis(100, kind="surge"),
            crisis(200, kind="coverage"),
            crisis(300, brand="klos"),
        ),
        "orzel-air",
    )
    assert [(f"{m.begin:%Y-%m}", m.fired, m.false) for m in found.months] == [
        ("2015-02", 2, 0),
        ("2015-03", 0, 0),
        ("2015-04", 1, 1),
    ]
    february = found.months[0]
    assert february.delay == timedelta(minutes=5)
    assert february.response == timedelta(minutes=10)
    assert february.recovery == timedelta(minutes=90)
    assert found.months[1].delay is None
    assert found.whole is not None
    assert found.whole.fired == 3


def test_a_trend_is_told_with_its_interval_and_not_of_a_few_days() -> None:
    rng = random.Random(1)
    falling = [hourly(hour, 0.3 - 0.01 * hour / 24 + rng.gauss(0, 0.02)) for hour in range(24 * 20)]
    trend = judge_resilience(history_of(*falling), "orzel-air").trend
    assert trend is not None
    assert trend.low < -0.07 < trend.high < 0
    assert judge_resilience(history_of(*falling[: 24 * 5]), "orzel-air").trend is None


def test_hours_of_the_day_have_their_mood_once_there_are_enough_days() -> None:
    points = [hourly(hour, -0.5 if (12 + hour) % 24 == 8 else 0.1) for hour in range(24 * 15)]
    found = judge_resilience(history_of(*points), "orzel-air")
    assert min((mood or 0.0, hour) for hour, mood in enumerate(found.hours))[1] == 8
    assert all(mood is not None for mood in found.weekdays)
    early = judge_resilience(history_of(*points[: 24 * 8]), "orzel-air")
    assert early.weekdays == [None] * 7
    assert None not in early.hours


def test_records_may_come_twice_and_in_any_order() -> None:
    records = [hourly(hour, 0.1) for hour in range(60)] + [
        crisis(0),
        said(0, Answer.ACKNOWLEDGE, 9),
    ]
    shuffled = records * 2
    random.Random(3).shuffle(shuffled)
    once, twice = history_of(*records), history_of(*shuffled)
    assert judge_resilience(once, "orzel-air") == judge_resilience(twice, "orzel-air")
    assert write_digest(once, NOON + timedelta(days=7)) == write_digest(
        twice, NOON + timedelta(days=7)
    )


def week() -> History:
    return history_of(*week_records())


def week_records() -> list[object]:
    points = [hourly(hour, 0.2) for hour in range(-168, 0)]
    points += [
        hourly(hour, -0.1, terms=[{"term": "odwołany lot", "share": 0.4}], coverage=0.9)
        for hour in range(168)
    ]
    points += [hourly(hour, 0.3, brand="klos", brand_name="Kłos") for hour in range(-168, 168)]
    return [*points, crisis(60), said(60, Answer.ACKNOWLEDGE, 15)]


def test_the_digest_sets_the_week_beside_the_one_before_and_puts_trouble_first() -> None:
    digest = write_digest(week(), NOON + timedelta(days=7))
    assert [brand.brand for brand in digest.brands] == ["orzel-air", "klos"]
    first = digest.brands[0]
    assert first.change == pytest.approx(-0.3)
    assert first.volume_change == pytest.approx(1)
    assert first.terms == ("odwołany lot",)
    assert digest.delay == timedelta(minutes=5)
    assert digest.response == timedelta(minutes=10)
    told = " ".join(sentences(digest))
    assert "Crises that fired: 1" in told
    assert "Orzel Air (−0.30)" in told
    assert "coverage fell" in told


def test_a_quiet_week_is_told_in_a_sentence() -> None:
    digest = write_digest(history_of(hourly(0, 0.1)), NOON + timedelta(days=1))
    assert sentences(digest) == ["No crisis fired."]


@pytest.mark.parametrize("write", [digest_html, digest_markdown])
def test_names_and_terms_of_strangers_stay_text_in_the_digest(write) -> None:  # type: ignore[no-untyped-def]
    history = history_of(
        hourly(0, 0.1, brand="evil", brand_name=EVIL, terms=[{"term": EVIL, "share": 0.5}]),
        crisis(0, brand="evil", brand_name=EVIL),
    )
    text = write(write_digest(history, NOON + timedelta(days=1)))
    assert "<script" not in text.replace("\\<script", "")
    assert "<img" not in text.replace("\\<img", "")
    assert "\u202e" not in text


def test_the_pages_show_both_from_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    ledger.fold_point(series_point())

    async def read(history: History, tell: Tell) -> None:
        for record in week_records():
            take(history, record)

    with TestClient(create_app(ledger, Changes(ledger), Source(), weeks=Weeks(read))) as browser:
        page = browser.get(resilience_href("orzel-air")).text
        for part in ("By month", "February 2015", "Trend of the mood", "10 min"):
            assert part in page
        assert browser.get(resilience_href("none")).status_code == 404
        digest = browser.get("/digest")
        assert "Weekly digest" in digest.text
        assert "unsafe" not in digest.headers["content-security-policy"]
        assert browser.get("/digest?format=md").text.startswith("# Week")
        polish = browser.get(resilience_href("orzel-air"), headers={"accept-language": "pl"}).text
        assert "luty 2015" in polish
    assert (
        TestClient(create_app(Ledger(), Changes(Ledger()), Source())).get("/digest").status_code
        == 404
    )


def test_the_command_writes_both_files_from_a_backtests_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts, series = tmp_path / "a.jsonl", tmp_path / "s.jsonl"
    alerts.write_bytes(crisis_alert(60, "resolved").encode() + b"\n")
    series.write_bytes(b"\n".join(hourly(hour, 0.1).encode() for hour in range(48)))
    given = ["digest", "--alerts", str(alerts), "--series", str(series), "--out", str(tmp_path)]
    assert main([*given, "--language", "pl"]) == 0
    text = (tmp_path / "digest-2015-02-24.md").read_text()
    assert text.startswith("# Tydzień od 17 lut 2015 do 24 lut 2015")
    assert (tmp_path / "digest-2015-02-24.html").exists()
    assert main([*given, "--until", "2015-02-30"]) == 2
    assert "write it as" in capsys.readouterr().err


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9), st.sampled_from([None, 0.5, -1])))
)
def test_records_read_in_brief_add_up_to_the_same_in_any_order_and_however_often(
    minutes: list[tuple[int, int, float | None]],
) -> None:
    points = [
        series_point(minute, mentions=mentions, sentiment=mood, terms=[{"term": "a", "share": 0.5}])
        for minute, mentions, mood in {
            minute: (minute, *rest) for minute, *rest in minutes
        }.values()
    ]
    whole, brief = history_of(*points), History()
    for point in [*reversed(points), *points]:
        brief.take_point(decode_brief(point.encode()))
    assert brief.names == whole.names
    assert brief.newest == whole.newest
    assert {h: (s.mentions, s.minutes) for h, s in brief.hours.get("orzel-air", {}).items()} == {
        h: (s.mentions, s.minutes) for h, s in whole.hours.get("orzel-air", {}).items()
    }
    sums = [h.sums("orzel-air", NOON, NOON + timedelta(days=1)) for h in (whole, brief)]
    assert sums[0].mentions == sum(point.mentions for point in points)
    assert sums[0].mood == pytest.approx(sums[1].mood)
    assert sums[0].terms == pytest.approx(sums[1].terms)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b'{"brand": "b", "bucket_ms": 0, "mentions": -1, "negative": 0}']
)
def test_what_is_no_minute_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|required|object|>= 0"):
        decode_brief(value)


def test_hours_that_are_too_old_are_forgotten() -> None:
    history = week()
    history.forget_before(NOON)
    assert min(history.hours["klos"]) == NOON_MS - 3_600_000
    assert history.sums("klos", NOON, NOON + timedelta(days=7)).mentions == 168 * 10


class Shelf:
    """Topics that are read as fast as a test says."""

    def __init__(self, records: list[object]) -> None:
        self.records = records
        self.readings = 0
        self.go_on = asyncio.Event()
        self.broken = False

    async def read(self, history: History, tell: Tell) -> None:
        self.readings += 1
        tell(0.25)
        await self.go_on.wait()
        if self.broken:
            raise UserError("the broker went away")
        for record in self.records:
            take(history, record)
        tell(1.0)


def test_weeks_are_read_once_and_kept_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weeks_module, "PATIENCE_S", 0.01)

    async def story() -> None:
        shelf = Shelf([hourly(0, 0.1), hourly(1, 0.1), crisis(60)])
        weeks = Weeks(shelf.read)
        weeks.hear([News("orzel-air", hourly(2, 0.1), live=True)])
        assert shelf.readings == 0, "before anybody asked nothing is read"
        assert await weeks.history() is None
        assert weeks.share == 0.25
        told = [News("orzel-air", hourly(hour, 0.1), live=True) for hour in (1, 3)]
        weeks.hear(told)  # one of them will be read too
        shelf.go_on.set()
        history = await weeks.history()
        assert history is not None
        assert weeks.share == 1.0
        weeks.hear([News("orzel-air", hourly(4, 0.1), live=True), *told])
        again = await weeks.history()
        assert again is history
        assert shelf.readings == 1
        assert sorted(history.hours["orzel-air"]) == [NOON_MS + h * 3_600_000 for h in (0, 1, 3, 4)]
        assert history.sums("orzel-air", NOON, NOON + timedelta(days=1)).mentions == 40
        assert len(history.crises()) == 1
        [alert] = history.crises()
        answer = said(60, Answer.FALSE_ALARM, 20)
        weeks.hear([News(alert.alert_id, Said(answer.key(), answer), live=True)])
        assert history.was_false(alert)
        weeks.hear([News(alert.alert_id, Said(answer.key(), None), live=True)])
        assert not history.was_false(alert)
        weeks.hear([News("orzel-air", Erased(alert.alert_id), live=True)])
        assert history.crises() == []

    asyncio.run(story())


def test_a_reading_that_failed_is_told_and_begun_anew() -> None:
    async def story() -> None:
        shelf = Shelf([hourly(0, 0.1)])
        shelf.broken = True
        shelf.go_on.set()
        weeks = Weeks(shelf.read)
        with pytest.raises(UserError, match="went away"):
            await weeks.history()
        shelf.broken = False
        history = await weeks.history()
        assert history is not None
        assert shelf.readings == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("language", "said_so"),
    [("en", "25\u202f% of the minutes of all brands"), ("pl", "25\u202f% minut wszystkich marek")],
)
def test_who_asks_while_the_weeks_are_read_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, language: str, said_so: str
) -> None:
    monkeypatch.setattr(weeks_module, "PATIENCE_S", 0.01)
    ledger = Ledger()
    ledger.fold_point(series_point())
    shelf = Shelf([hourly(0, 0.1)])
    headers = {"Accept-Language": language}
    app = create_app(ledger, Changes(ledger), Source(), weeks=Weeks(shelf.read))
    with TestClient(app) as browser:
        for path in ("/digest", resilience_href("orzel-air")):
            answer = browser.get(path, headers=headers)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"
            assert said_so in answer.text
            assert 'http-equiv="refresh"' in answer.text
        assert browser.get("/digest?format=md").text == "25%\n"
