"""Brands whose volumes are real: five Twitter volumes of NAB, with real posts as their texts.

The counts of a brand are those of a trace, some thinned; what is written comes from labelled posts
to airlines, drawn anew for each, and is labelled by the sentiment model that ships. So volumes,
their spikes and the errors of the labels are real; which posts are angry is drawn, with a mood that
drifts, and crises are added. Nothing here is known to the detector's model, and no bound is known.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.detection.worlds import (
    DAY,
    HOUR,
    MOOD_SD,
    MOOD_TAU_MIN,
    Crisis,
    Hour,
    Tier,
    World,
    add_crisis,
)
from models.sentiment import load_scorer
from models.sentiment.base import NEGATIVE
from models.sentiment.bins import N_BINS

Floats = npt.NDArray[np.float64]
DATA = Path(os.environ.get("CZUJKA_DATA", Path(__file__).parents[3] / "shared" / "data"))
ROW_MIN = 5
THINNED = (1.0, 0.3, 0.1)
STARTS_DAYS = (0, 5)
TIER = Tier("traces", drift=True, noisy=True)


def find_traces() -> list[Path]:
    """The files of the traces, none where the data are absent."""
    posts = DATA / "airline" / "posts.csv"
    return sorted((DATA / "nab" / "realTweets").glob("*.csv")) if posts.exists() else []


def real_bins() -> tuple[Floats, Floats]:
    """How the shipped model labels real posts: bins of angry ones and of others, (N_BINS,) each."""
    with (DATA / "airline" / "posts.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    p = load_scorer().score([row["text"] for row in rows], ["en"] * len(rows))[:, NEGATIVE]
    bins = np.minimum((p * N_BINS).astype(int), N_BINS - 1)
    angry = np.array([row["airline_sentiment"] == "negative" for row in rows])
    counts = [np.bincount(bins[mask], minlength=N_BINS) for mask in (angry, ~angry)]
    return counts[0] / counts[0].sum(), counts[1] / counts[1].sum()


class TraceWorld(World):
    """Brands on traces; `days` of them are read."""

    is_real = True

    def __init__(self, files: list[Path], days: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        columns = []
        rows = days * DAY // ROW_MIN
        for file in files:
            with file.open(newline="") as lines:
                values = np.array([float(row["value"]) for row in csv.DictReader(lines)])
            for start in STARTS_DAYS:
                begin = min(start * DAY // ROW_MIN, max(len(values) - rows, 0))
                part = values[begin : begin + rows].astype(int)
                columns += [rng.binomial(part, kept) for kept in THINNED]
        self.counts = np.stack(columns, axis=1)
        rates = self.counts.mean(axis=0) / ROW_MIN
        super().__init__(rates, [TIER] * len(rates), seed)
        self.bins[True] = real_bins()

    def hour(self, crisis: Crisis | None = None) -> Hour:
        """The next hour."""
        rng, n = self.rng, self.n
        moods = self._walk(self.mood, 1.0, MOOD_TAU_MIN)
        self.mood = moods[-1]
        logit = np.log(self.base_share / (1 - self.base_share))
        share = 1 / (1 + np.exp(-(logit + MOOD_SD * moods)))
        first = self.at // ROW_MIN
        counts = self.counts[first : first + HOUR // ROW_MIN]
        even = np.full(ROW_MIN, 1.0 / ROW_MIN)
        posts = rng.multinomial(counts, even).transpose(0, 2, 1).reshape(HOUR, n)
        negative = rng.binomial(posts, share)
        rate = np.broadcast_to(counts.mean(axis=0) / ROW_MIN, (HOUR, n)) + 1e-9
        if crisis is not None:
            total, _ = add_crisis(self, crisis, rate, rate, share)
            extra = rng.poisson(total - rate)
            posts = posts + extra
            negative = negative + rng.binomial(extra, crisis.q)
        histogram = self._label(posts, negative)
        nothing, ones = np.zeros((HOUR, n)), np.ones((HOUR, n))
        late = np.zeros_like(histogram)
        hour = Hour(self.at, posts.astype(float), histogram, late, nothing, ones, rate, share)
        self.at += HOUR
        return hour
