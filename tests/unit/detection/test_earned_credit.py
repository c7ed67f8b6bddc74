"""A brand earns credit towards its threshold by its own quiet history, and loses it likewise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.detection import RowSettings, columns, kernel
from models.detection.bank import TwoNullBank
from models.detection.base import Floats

from .story import Story

DAY_MIN = 1440.0
DUE_IN_FOUR_WEEKS = np.exp(3.0)

counts = st.floats(0.0, 1e4)
rates = st.floats(1e-3, 1e3)


def history(rises: float, due: float, age_days: float = 28.0, per_min: float = 1.0) -> Floats:
    """A row that has shown this of itself."""
    row = np.zeros(columns.N_CORE)
    row[columns.AGE] = age_days * DAY_MIN
    row[columns.LEVEL_T] = 1e6
    row[columns.LEVEL_N] = 1e6 * per_min
    row[columns.RISES], row[columns.RISES_DUE] = rises, due
    return row


def test_a_new_brand_has_earned_nothing() -> None:
    assert kernel.earned_of(history(0.0, 0.0, age_days=0.0)) == 0.0


@given(counts, counts, st.floats(0.0, 100.0), rates)
def test_credit_is_bounded_whatever_happened(
    rises: float, due: float, age_days: float, per_min: float
) -> None:
    earned = kernel.earned_of(history(rises, due, age_days, per_min))
    assert kernel.EARNED_LEAST <= earned <= kernel.EARNED_MOST


@given(counts, counts, counts, rates)
def test_more_rises_never_earn_more(few: float, more: float, due: float, per_min: float) -> None:
    quiet = kernel.earned_of(history(min(few, more), due, per_min=per_min))
    assert kernel.earned_of(history(max(few, more), due, per_min=per_min)) <= quiet


def test_a_brand_that_spends_its_budget_has_nothing_to_spare() -> None:
    assert kernel.earned_of(history(DUE_IN_FOUR_WEEKS, DUE_IN_FOUR_WEEKS)) <= 0.0


def test_one_rise_more_or_less_moves_the_credit_by_a_tenth_of_a_nat_at_most() -> None:
    for rises in range(20):
        step = kernel.earned_of(history(rises, 20.0)) - kernel.earned_of(history(rises + 1, 20.0))
        assert 0.0 < step <= 0.1


def test_a_rise_that_goes_on_or_returns_within_hours_is_one_and_another_day_another() -> None:
    bank = TwoNullBank([RowSettings()])
    crisis = slice(columns.CRISIS, columns.BENIGN + columns.N_ALT)
    bank.core[0, columns.AGE] = 6 * DAY_MIN
    bank.core[0, columns.SINCE_RISE] = 1e5
    seen: list[float] = []
    for minute in Story(rates=[1.0], days=0.7, seed=1).minutes():
        step = len(seen)
        bank.core[0, crisis] = np.exp(10.0) if step in (5, 6, 100, 900) else 0.0
        bank.step(minute)
        seen.append(round(float(bank.core[0, columns.RISES]), 2))
    assert [seen[k] for k in (4, 5, 6, 100, 899, 900)] == [0.0, 1.0, 1.0, 1.0, 0.99, 1.99]


def test_no_rise_is_due_while_nothing_is_seen() -> None:
    bank = TwoNullBank([RowSettings()])
    bank.core[0, columns.AGE] = 6 * DAY_MIN
    for minute in Story(rates=[1.0], days=0.05, seed=1, blind=(0, 72)).minutes():
        bank.step(minute)
    assert bank.core[0, columns.RISES_DUE] == 0.0
