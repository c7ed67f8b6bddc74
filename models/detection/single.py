"""The detector for one brand behind River's interface."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from river import base

from models.detection.bank import TwoNullBank
from models.detection.base import BUCKET_MS, Minute, RowSettings
from models.detection.settings import PERIOD_MIN, DetectionSettings
from models.sentiment.bins import N_BINS

_MOST = 1e7
_ALONE = DetectionSettings(pool_min_rows=10**9)


class TwoNullDetector(base.AnomalyDetector):  # type: ignore[misc]  # River is untyped here
    """Crisis detector for one brand: a Shiryaev–Roberts test against two nulls.

    One call of `learn_one` is one minute. Features: `posts` and `negative` of the minute (missing
    ones count as 0; others are ignored), or `bin_0` … `bin_11`, posts by bin of P(negative).

    Parameters
    ----------
    false_alarms
        Allowed false alarms in four weeks.
    start_min
        Minutes since the epoch of the first minute; places the hours of the week.

    Examples:
    --------
    >>> from models.detection.single import TwoNullDetector
    >>> detector = TwoNullDetector(false_alarms=1.0)
    >>> for _ in range(300):
    ...     detector.learn_one({"posts": 2, "negative": 0})
    >>> detector.score_one({"posts": 2, "negative": 0}) < 0.5
    True
    >>> for _ in range(15):
    ...     detector.learn_one({"posts": 12, "negative": 9})
    >>> detector.score_one({"posts": 12, "negative": 9}) > 0.5
    True
    """

    def __init__(self, false_alarms: float = 1.0, start_min: int = 29_000_160) -> None:
        self.false_alarms = false_alarms
        self.start_min = start_min
        self._minute = start_min
        self._bank = TwoNullBank([RowSettings(false_alarms, PERIOD_MIN)], _ALONE)

    def learn_one(self, x: dict[base.typing.FeatureName, Any]) -> None:
        """Takes a minute."""
        self._bank.step(self._minute_of(x))
        self._minute += 1

    def score_one(self, x: dict[base.typing.FeatureName, Any]) -> float:
        """Strangeness of the brand if this were its next minute, in [0, 1]; it fires above 0.5."""
        twin = TwoNullBank(self._bank.rows, _ALONE)
        twin.load(self._bank.save())
        reading, _ = twin.step(self._minute_of(x))
        excess = float(reading.statistic[0] - reading.threshold[0])
        return 1.0 / (1.0 + math.exp(-min(max(excess, -50.0), 50.0)))

    def _minute_of(self, x: dict[base.typing.FeatureName, Any]) -> Minute:
        histogram = np.zeros((1, N_BINS))
        if any(f"bin_{k}" in x for k in range(N_BINS)):
            for k in range(N_BINS):
                histogram[0, k] = _count(x.get(f"bin_{k}", 0.0))
        else:
            posts, negative = _count(x.get("posts", 0.0)), _count(x.get("negative", 0.0))
            histogram[0, -1] = negative
            histogram[0, 0] = max(posts - negative, 0.0)
        n, negative = histogram.sum(axis=1), histogram[:, N_BINS // 2 :].sum(axis=1)
        nothing, one = np.zeros(1), np.ones(1)
        return Minute(
            bucket_ms=self._minute * BUCKET_MS,
            mentions=n,
            histogram=histogram,
            late_histogram=np.zeros((1, N_BINS)),
            copies=nothing,
            negative_authors=negative,
            authors=n,
            reach=nothing,
            negative_reach=nothing,
            platforms=one,
            coverage=one,
        )


def _count(value: Any) -> float:
    """A count from a feature: numbers are clipped to what a minute can hold, others are 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return float(min(max(value, 0.0), _MOST))
