"""Small simulated stories for the tests: counts by minute for some brands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.detection.base import BUCKET_MS, Minute, Transition
from models.sentiment.bins import N_BINS

DAY = 1440
MONDAY_MIN = 29_836_800 - 29_836_800 % (7 * DAY) + 4 * DAY
"""A Monday 00:00 UTC, minutes since the epoch."""


@dataclass
class Burst:
    """Posts added to a row between two minutes of the story."""

    row: int
    begin: int
    end: int
    factor: float
    negative: float
    ramp_min: int = 0


@dataclass
class Story:
    """Rates, mood and bursts; `minutes` yields what a bank is given."""

    rates: list[float]
    days: float
    seed: int = 0
    night: float = 0.2
    share: float = 0.18
    bursts: list[Burst] = field(default_factory=list)
    blind: tuple[int, int] = (0, 0)

    def minutes(self) -> Iterator[Minute]:
        rng = np.random.default_rng(self.seed)
        rates = np.array(self.rates)
        for t in range(int(self.days * DAY)):
            lam = rates * profile_at(t, self.night)
            n = rng.poisson(rng.gamma(10.0, lam / 10.0))
            negative = rng.binomial(n, self.share)
            other = n - negative
            for burst in self.bursts:
                if burst.begin <= t < burst.end:
                    size = burst.factor * lam[burst.row]
                    if burst.ramp_min:
                        size *= min(1.0, (t - burst.begin + 1) / burst.ramp_min)
                    extra = rng.poisson(size)
                    angry = rng.binomial(extra, burst.negative)
                    negative[burst.row] += angry
                    other[burst.row] += extra - angry
            seen = not self.blind[0] <= t < self.blind[1]
            yield make_minute(t, label_posts(rng, negative, other) * seen, 1.0 * seen)


def profile_at(t: int, night: float) -> float:
    """A day with a quiet night, between `night` and 1."""
    return night + (1.0 - night) * 0.5 * (1.0 - np.cos(2 * np.pi * (t % DAY) / DAY))


def label_posts(
    rng: np.random.Generator, negative: npt.NDArray[np.int64], other: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Histograms of P(negative) as a fair model gives them, shape (R, N_BINS)."""
    histogram = np.zeros((len(negative), N_BINS))
    for r in range(len(negative)):
        p = np.concatenate([rng.beta(4, 1.5, negative[r]), rng.beta(1.2, 5, other[r])])
        bins = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
        np.add.at(histogram[r], bins, 1.0)
    return histogram


def make_minute(
    t: int,
    histogram: npt.NDArray[np.float64],
    coverage: float = 1.0,
    *,
    late: npt.NDArray[np.float64] | None = None,
    copies: npt.NDArray[np.float64] | None = None,
) -> Minute:
    """A minute of a story from its histogram; every post by an author of its own."""
    n, negative = histogram.sum(axis=1), histogram[:, N_BINS // 2 :].sum(axis=1)
    nothing = np.zeros(len(n))
    copies = nothing if copies is None else copies
    return Minute(
        bucket_ms=(MONDAY_MIN + t) * BUCKET_MS,
        mentions=n + copies,
        histogram=histogram,
        late_histogram=np.zeros_like(histogram) if late is None else late,
        copies=copies,
        negative_authors=negative,
        authors=n,
        reach=300.0 * n,
        negative_reach=300.0 * negative,
        platforms=np.minimum(n, 2.0),
        coverage=np.full(len(n), coverage),
    )


def minute_of(transition: Transition) -> int:
    """Minute of the story at whose end a transition was decided."""
    return transition.decided_ms // BUCKET_MS - MONDAY_MIN
