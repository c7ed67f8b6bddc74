"""The outlook follows what comes, with an interval that widens, and says nothing of too little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.outlook import HOURS, look_ahead

COUNTS = st.lists(st.integers(0, 10_000), min_size=60, max_size=60)


def test_a_usual_hour_promises_usual_hours() -> None:
    outlook = look_ahead([4.0] * 60, 4.0)
    assert outlook is not None
    for ahead in outlook.ahead:
        assert ahead.low < 240 * ahead.hours < ahead.high
        assert abs(ahead.mentions - 240 * ahead.hours) < 1


def test_what_grew_promises_more_than_what_fell() -> None:
    rose = look_ahead([10.0] * 15 + [40.0] * 15, 4.0)
    fell = look_ahead([70.0] * 15 + [40.0] * 15, 4.0)
    assert rose is not None
    assert fell is not None
    assert rose.growth_per_hour > fell.growth_per_hour
    assert rose.ahead[0].mentions > fell.ahead[0].mentions


def test_what_began_minutes_ago_is_taken_at_its_own_rate() -> None:
    counts = [4.0] * 54 + [64.0] * 6
    known, unknown = look_ahead(counts, 4.0, since_min=6), look_ahead(counts, 4.0)
    settled = look_ahead([4.0] * 30 + [64.0] * 30, 4.0)
    assert known is not None
    assert unknown is not None
    assert settled is not None
    assert unknown.ahead[0].mentions < 0.6 * settled.ahead[0].mentions
    assert known.ahead[0].mentions >= 0.9 * settled.ahead[0].mentions


def test_of_what_is_young_less_is_known() -> None:
    def width(old_min: int) -> float:
        outlook = look_ahead([4.0] * (60 - old_min) + [64.0] * old_min, 4.0, old_min)
        assert outlook is not None
        return outlook.ahead[0].high / outlook.ahead[0].low

    assert width(10) > 3 * width(40)


def test_too_few_minutes_promise_nothing() -> None:
    assert look_ahead([5.0] * 29, 4.0) is None


@given(COUNTS, st.floats(0, 1000))
def test_the_interval_holds_its_middle_and_widens_with_time(
    counts: list[int], usual: float
) -> None:
    outlook = look_ahead(counts, usual)
    assert outlook is not None
    assert [ahead.hours for ahead in outlook.ahead] == list(HOURS)
    assert all(0 <= a.low <= a.mentions <= a.high for a in outlook.ahead)
    widths = [(a.high + 1) / (a.low + 1) for a in outlook.ahead]
    assert widths == sorted(widths) or usual < 1
    assert outlook.growth_per_hour > 0
