"""A four-day story: quiet nights, a giveaway, one crisis."""

from __future__ import annotations

import pytest

from models.detection import RowSettings, make_bank
from models.detection.base import Kind, Phase, Severity, Transition

from .story import DAY, Burst, Story, minute_of

CRISIS_BEGIN = 3 * DAY + 14 * 60
CRISIS_END = CRISIS_BEGIN + 150
GIVEAWAY = (2 * DAY + 600, 2 * DAY + 720)


@pytest.fixture(scope="module")
def transitions() -> list[Transition]:
    story = Story(
        rates=[1.0, 2.0, 5.0, 10.0, 20.0],
        days=4,
        seed=3,
        bursts=[
            Burst(2, *GIVEAWAY, factor=7.0, negative=0.05),
            Burst(3, CRISIS_BEGIN, CRISIS_END, factor=4.0, negative=0.75, ramp_min=20),
        ],
    )
    bank = make_bank([RowSettings()] * 5)
    return [t for minute in story.minutes() for t in bank.step(minute)[1]]


def crisis(transitions: list[Transition]) -> list[Transition]:
    return [t for t in transitions if t.kind is Kind.SURGE_NEGATIVE]


def test_the_crisis_fires_within_minutes_and_nobody_else_is_alarmed(
    transitions: list[Transition],
) -> None:
    fired = [t for t in crisis(transitions) if t.phase is Phase.FIRING]
    assert [t.row for t in fired] == [3]
    assert CRISIS_BEGIN < minute_of(fired[0]) <= CRISIS_BEGIN + 15


def test_the_crisis_resolves_within_hours_of_its_end(transitions: list[Transition]) -> None:
    last = crisis(transitions)[-1]
    assert last.phase is Phase.RESOLVED
    assert CRISIS_END < minute_of(last) < CRISIS_END + 180


def test_a_giveaway_is_at_most_buzz_of_low_severity(transitions: list[Transition]) -> None:
    of_row = [t for t in transitions if t.row == 2]
    assert {t.kind for t in of_row} <= {Kind.SURGE}
    assert {t.severity for t in of_row} <= {Severity.INFO}


def test_the_onset_is_fixed_and_close_to_the_truth(transitions: list[Transition]) -> None:
    life = crisis(transitions)
    assert len({t.onset_ms for t in life}) == 1
    onset = minute_of(life[0]) - (life[0].decided_ms - life[0].onset_ms) // 60_000
    assert abs(onset - CRISIS_BEGIN) <= 15
    assert life[0].onset_low_ms <= life[0].onset_ms <= life[0].onset_high_ms


def test_revisions_count_up_and_are_few(transitions: list[Transition]) -> None:
    life = crisis(transitions)
    assert [t.revision for t in life] == list(range(len(life)))
    assert len(life) <= 6


def test_an_alert_says_what_was_seen_and_what_was_expected(
    transitions: list[Transition],
) -> None:
    alert = next(t for t in crisis(transitions) if t.phase is Phase.FIRING)
    assert alert.observed.negative > 3 * alert.expected.negative
    assert alert.expected.low <= alert.expected.mentions <= alert.expected.high
    assert alert.statistic >= alert.threshold
    assert 0.0 <= alert.p_chance < 1.0
    assert "negative posts" in alert.reason
    assert {"rate_per_min", "negative_share", "mood_sd"} <= alert.baseline.keys()
