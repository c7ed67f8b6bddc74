from __future__ import annotations

import io

import pytest
from rich.console import Console

from models.alert import from_ms
from models.detection.base import BUCKET_MS
from pipeline.feed import News
from pipeline.ledger import Ledger
from pipeline.terminal import Happening, Progress, TerminalView, render, spark
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, past_minute, series_point

EVIL = "[bold red]x[/] [/] \x1b[2J\x1b]0;t\x07 \u202eliver [link=http://e]"


def progress(**changes: object) -> Progress:
    values: dict[str, object] = {
        "from_ms": NOON_MS,
        "to_ms": NOON_MS + 100 * BUCKET_MS,
        "posts": 1234,
        "posts_per_s": 567.8,
        "elapsed_s": 2.0,
        "address": "http://127.0.0.1:8000/",
        "note": "Ctrl-C ends it",
    }
    return Progress(**(values | changes))  # type: ignore[arg-type]


def drawn(ledger: Ledger, happenings: list[Happening] | None = None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False)
    console.print(render(ledger, progress(), happenings or []))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_view_tells_progress_brands_alerts_and_where_the_page_is() -> None:
    ledger = Ledger()
    ledger.fold_point(series_point(49, brand_name="Orzeł Air", rolling_sentiment=-0.5))
    alert = crisis_alert(brand_name="Orzeł Air")
    ledger.fold_alert(alert)
    text = drawn(ledger, [Happening(alert)])
    for expected in ("12:50", "1,234 posts", "568/s", "Orzeł Air", "-0.50", "firing error"):
        assert expected in text
    assert "FIRING" in text
    assert "http://127.0.0.1:8000/" in text


def test_before_the_first_minute_it_says_what_it_waits_for() -> None:
    text = drawn(Ledger())
    assert "not begun" in text
    assert "waiting for the first closed minute" in text
    assert "no alert so far" in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_it_fits_any_width(width: int) -> None:
    ledger = Ledger()
    ledger.fold_point(series_point(brand_name="A brand with a very long name indeed, " * 3))
    alert = crisis_alert(summary="word " * 100)
    ledger.fold_alert(alert)
    lines = drawn(ledger, [Happening(alert)], width).splitlines()
    assert max(len(line) for line in lines) <= width


def test_markup_and_control_characters_of_strangers_do_nothing() -> None:
    ledger = Ledger()
    ledger.fold_point(series_point(brand_name=EVIL))
    alert = crisis_alert(brand_name=EVIL, summary=EVIL)
    ledger.fold_alert(alert)
    text = drawn(ledger, [Happening(alert)], width=200)
    assert "[bold red]x[/]" in text
    assert not set(text) & set("\x1b\x07\u202e")


def take_off(text: str, **more: object) -> dict[str, object]:
    return {
        "exhibit": {
            "post": "x:1",
            "created_at": from_ms(NOON_MS),
            "platform": "x",
            "author": "u_0123456789abcdef",
            "reach": 90_000,
            "text": text,
            "p_negative": 0.9,
            **more,
        },
        "minutes": 15,
        "before_per_min": 1.25,
        "after_per_min": 20,
    }


@pytest.mark.parametrize("live", [True, False])
def test_the_post_after_which_it_took_off_is_told_under_the_alert(live: bool) -> None:
    alert = crisis_alert(take_off=take_off("Odwołane!", handle="@minister"))
    if live:
        text = drawn(Ledger(), [Happening(alert)])
    else:
        view, out = plain_view(Ledger())
        view.take([News("orzel-air", alert, live=True)])
        text = out.getvalue()
    assert "took off after 12:00 “Odwołane!”  x, reach 90,000, @minister" in text
    assert "1.2 → 20.0 a minute" in text or live
    over = Happening(crisis_alert(status="resolved", take_off=take_off("Odwołane!")))
    assert "took off" not in drawn(Ledger(), [over])


def test_a_strangers_post_does_nothing_to_the_terminal() -> None:
    text = drawn(Ledger(), [Happening(crisis_alert(take_off=take_off(EVIL)))], width=300)
    assert "[bold red]x[/]" in text
    assert not set(text) & set("\x1b\x07\u202e")


def plain_view(ledger: Ledger) -> tuple[TerminalView, io.StringIO]:
    out = io.StringIO()
    return TerminalView(ledger, Console(file=out, highlight=False)), out


def test_without_a_terminal_each_change_of_status_is_one_line() -> None:
    view, out = plain_view(Ledger())
    revisions = [(0, "pending"), (1, "firing"), (2, "firing"), (3, "resolved")]
    with view:
        for revision, status in revisions:
            alert = crisis_alert(revision, status, summary="long " * 60)
            view.take([News(alert.brand, alert, True)])
            view.take([News("orzel-air", series_point(), True)])
    lines = out.getvalue().splitlines()
    assert [line.split()[3] for line in lines] == ["PENDING", "FIRING", "RESOLVED"]
    assert "\x1b" not in out.getvalue()


def test_without_a_terminal_progress_is_told_ten_times_at_most() -> None:
    ledger = Ledger()
    view, out = plain_view(ledger)
    with view:
        view.show(progress())
        for minute in range(120):
            ledger.fold_point(series_point(minute))
            view.show(progress(posts=minute))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [f"{share}%" for share in range(10, 101, 10)]


def test_without_a_terminal_the_foot_is_told_when_asked_for() -> None:
    view, out = plain_view(Ledger())
    with view:
        view.tell_foot(progress(note="sign in with the token abc"))
    (line,) = out.getvalue().splitlines()
    assert line == "page: http://127.0.0.1:8000/   sign in with the token abc"


def test_a_long_note_is_drawn_whole() -> None:
    note = " ".join(f"word{number}" for number in range(40))
    out = io.StringIO()
    with TerminalView(Ledger(), Console(file=out, force_terminal=True, width=100)) as view:
        view.tell_foot(progress(note=note))
        assert "word" not in out.getvalue()
        view.show(progress(note=note))
    assert all(f"word{number}" in out.getvalue() for number in range(40))


def test_on_a_terminal_the_view_is_drawn_in_place() -> None:
    ledger = Ledger()
    out = io.StringIO()
    with TerminalView(ledger, Console(file=out, force_terminal=True, width=100)) as view:
        alert = crisis_alert()
        ledger.fold_alert(alert)
        view.take([News(alert.brand, alert, True)])
        assert "FIRING" not in out.getvalue()
        view.show(progress())
        assert "FIRING" in out.getvalue()


def test_the_spark_is_scaled_to_its_peak() -> None:
    points = [past_minute(m, mentions=n) for m, n in enumerate([0, 4, 8])]
    assert spark(points) == "▁▅█"
    assert spark([past_minute(0, mentions=0)]) == "▁"
    assert len(spark([past_minute(m) for m in range(500)], columns=10)) == 10
