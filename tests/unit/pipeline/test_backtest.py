"""`czujka backtest`: what it reads, refuses, prints and writes."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from models.alert import CrisisAlert, from_ms
from models.errors import EXIT_CONFIGURATION, EXIT_OK
from models.series import SeriesPoint
from pipeline.cli import main
from tests.support.roles import DEMO_WATCHLIST

HOUR_MS = 3_600_000
T = 1_750_000_000_000 // HOUR_MS * HOUR_MS


@pytest.fixture(scope="module")
def crisis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten quiet hours of a brand and one of rage, as a foreign CSV."""
    lines = ["when,who,number,words"]
    for minute in range(11 * 60):
        angry = minute >= 10 * 60
        for number in range(12 if angry else 1):
            time_s = T // 1000 + minute * 60 + number
            words = "terrible, cancelled, worst scandal" if angry else "on time, lovely crew"
            lines.append(
                f'{time_s},u{minute}-{number},{minute}-{number},"Orzeł Air {words} {minute * 31}"'
            )
    file = tmp_path_factory.mktemp("posts") / "posts.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


MAP = ["--map", "created_at=when", "--map", "author=who", "--map", "native_id=number"]
MAP += ["--map", "text=words"]


def backtest(*arguments: object) -> int:
    return main(["backtest", *map(str, arguments), "--watchlist", str(DEMO_WATCHLIST)])


def test_of_all_authors_only_the_one_the_watchlist_names_as_public_is_shown_by_handle(
    crisis: Path, tmp_path: Path
) -> None:
    watchlist, alerts = tmp_path / "watchlist.yaml", tmp_path / "alerts.jsonl"
    figure = '{handle: "@boss", accounts: {file: u600-0, x: u600-1}}'
    named = re.sub(r"\{handle: .*", figure, DEMO_WATCHLIST.read_text(encoding="utf-8"), count=1)
    watchlist.write_text(named, encoding="utf-8")
    arguments = ["backtest", crisis, *MAP, "--alerts", alerts, "--watchlist", watchlist]
    assert main([str(argument) for argument in arguments]) == EXIT_OK
    written = alerts.read_text(encoding="utf-8")
    assert not re.findall(r"u\d+-\d+", written)
    assert set(re.findall(r'"handle":"(.*?)"', written)) == {"@boss"}
    last = CrisisAlert.model_validate_json(written.splitlines()[-1])
    shown = [last.first_post, last.take_off.exhibit if last.take_off else None]
    assert [exhibit.handle if exhibit else None for exhibit in shown] == ["@boss", "@boss"]


def test_every_revision_and_every_minute_is_written_and_the_summary_says_what_fired(
    crisis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alerts, series = tmp_path / "alerts.jsonl", tmp_path / "series.jsonl"
    assert backtest(crisis, *MAP, "--alerts", alerts, "--minutes", series) == EXIT_OK
    written = [CrisisAlert.model_validate_json(line) for line in alerts.open()]
    assert {alert.status for alert in written} >= {"firing"}
    revisions = [a.revision for a in written if a.alert_id == written[-1].alert_id]
    assert revisions == list(range(len(revisions)))
    points = [SeriesPoint.model_validate_json(line) for line in series.open()]
    assert sum(point.mentions for point in points) == 600 + 60 * 12
    out = capsys.readouterr()
    assert out.out.startswith("1320 posts, 1320 mentions of 1 brands")
    assert "surge-negative" in out.out and "Orzeł Air: onset" in out.out
    assert out.err == "", "no terminal, no progress bar"


def test_the_summary_as_json_is_one_object_with_the_alerts_that_fired(
    crisis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(crisis, *MAP, "--json") == EXIT_OK
    summary = json.loads(capsys.readouterr().out)
    assert summary["posts"] == 1320
    assert summary["mentions"]["orzel-air"] == 1320
    assert {alert["brand"] for alert in summary["alerts"]} == {"orzel-air"}
    assert summary["refused"] == {}


def test_broken_lines_are_told_with_their_place_and_the_others_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        json.dumps({"native_id": str(number), "text": "Orzeł Air", "created_at": T + number})
        for number in range(20)
    ]
    for number in (3, 7, 11):
        lines.insert(number, '{"text": "Orzeł Air",')
    lines.insert(15, '{"text": "no time", "native_id": "1"}')
    file = tmp_path / "posts.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n\xff\xfe\n"))
    assert backtest(file, "--json") == EXIT_OK
    out = capsys.readouterr()
    summary = json.loads(out.out)
    assert summary["posts"] == 20
    assert summary["refused"] == {"broken record in the file": 5}
    assert sum(summary["mentions"].values()) == 20
    for number in (4, 8, 12, 16):
        assert f"posts.jsonl.gz:{number}: " in out.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv"], "missing.csv"),
        (["posts.csv", "--map", "words"], "expected FIELD=COLUMN"),
        (["posts.csv", "--map", "text=none"], "none"),
        (["posts.csv", *MAP, "--alerts", "no/such/folder/out.jsonl"], "cannot write"),
        (["posts.csv", *MAP, "--watchlist", "missing.yaml"], "missing.yaml"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_and_the_exit_code_is_2(
    arguments: list[str],
    said: str,
    crisis: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(crisis.parent)
    given = (
        arguments
        if "--watchlist" in arguments
        else [*arguments, "--watchlist", str(DEMO_WATCHLIST)]
    )
    assert main(["backtest", *given]) == EXIT_CONFIGURATION
    assert said in capsys.readouterr().err


def test_an_empty_file_is_no_error_and_nothing_fires(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_bytes(b"")
    assert backtest(file) == EXIT_OK
    assert capsys.readouterr().out.splitlines()[-1] == "no alert fired"


def test_the_order_of_the_file_does_not_matter(
    crisis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = crisis.read_text(encoding="utf-8").splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([head, *reversed(rows)]) + "\n", encoding="utf-8")
    for file, name in ((crisis, "a"), (turned, "b")):
        assert backtest(file, *MAP, "--alerts", tmp_path / name) == EXIT_OK
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    capsys.readouterr()


def test_labelled_incidents_are_judged_and_the_page_is_written(
    crisis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin, end = (from_ms(T + hours * HOUR_MS).isoformat() for hours in (10, 11))
    incidents = tmp_path / "incidents.csv"
    incidents.write_text(f"brand,begin,end,name\norzel-air,{begin},{end},rage\n")
    page = tmp_path / "page.html"
    arguments = [crisis, *MAP, "--incidents", incidents, "--html", page]
    assert backtest(*arguments, "--json") == EXIT_OK
    judged = json.loads(capsys.readouterr().out)["judgement"]
    assert (judged["precision"], judged["recall"]) == (1.0, 1.0)
    assert 0 < judged["median_delay_min"] < 60
    assert page.read_text(encoding="utf-8").count("<svg") >= 1
    assert backtest(*arguments) == EXIT_OK
    assert "found 1 of 1 incidents" in capsys.readouterr().out
