"""The week that rates are learnt as: hours shrunk to the day, sparse ones to their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection import columns, kernel
from models.detection.base import Floats

HOURS = np.arange(columns.HOURS)
WEEKS = 3
MINUTES = np.full(columns.HOURS, 60.0 * WEEKS * columns.EXPOSURE_SCALE, dtype=np.uint16)
FLAT = np.ones(columns.HOURS)


def rates(posts: Floats, level_per_min: float) -> Floats:
    found = [
        kernel.rates_at(hour, level_per_min, posts.astype(np.float32), MINUTES, FLAT)[0]
        for hour in range(columns.HOURS)
    ]
    return np.array(found)


def quiet_weekend(per_min: float, weekend: float = 0.75) -> Floats:
    """Posts a minute by hour of the week: nights a fifth of noon, weekends three quarters."""
    day = np.exp(0.8 * np.cos((HOURS % 24 - 13) * np.pi / 12))
    return np.asarray(per_min * day * np.where(HOURS >= 120, weekend, 1.0))


@pytest.mark.parametrize(("weekend", "known_to"), [(1.0, 0.15), (0.75, 0.17), (0.5, 0.26)])
def test_three_weeks_of_a_sparse_brand_tell_its_week(weekend: float, known_to: float) -> None:
    truth = quiet_weekend(0.1, weekend)
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(20):
        posts = rng.poisson(truth * 60 * WEEKS).astype(float)
        errors.append(np.log(rates(posts, 0.1) / truth))
    assert np.sqrt(np.mean(np.square(errors))) < known_to


def test_one_hour_of_the_week_that_differs_is_learnt_where_posts_are_many() -> None:
    truth = quiet_weekend(10.0)
    show = 3 * 24 + 20  # Thursday, eight in the evening
    truth[show] *= 4.0
    found = rates(truth * 60 * WEEKS, 10.0)
    assert found[show] > 0.7 * truth[show]
    assert abs(np.log(found[show + 24] / truth[show + 24])) < 0.35


def test_an_hour_of_which_nothing_is_known_follows_the_pooled_week() -> None:
    shape = quiet_weekend(1.0)
    nothing = np.zeros(columns.HOURS, dtype=np.float32)
    never = np.zeros(columns.HOURS, dtype=np.uint16)
    left, right, uncertain = kernel.rates_at(12, 2.0, nothing, never, shape)
    assert np.allclose([left, right], 2.0 * shape[12:14])
    assert uncertain == kernel.PROFILE_SD
