"""The life of a signal: it holds, it cools, it ends, and it never flaps."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from models.detection.base import Kind, Phase, Severity
from models.detection.life import (
    CALM_TO_RESOLVE_MIN,
    HOLD_MIN,
    PHASES,
    Life,
    Sight,
    advance_life,
    decode_lives,
    encode_lives,
    enter_phase,
)
from models.detection.severity import ORDER, Impact, rate_severity

REOPEN_MIN = 360


def sight(minute: int, *, on: bool, counts: bool = True, severity: int = 1) -> Sight:
    return Sight(minute, on, on, not on, on, counts, ORDER[severity], 12.0 if on else 0.0)


def fired_life() -> Life:
    life = Life(row=0, kind=0)
    enter_phase(life, Phase.FIRING, sight(0, on=True))
    return life


def phases(life: Life, sights: list[Sight]) -> list[tuple[int, Phase]]:
    seen = []
    for s in sights:
        kept, reason = advance_life(life, s, REOPEN_MIN)
        if reason:
            seen.append((s.minute, PHASES[life.phase]))
        if not kept:
            break
    return seen


def test_a_signal_that_calms_down_cools_and_resolves() -> None:
    seen = phases(fired_life(), [sight(m, on=m < 60) for m in range(1, 200)])
    assert [phase for _, phase in seen] == [Phase.COOLING, Phase.RESOLVED]
    assert seen[1][0] == 59 + CALM_TO_RESOLVE_MIN


def test_a_signal_holds_for_a_while_even_if_it_calms_at_once() -> None:
    seen = phases(fired_life(), [sight(m, on=False) for m in range(1, 200)])
    assert seen[0] == (HOLD_MIN, Phase.COOLING)


def test_a_signal_that_another_alert_supersedes_ends_at_once_and_stays_ended() -> None:
    seen = phases(
        fired_life(),
        [replace(sight(m, on=m < 3, severity=3), superseded=m >= 3) for m in range(1, 60)],
    )
    assert seen == [(3, Phase.RESOLVED)]


def test_blind_minutes_never_cool_nor_resolve() -> None:
    sights = [sight(m, on=False, counts=False) for m in range(1, 2000)]
    assert phases(fired_life(), sights) == []


def test_a_signal_that_returns_within_six_hours_continues_and_later_is_forgotten() -> None:
    quiet = [sight(m, on=False) for m in range(1, 100)]
    life = fired_life()
    phases(life, quiet)
    assert phases(life, [sight(120, on=True)]) == [(120, Phase.FIRING)]
    life = fired_life()
    phases(life, quiet)
    kept, _ = advance_life(life, sight(99 + REOPEN_MIN + 1, on=False), REOPEN_MIN)
    assert not kept


def test_a_growing_impact_escalates_and_a_falling_one_says_nothing() -> None:
    sights = [sight(m, on=True, severity=[1, 2, 3, 1][min(m // 20, 3)]) for m in range(1, 200)]
    seen = phases(fired_life(), sights)
    assert [phase for _, phase in seen] == [Phase.ESCALATED, Phase.ESCALATED]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=600))
def test_no_sequence_of_minutes_makes_a_signal_flap(
    minutes: list[tuple[bool, bool, int]],
) -> None:
    sights = [
        sight(m + 1, on=on, counts=counts, severity=severity)
        for m, (on, counts, severity) in enumerate(minutes)
    ]
    seen = phases(fired_life(), sights)
    cooled = [m for m, phase in seen if phase is Phase.COOLING]
    assert all(b - a >= HOLD_MIN for a, b in itertools.pairwise(cooled))
    assert sum(phase is Phase.ESCALATED for _, phase in seen) <= len(ORDER) - 1
    for (_, before), (_, after) in itertools.pairwise(seen):
        assert (before, after) != (Phase.RESOLVED, Phase.COOLING)


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3))
def test_lives_come_back_from_their_array(numbers: list[int]) -> None:
    life = Life(row=numbers[0], kind=1, onset=numbers[1], seen_n=numbers[2] + 0.5)
    assert decode_lives(encode_lives([life])) == [life]


def impact(authors: float, ratio: float, reach: float = 1.0, platforms: float = 1.0) -> Impact:
    return Impact(authors, ratio, reach, platforms, copies=0.0, minutes=10.0)


@given(st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e3), st.floats(1, 5))
def test_more_impact_is_never_less_severe(
    authors: float, ratio: float, reach: float, platforms: float
) -> None:
    here = rate_severity(Kind.SURGE_NEGATIVE, impact(authors, ratio, reach, platforms))
    more = impact(authors * 2, ratio * 2, reach * 2, platforms + 1)
    assert ORDER.index(rate_severity(Kind.SURGE_NEGATIVE, more)) >= ORDER.index(here)


def test_buzz_is_information_and_a_wide_crisis_is_critical() -> None:
    assert rate_severity(Kind.SURGE, impact(1e5, 100.0)) is Severity.INFO
    assert rate_severity(Kind.SURGE_NEGATIVE, impact(1000, 10.0)) is Severity.CRITICAL
    assert rate_severity(Kind.SURGE_NEGATIVE, impact(5, 3.0)) is Severity.WARNING
