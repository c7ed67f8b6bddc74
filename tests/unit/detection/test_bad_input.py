"""What a bank makes of bad days: silence, gaps, jumps, floods, outages, a whole platform rising."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from models.detection import DetectionSettings, RowSettings, make_bank
from models.detection.base import (
    ALL_ROWS,
    BUCKET_MS,
    Bank,
    Kind,
    Minute,
    Phase,
    PlannedEvent,
    Severity,
    Transition,
)
from models.sentiment.bins import N_BINS

from .story import DAY, MONDAY_MIN, Burst, Story, label_posts, make_minute, minute_of, profile_at

PAGING = {Kind.SURGE_NEGATIVE, Kind.MOOD}
ALONE = DetectionSettings(pool_min_rows=1000)
"""Brands that do not rise together even if they do."""


def run(bank: Bank, minutes: Iterable[Minute]) -> list[Transition]:
    return [t for minute in minutes for t in bank.step(minute)[1]]


def fired(transitions: list[Transition], *kinds: Kind) -> list[Transition]:
    wanted = set(kinds) or set(Kind)
    return [t for t in transitions if t.kind in wanted and t.phase is Phase.FIRING]


def posts_of(rng: np.random.Generator, rate: float | np.ndarray, share: float) -> np.ndarray:
    n = rng.poisson(np.atleast_1d(rate))
    negative = rng.binomial(n, share)
    return label_posts(rng, negative, n - negative)


def test_a_brands_first_minutes_raise_nothing_whatever_they_bring() -> None:
    rng = np.random.default_rng(0)
    minutes = (make_minute(t, posts_of(rng, 200.0, 0.9)) for t in range(120))
    assert fired(run(make_bank([RowSettings()]), minutes)) == []


def test_a_week_of_silence_and_the_return_of_usual_business_page_nobody() -> None:
    rng = np.random.default_rng(1)
    bank = make_bank([RowSettings()])
    silent = range(3 * DAY, 10 * DAY)
    minutes = (
        make_minute(t, posts_of(rng, 0.0 if t in silent else 3 * profile_at(t, 0.3), 0.2))
        for t in range(11 * DAY)
    )
    assert fired(run(bank, minutes), *PAGING) == []


def test_a_level_that_jumps_and_stays_alarms_once_and_ends_within_two_days() -> None:
    rng = np.random.default_rng(2)
    bank = make_bank([RowSettings()])
    jump = 16 * DAY
    minutes = (
        make_minute(t, posts_of(rng, (12.0 if t >= jump else 2.0) * profile_at(t, 0.4), 0.2))
        for t in range(21 * DAY)
    )
    transitions = [t for t in run(bank, minutes) if minute_of(t) >= jump]
    assert fired(transitions, *PAGING) == []
    last = [t for t in transitions if t.kind is Kind.SURGE]
    assert last == [] or (last[-1].phase is Phase.RESOLVED and minute_of(last[-1]) < jump + 2 * DAY)


def test_a_mood_that_turns_and_stays_with_more_posts_ends_within_two_days() -> None:
    rng = np.random.default_rng(3)
    bank = make_bank([RowSettings()])
    turn = 16 * DAY

    def posts(t: int) -> np.ndarray:
        rate, share = (8.0, 0.6) if t >= turn else (2.0, 0.2)
        return posts_of(rng, rate * profile_at(t, 0.4), share)

    transitions = run(bank, (make_minute(t, posts(t)) for t in range(21 * DAY)))
    crisis = [t for t in transitions if t.kind is Kind.SURGE_NEGATIVE]
    assert minute_of(fired(crisis)[0]) < turn + 30
    assert crisis[-1].phase is Phase.RESOLVED
    assert minute_of(crisis[-1]) < turn + 2 * DAY
    assert len(crisis) <= 15


@pytest.mark.parametrize("gap_min", [1, 7, 90, 1000, 40_000])
def test_a_gap_counts_as_blind_and_pages_nobody(gap_min: int) -> None:
    rng = np.random.default_rng(4)
    bank = make_bank([RowSettings()])
    before = [make_minute(t, posts_of(rng, 3.0, 0.2)) for t in range(2 * DAY)]
    after = [make_minute(2 * DAY + gap_min + t, posts_of(rng, 3.0, 0.2)) for t in range(400)]
    run(bank, before)
    transitions = run(bank, after)
    assert fired(transitions, *PAGING) == []
    blind = [t for t in transitions if t.kind is Kind.COVERAGE]
    assert bool(blind) == (gap_min >= 5)
    assert not blind or blind[-1].phase is Phase.RESOLVED


def test_a_clock_that_jumps_back_is_refused() -> None:
    bank = make_bank([RowSettings()])
    minute = make_minute(100, np.zeros((1, N_BINS)))
    bank.step(minute)
    with pytest.raises(ValueError, match="strictly increasing"):
        bank.step(replace(minute, bucket_ms=minute.bucket_ms - 60 * BUCKET_MS))


def test_the_change_to_daylight_saving_time_pages_nobody() -> None:
    rng = np.random.default_rng(5)
    bank = make_bank([RowSettings()])
    minutes = (
        make_minute(t, posts_of(rng, 5 * profile_at(t + (60 if t >= 14 * DAY else 0), 0.1), 0.2))
        for t in range(17 * DAY)
    )
    assert fired(run(bank, minutes), *PAGING) == []


@pytest.mark.parametrize("count", [0.0, 1.0, 1e6])
def test_counts_from_none_to_a_million_a_minute_stay_finite(count: float) -> None:
    histogram = np.full((1, N_BINS), count / N_BINS)
    bank = make_bank([RowSettings()])
    for t in range(300):
        reading, _ = bank.step(make_minute(t, histogram))
    for name in ("expected", "low", "high", "expected_negative_share", "statistic", "threshold"):
        assert np.isfinite(getattr(reading, name)).all(), name
    assert reading.low[0] <= reading.expected[0] <= reading.high[0]


def test_a_million_negative_posts_in_a_minute_do_not_break_the_bank() -> None:
    rng = np.random.default_rng(6)
    bank = make_bank([RowSettings()])
    run(bank, (make_minute(t, posts_of(rng, 2.0, 0.2)) for t in range(DAY)))
    flood = np.zeros((1, N_BINS))
    flood[0, -1] = 1e6
    for t in range(DAY, DAY + 10):
        reading, _ = bank.step(make_minute(t, flood))
        assert np.isfinite(reading.statistic).all()


def test_an_outage_and_its_backlog_page_nobody_but_tell_of_lost_coverage() -> None:
    rng = np.random.default_rng(7)
    bank = make_bank([RowSettings()])
    out = (3 * DAY + 600, 3 * DAY + 660)
    backlog = np.zeros((1, N_BINS))
    transitions = []
    for t in range(4 * DAY):
        histogram, late = posts_of(rng, 8.0, 0.2), None
        if out[0] <= t < out[1]:
            backlog += histogram
            histogram *= 0
        elif t >= out[1] and backlog.sum() > 0:
            late = np.minimum(backlog, np.ceil(backlog * 0.3))
            backlog = backlog - late
        coverage = 0.0 if out[0] <= t < out[1] else 1.0
        transitions += bank.step(make_minute(t, histogram, coverage, late=late))[1]
    assert fired(transitions, *PAGING, Kind.SURGE) == []
    coverage_life = [t for t in transitions if t.kind is Kind.COVERAGE]
    assert coverage_life[0].phase is Phase.FIRING
    assert coverage_life[0].onset_ms == (MONDAY_MIN + out[0]) * BUCKET_MS
    assert coverage_life[-1].phase is Phase.RESOLVED


def test_no_alert_resolves_while_we_are_blind() -> None:
    story = Story(
        rates=[5.0],
        days=3,
        seed=8,
        bursts=[Burst(0, 2 * DAY + 600, 2 * DAY + 700, 5.0, 0.8)],
        blind=(2 * DAY + 690, 2 * DAY + 1200),
    )
    transitions = run(make_bank([RowSettings()]), story.minutes())
    crisis = [t for t in transitions if t.kind is Kind.SURGE_NEGATIVE]
    assert fired(crisis)
    assert all(not 2 * DAY + 691 < minute_of(t) <= 2 * DAY + 1200 for t in crisis)


def test_when_all_brands_rise_together_it_is_told_once_and_for_all() -> None:
    rng = np.random.default_rng(9)
    rates = np.linspace(3.0, 12.0, 12)
    bank = make_bank([RowSettings()] * 12)
    rise = (2 * DAY + 300, 2 * DAY + 420)

    def posts(t: int) -> np.ndarray:
        factor = 1.0 + 2.0 * min(1.0, max(0.0, (t - rise[0]) / 10)) if t < rise[1] else 1.0
        return posts_of(rng, rates * factor, 0.2)

    transitions = run(bank, (make_minute(t, posts(t)) for t in range(3 * DAY)))
    told = [t for t in fired(transitions) if minute_of(t) >= rise[0]]
    assert [(t.row, t.kind, t.severity) for t in told] == [(ALL_ROWS, Kind.SURGE, Severity.WARNING)]
    assert "platform effect" in told[0].reason
    assert told[0].observed.mentions > 1.5 * told[0].expected.mentions
    assert rise[0] - 15 <= told[0].onset_ms // BUCKET_MS - MONDAY_MIN <= rise[0] + 15
    end = [t for t in transitions if t.row == ALL_ROWS][-1]
    assert end.phase is Phase.RESOLVED
    assert rise[1] < minute_of(end) < rise[1] + 120


def test_when_all_brands_are_blind_it_is_told_once_and_for_all() -> None:
    story = Story(rates=[2.0] * 6, days=1, seed=12, night=0.8, blind=(600, 700))
    transitions = run(make_bank([RowSettings()] * 6), story.minutes())
    coverage = [t for t in transitions if t.kind is Kind.COVERAGE]
    assert {t.row for t in coverage} == {ALL_ROWS}
    assert [t.phase for t in coverage][:1] == [Phase.FIRING]
    assert coverage[0].onset_ms == (MONDAY_MIN + 600) * BUCKET_MS
    assert coverage[-1].phase is Phase.RESOLVED


def test_a_brand_that_alone_is_blind_is_told_by_its_name() -> None:
    bank = make_bank([RowSettings()] * 3)
    transitions = []
    for t in range(200):
        minute = make_minute(t, np.zeros((3, N_BINS)))
        coverage = np.array([1.0, 0.1 if t >= 100 else 1.0, 1.0])
        transitions += bank.step(replace(minute, coverage=coverage))[1]
    assert {t.row for t in transitions if t.kind is Kind.COVERAGE} == {1}


def test_a_crisis_of_one_brand_is_found_while_all_rise_together() -> None:
    rng = np.random.default_rng(10)
    rates = np.full(12, 6.0)
    bank = make_bank([RowSettings()] * 12)
    begin = 2 * DAY + 300

    def posts(t: int) -> np.ndarray:
        histogram = posts_of(rng, rates * (2.0 if t >= begin else 1.0), 0.2)
        if t >= begin + 30:
            histogram[4] += posts_of(rng, 25.0, 0.8)[0]
        return histogram

    transitions = run(bank, (make_minute(t, posts(t)) for t in range(2 * DAY + 480)))
    paged = fired(transitions, Kind.SURGE_NEGATIVE)
    assert [t.row for t in paged] == [4]


def test_a_planned_event_keeps_buzz_quiet_and_never_hides_a_crisis() -> None:
    event = PlannedEvent(
        (MONDAY_MIN + 2 * DAY) * BUCKET_MS, (MONDAY_MIN + 3 * DAY) * BUCKET_MS, "sale"
    )
    bursts = [
        Burst(0, 2 * DAY + 300, 2 * DAY + 900, 7.0, 0.1),
        Burst(1, 2 * DAY + 300, 2 * DAY + 900, 7.0, 0.7),
    ]
    story = Story(rates=[5.0, 5.0], days=3, seed=11, bursts=bursts)
    transitions = run(make_bank([RowSettings(events=(event,))] * 2), story.minutes())
    assert fired([t for t in transitions if t.row == 0]) == []
    crisis = fired([t for t in transitions if t.row == 1], Kind.SURGE_NEGATIVE)
    assert minute_of(crisis[0]) < 2 * DAY + 330


def test_a_flood_of_copies_is_marked_as_coordinated_and_is_no_crisis() -> None:
    rng = np.random.default_rng(12)
    bank = make_bank([RowSettings()])
    flood = range(2 * DAY + 600, 2 * DAY + 660)
    transitions = []
    for t in range(3 * DAY):
        copies = rng.poisson(40.0, 1).astype(float) if t in flood else None
        leaked = posts_of(rng, 2.0, 0.5) if t in flood else 0.0
        histogram = posts_of(rng, 4.0, 0.2) + leaked
        transitions += bank.step(make_minute(t, histogram, copies=copies))[1]
    assert [t.kind for t in fired(transitions)] == [Kind.COORDINATED]
    assert "near-identical" in fired(transitions)[0].reason


def test_a_mood_that_turns_at_usual_volume_is_told_as_mood() -> None:
    rng = np.random.default_rng(13)
    bank = make_bank([RowSettings()])
    turn = range(2 * DAY + 600, 2 * DAY + 780)
    minutes = (
        make_minute(t, posts_of(rng, 6.0, 0.6 if t in turn else 0.2)) for t in range(3 * DAY)
    )
    kinds = {t.kind for t in fired(run(bank, minutes))}
    assert Kind.MOOD in kinds or Kind.SURGE_NEGATIVE in kinds
    assert Kind.SURGE not in kinds


def test_settings_that_cannot_work_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="row 0"):
        make_bank([RowSettings(false_alarms=0)])
    with pytest.raises(ValueError, match="cannot be imported"):
        make_bank([RowSettings()], DetectionSettings(detectors=("two-null", "river.no.Such")))
    with pytest.raises(ValueError, match="not one of River's"):
        make_bank([RowSettings()], DetectionSettings(detectors=("river.stats.Mean",)))


def test_a_giveaway_after_an_angry_day_pages_nobody() -> None:
    angry, giveaway = (5 * DAY + 480, 6 * DAY), (6 * DAY + 600, 6 * DAY + 700)
    rows = range(12)
    bursts = [Burst(row, *angry, 0.5, 0.85) for row in rows]
    bursts += [Burst(row, *giveaway, 8.0, 0.12) for row in rows]
    story = Story(rates=[0.3] * len(rows), days=7, seed=0, share=0.35, bursts=bursts)
    transitions = run(make_bank([RowSettings()] * len(rows), ALONE), story.minutes())
    paged = fired(transitions, *PAGING)
    assert [t for t in paged if minute_of(t) >= giveaway[0]] == []
