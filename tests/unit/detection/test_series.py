"""Scores of a bare series: causal, comparable, one incident once; and NAB's scoring rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.nab.scoring import Labelled, normalised_score, raw_score
from models.detection.series import score_series

ROWS = 2000
TIMES = np.arange(ROWS, dtype=np.int64) * 300_000


def usual(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(50, ROWS).astype(float)


def test_a_spike_is_the_strangest_row() -> None:
    values = usual()
    values[1500] += 400
    assert int(np.argmax(score_series(TIMES, values))) == 1500


def test_an_incident_of_an_hour_is_reported_once() -> None:
    values = usual()
    values[1500:1512] += 400
    scores = score_series(TIMES, values)
    assert np.count_nonzero(scores[1500:1540] > 0.3) == 1


def test_a_stranger_row_within_the_day_counts_again() -> None:
    values = usual()
    values[1500] += 150
    values[1600] += 5000
    scores = score_series(TIMES, values)
    assert scores[1600] > scores[1500] > 0.2


@settings(max_examples=20, deadline=None)
@given(st.integers(400, ROWS - 1))
def test_a_score_depends_on_earlier_rows_alone(cut: int) -> None:
    values = usual(1)
    values[700] += 300
    assert np.array_equal(
        score_series(TIMES[:cut], values[:cut]), score_series(TIMES, values)[:cut]
    )


@given(
    st.lists(
        st.one_of(st.floats(0, 1e9), st.just(float("nan")), st.just(float("inf"))), max_size=500
    )
)
def test_any_values_give_scores_between_0_and_1(values: list[float]) -> None:
    scores = score_series(np.arange(len(values), dtype=np.int64), np.array(values, dtype=float))
    assert scores.shape == (len(values),)
    assert np.all((scores >= 0) & (scores <= 1))


def test_time_that_runs_backwards_is_refused_with_the_row() -> None:
    with pytest.raises(ValueError, match="row 2"):
        score_series(np.array([0, 5, 4]), np.ones(3))


def file(scores: dict[int, float], windows: tuple[tuple[int, int], ...]) -> Labelled:
    values = np.zeros(10_000)
    for row, score in scores.items():
        values[row] = score
    return Labelled("file", values, windows)


def test_no_alert_scores_zero_and_one_at_once_scores_a_hundred() -> None:
    windows = ((2000, 2400),)
    assert normalised_score([file({}, windows)], 0.5) == 0.0
    assert normalised_score([file({2000: 1.0}, windows)], 0.5) == pytest.approx(100.0, abs=0.1)


def test_late_in_the_window_earns_less_and_more_alerts_earn_no_more() -> None:
    windows = ((2000, 2400),)
    early, late = file({2010: 1.0}, windows), file({2390: 1.0}, windows)
    both = file({2010: 1.0, 2390: 1.0}, windows)
    assert raw_score(early, 0.5) > raw_score(late, 0.5) > 0
    assert raw_score(both, 0.5) == raw_score(early, 0.5)


def test_a_false_alarm_costs_more_the_farther_it_is_from_the_window_before() -> None:
    windows = ((2000, 2400),)
    hit = raw_score(file({2000: 1.0}, windows), 0.5)
    near = hit - raw_score(file({2000: 1.0, 2410: 1.0}, windows), 0.5)
    far = hit - raw_score(file({2000: 1.0, 5000: 1.0}, windows), 0.5)
    before = hit - raw_score(file({2000: 1.0, 1500: 1.0}, windows), 0.5)
    assert 0 < near < far == pytest.approx(0.11)
    assert before == pytest.approx(0.11)


def test_the_first_rows_do_not_count() -> None:
    windows = ((2000, 2400),)
    assert raw_score(file({10: 1.0, 749: 1.0}, windows), 0.5) == -1.0
