"""A backtest against labelled incidents: what is found, what is false, what the page shows."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import EXIT_CONFIGURATION, EXIT_OK, UserError
from pipeline.cli import main
from pipeline.incidents.judging import WEEK_MS, Alarm, Incident, judge, read_incidents
from pipeline.incidents.page import write_page
from pipeline.incidents.tracks import Track
from tests.support.roles import DEMO_WATCHLIST

MIN = 60_000
TIMES = st.integers(0, 10_000).map(lambda minute: minute * MIN)
INCIDENTS = st.lists(
    st.builds(lambda a, b: Incident(min(a, b), max(a, b), "ash"), TIMES, TIMES), max_size=6
)
ALARMS = st.lists(st.builds(lambda at: Alarm(at, "ash"), TIMES), max_size=8)


def test_an_alarm_within_an_incident_finds_it_and_the_delay_counts_from_its_beginning() -> None:
    judged = judge([Incident(100 * MIN, 200 * MIN, "ash")], [Alarm(130 * MIN, "ash")], WEEK_MS, 1)
    assert (judged.precision, judged.recall, judged.median_delay_min) == (1.0, 1.0, 30.0)
    assert judged.false_alarms_per_week == 0.0


@pytest.mark.parametrize("at_min", [99, 201])
def test_an_alarm_a_minute_before_or_after_an_incident_is_false(at_min: int) -> None:
    alarm = Alarm(at_min * MIN, "ash")
    judged = judge([Incident(100 * MIN, 200 * MIN, "ash")], [alarm], WEEK_MS, 1)
    assert judged.false_alarms == (alarm,)
    assert (judged.precision, judged.recall, judged.median_delay_min) == (0.0, 0.0, None)


def test_an_alarm_of_another_brand_finds_nothing() -> None:
    judged = judge([Incident(0, 9 * MIN, "ash")], [Alarm(5 * MIN, "birch")], WEEK_MS, 2)
    assert (judged.found, len(judged.false_alarms)) == (0, 1)


def test_further_alarms_in_an_incident_are_right_and_the_first_gives_the_delay() -> None:
    alarms = [Alarm(minute * MIN) for minute in (30, 10, 20)]
    judged = judge([Incident(0, 60 * MIN)], alarms, WEEK_MS, 1)
    assert (judged.precision, judged.median_delay_min) == (1.0, 10.0)


def test_false_alarms_are_told_in_the_unit_of_the_budget_too() -> None:
    judged = judge([], [Alarm(0, "ash"), Alarm(MIN, "birch")], 2 * WEEK_MS, 4)
    assert judged.false_alarms_per_week == 1.0
    assert judged.false_alarms_per_brand_in_4_weeks == 1.0
    assert judged.recall is None


@given(INCIDENTS, ALARMS)
def test_every_alarm_is_right_or_false_and_shares_lie_between_0_and_1(
    incidents: list[Incident], alarms: list[Alarm]
) -> None:
    judged = judge(incidents, alarms, WEEK_MS, 1)
    assert len(judged.findings) == len(incidents)
    assert set(judged.false_alarms) <= set(alarms)
    assert all(share is None or 0 <= share <= 1 for share in (judged.precision, judged.recall))
    assert all(f.delay_min is None or f.delay_min >= 0 for f in judged.findings)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_times_without_a_zone_are_utc_and_names_may_be_left_out(tmp_path: Path) -> None:
    file = write(
        tmp_path / "i.csv", "begin,end,brand", "1970-01-01T01:00,1970-01-01T02:00+01:00,ash"
    )
    assert read_incidents(file, {"ash"}) == [Incident(60 * MIN, 60 * MIN, "ash")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["begin,brand", "1,ash"], "i.csv:1: no column end"),
        (["begin,end,brand", "2020-01-01,2020-01-02,asch"], "i.csv:2: .* did you mean 'ash'"),
        (["begin,end,brand", "noon,2020-01-02,ash"], "i.csv:2: begin 'noon' is no time"),
        (["begin,end,brand", "2020-01-02,2020-01-01,ash"], "i.csv:2: ends before it begins"),
    ],
)
def test_a_broken_row_is_named_with_what_would_mend_it(
    tmp_path: Path, rows: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_incidents(write(tmp_path / "i.csv", *rows), {"ash"})


def make_track(name: str, rows: int = 600) -> Track:
    ones = np.ones(rows)
    seen = ones.copy()
    seen[300:360] = 9.0
    return Track(
        brand="ash",
        name=name,
        times_ms=np.arange(rows, dtype=np.int64) * MIN,
        seen=seen,
        negative=seen / 2,
        expected=ones,
        low=0 * ones,
        high=3 * ones,
        score=seen,
        threshold=8 * ones,
        unit="mentions a minute",
    )


class Outline(html.parser.HTMLParser):
    """Tags and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.sources: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "onload")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_draws_what_was_seen_and_says_when_it_fired() -> None:
    incident = Incident(300 * MIN, 360 * MIN, "ash", "Recall")
    judged = judge([incident], [Alarm(312 * MIN, "ash", "surge-negative, error")], WEEK_MS, 1)
    page = write_page("posts.csv", judged, [make_track("Ash")])
    outline = Outline(page)
    assert outline.tags.count("svg") == 1
    assert all(f'class="{mark}"' in page for mark in ("band", "incident", "fired", "negative"))
    assert "12 min" in outline.text and "1970-01-01 05:12" in outline.text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "&lt;b>"])
def test_names_from_files_are_text_and_the_page_loads_nothing(evil: str) -> None:
    incident = Incident(300 * MIN, 360 * MIN, "ash", evil)
    judged = judge([incident], [Alarm(312 * MIN, "ash", evil)], WEEK_MS, 1)
    outline = Outline(write_page(evil, judged, [make_track(evil)]))
    assert not {"script", "img", "b"} & set(outline.tags)
    assert outline.sources == ["data:,"]
    assert evil in outline.text


def test_a_backtest_of_counts_is_judged_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"2026-03-{1 + m // 288:02}T{m % 288 // 12:02}:{m % 12 * 5:02}" for m in range(1200)]
    lines = [f"{stamp},{900 if i == 1000 else 20 + i % 7}" for i, stamp in enumerate(rows)]
    series = write(tmp_path / "counts.csv", "timestamp,value", *lines)
    incidents = write(tmp_path / "i.csv", "begin,end,name", f"{rows[996]},{rows[1020]},outage")
    page = tmp_path / "page.html"
    arguments = ["backtest", "--series", str(series), "--incidents", str(incidents)]
    assert main([*arguments, "--html", str(page), "--json"]) == EXIT_OK
    judged = json.loads(capsys.readouterr().out)["judgement"]
    assert (judged["recall"], judged["precision"], judged["median_delay_min"]) == (1.0, 1.0, 20.0)
    assert "<svg" in page.read_text(encoding="utf-8")
    assert main(arguments) == EXIT_OK
    assert "found 1 of 1 incidents" in capsys.readouterr().out


def test_incidents_of_an_unknown_brand_stop_the_backtest_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = write(tmp_path / "posts.jsonl", "")
    incidents = write(tmp_path / "i.csv", "begin,end,brand", "2020-01-01,2020-01-02,orzel-ayr")
    arguments = ["backtest", str(posts), "--watchlist", str(DEMO_WATCHLIST)]
    assert main([*arguments, "--incidents", str(incidents)]) == EXIT_CONFIGURATION
    assert "did you mean 'orzel-air'" in capsys.readouterr().err
