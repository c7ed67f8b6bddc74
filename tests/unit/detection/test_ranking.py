"""Which brands to look at first, and the bound that the benchmark measures against."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.detection.bound import bound_from
from models.detection.ranking import e_values, select_by_ebh
from models.detection.settings import parse_budget

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


def test_a_statistic_at_its_threshold_is_worth_an_e_value_of_one() -> None:
    assert e_values(np.array([10.6]), np.array([10.6]))[0] == pytest.approx(1.0)


@given(VALUES, st.floats(0.01, 1.0))
def test_the_rule_keeps_the_strongest_and_enough_of_each(values: list[float], level: float) -> None:
    e = np.array(values)
    kept = select_by_ebh(e, level)
    assert list(e[kept]) == sorted(values, reverse=True)[: len(kept)]
    if len(kept):
        assert e[kept].min() >= len(e) / (level * len(kept))


@given(VALUES)
def test_a_laxer_level_keeps_no_fewer(values: list[float]) -> None:
    e = np.array(values)
    assert len(select_by_ebh(e, 0.1)) <= len(select_by_ebh(e, 0.5))


def test_nothing_stands_out_where_nothing_happens() -> None:
    assert len(select_by_ebh(np.full(1000, 0.9), 0.1)) == 0


def test_presets_are_names_for_budgets() -> None:
    assert parse_budget("calm") < parse_budget("balanced") < parse_budget("eager")
    with pytest.raises(ValueError, match="choose one of"):
        parse_budget("nervous")


def gaussian_ratios(shift: float, horizon: int, samples: int) -> np.ndarray:
    """Log likelihood ratios of a shifted normal mean under the shift, shape (H, samples)."""
    x = np.random.default_rng(0).normal(shift, 1.0, (horizon, samples))
    return np.cumsum(shift * x - shift**2 / 2, axis=0)


def test_no_stopping_rule_beats_the_bound() -> None:
    gamma, horizon = 1000.0, 200
    ratios = gaussian_ratios(0.7, horizon, 4000)
    bound = bound_from(ratios, gamma)
    # The optimal sequential rule with at least this run length: Shiryaev–Roberts at gamma.
    increments = np.exp(np.diff(ratios, axis=0, prepend=0.0))
    r, delay = np.zeros(ratios.shape[1]), np.full(ratios.shape[1], float(horizon))
    for n, gain in enumerate(increments):
        r = (1 + r) * gain
        delay[(r >= gamma) & (delay == horizon)] = n + 1
    assert 0.5 * delay.mean() < bound.mean_min <= delay.mean()


def test_the_bound_falls_as_more_false_alarms_are_allowed() -> None:
    ratios = gaussian_ratios(0.5, 200, 2000)
    assert bound_from(ratios, 100.0).mean_min < bound_from(ratios, 10_000.0).mean_min
