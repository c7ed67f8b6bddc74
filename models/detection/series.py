"""A detector of strange volumes for a single series, with its own model of the tail.

Made for counts without texts: it says how rare a jump is among the jumps of the series so far.
The jump over a short memory is scaled by the square root of the level, as counts are; its
probability comes from the largest past jumps by Hill's estimate of a power-law tail (Hill 1975).
After a strange point only a stranger one counts for a day, for an incident is one incident.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MEMORY_ROWS = 3.0
"""Half-life of the level that a jump is measured from."""
LEARN_ROWS = 300
TAIL_SHARE = 50
"""One in so many past jumps belongs to the tail…"""
TAIL_MOST = 100
"""… but no more than this many."""
TAIL_LEAST = 5
LEAST_JUMP = 0.5
"""Jumps below this many standard deviations of a count are never tail."""
QUIET_MS = 24 * 3_600_000
"""How long after a strange point only a stranger one counts."""
STRANGER = 0.5
"""By how many powers of ten it must be stranger."""
DEEPEST = 12.0
"""Powers of ten of rarity that give a score of 1."""


THRESHOLD = 0.24
"""Scores from here on are worth an alarm; measured on held-out files, `docs/decisions/023`."""


@dataclass(frozen=True, slots=True)
class ScoredSeries:
    """A series with what was usual, each of shape (n,).

    Attributes:
        scores: strangeness in [0, 1].
        expected: the level that a value's jump is measured from.
        high: the least value whose jump alone would score `THRESHOLD`; infinite while learning.
    """

    scores: npt.NDArray[np.float64]
    expected: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def score_series(
    timestamps_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Strangeness of each value given those before it; see `explain_series`."""
    return explain_series(timestamps_ms, values).scores


def explain_series(
    timestamps_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> ScoredSeries:
    """Strangeness of each value given those before it, and what was usual.

    Args:
        timestamps_ms: non-decreasing event times in milliseconds, shape (n,).
        values: volumes, shape (n,); values that are not finite are gaps and score 0.

    Returns:
        Scores in [0, 1]: −log10 of the tail probability over 12, one scale for all series.
        Causal: a row depends on earlier rows alone.

    Raises:
        ValueError: shapes differ, or time runs backwards.
    """
    times = np.asarray(timestamps_ms, dtype=np.int64)
    series = np.asarray(values, dtype=np.float64)
    if times.shape != series.shape or times.ndim != 1:
        raise ValueError(
            f"timestamps {times.shape} and values {series.shape} must be 1-d and alike"
        )
    backwards = np.flatnonzero(np.diff(times) < 0)
    if len(backwards):
        row = int(backwards[0]) + 1
        raise ValueError(f"row {row}: time runs backwards; sort the series by time")
    rarity, expected, high = _measure_rarity(series)
    scores = np.minimum(_keep_strangest(times, rarity), DEEPEST) / DEEPEST
    return ScoredSeries(scores, expected, high)


def _measure_rarity(
    series: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """−log10 of the probability of a jump at least as large; level; value worth an alarm."""
    rarity, expected = np.zeros(len(series)), np.zeros(len(series))
    high = np.full(len(series), np.inf)
    keep = 0.5 ** (1.0 / MEMORY_ROWS)
    total, weight = 0.0, 0.0
    past: list[float] = []
    for i, value in enumerate(series.tolist()):
        if not math.isfinite(value):
            expected[i] = (total + 1.0) / (weight + 1.0) if past else 0.0
            continue
        level = max((total + 1.0) / (weight + 1.0), 0.0) if past else value
        jump = (value - level) / math.sqrt(max(level, 0.0) + 1.0)
        expected[i] = level
        if len(past) >= LEARN_ROWS:
            tail = _tail_of(past)
            if jump > LEAST_JUMP:
                rarity[i] = -math.log10(max(tail.probability(jump), 10.0**-DEEPEST))
            high[i] = level + tail.jump_at(10.0 ** (-DEEPEST * THRESHOLD)) * math.sqrt(level + 1.0)
        bisect.insort(past, jump)
        total, weight = keep * total + value, keep * weight + 1.0
    return rarity, expected, high


@dataclass(frozen=True, slots=True)
class _Tail:
    """A power law beyond `edge`, which a jump passes with probability `share`."""

    share: float
    edge: float
    exponent: float

    def probability(self, jump: float) -> float:
        """Probability of a jump beyond `jump`."""
        if jump <= self.edge:
            return 1.0
        return float(self.share * (jump / self.edge) ** -self.exponent)

    def jump_at(self, probability: float) -> float:
        """The jump that is passed with a probability below `share`."""
        return float(self.edge * (self.share / probability) ** (1.0 / self.exponent))


def _tail_of(past: list[float]) -> _Tail:
    """The tail of the sorted past jumps."""
    n = len(past)
    k = min(TAIL_MOST, max(TAIL_LEAST, n // TAIL_SHARE))
    edge = max(past[n - k - 1], LEAST_JUMP)
    index = sum(math.log(max(x, edge) / edge) for x in past[n - k :]) / k
    return _Tail(k / n, edge, 1.0 / max(index, 0.05))


def _keep_strangest(
    times: npt.NDArray[np.int64], rarity: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Zero where something about as strange was seen within the quiet time before."""
    kept = np.zeros(len(rarity))
    recent: list[tuple[int, float]] = []  # falling rarities, oldest first
    for i, (at, rare) in enumerate(zip(times.tolist(), rarity.tolist(), strict=True)):
        while recent and recent[0][0] < at - QUIET_MS:
            recent.pop(0)
        strangest = recent[0][1] if recent else 0.0
        if rare > strangest + (STRANGER if strangest > 0.0 else 0.0):
            kept[i] = rare
        while recent and recent[-1][1] <= rare:
            recent.pop()
        recent.append((at, rare))
    return kept
