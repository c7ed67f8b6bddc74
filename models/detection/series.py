"""A detector of strange volumes for a single series, with its own model of the tail.

Made for counts without texts: it says how rare a jump is among the jumps of the series so far.
The jump over a short memory is scaled by the square root of the level, as counts are; its
probability comes from the largest past jumps by Hill's estimate of a power-law tail (Hill 1975).
After a strange point only a stranger one counts for a day, for an incident is one incident.
"""

from __future__ import annotations

import bisect
import math

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


def score_series(
    timestamps_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Strangeness of each value given those before it.

    Args:
        timestamps_ms: non-decreasing event times in milliseconds, shape (n,).
        values: volumes, shape (n,); values that are not finite are gaps and score 0.

    Returns:
        Scores in [0, 1], shape (n,): −log10 of the tail probability over 12, one scale for all
        series. Causal: a score depends on earlier rows alone.

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
    rarity = _measure_rarity(series)
    return np.minimum(_keep_strangest(times, rarity), DEEPEST) / DEEPEST


def _measure_rarity(series: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """−log10 of the probability of a jump at least as large, shape (n,)."""
    rarity = np.zeros(len(series))
    keep = 0.5 ** (1.0 / MEMORY_ROWS)
    total, weight = 0.0, 0.0
    past: list[float] = []
    for i, value in enumerate(series.tolist()):
        if not math.isfinite(value):
            continue
        level = max((total + 1.0) / (weight + 1.0), 0.0) if past else value
        jump = (value - level) / math.sqrt(max(level, 0.0) + 1.0)
        if len(past) >= LEARN_ROWS and jump > LEAST_JUMP:
            rarity[i] = -math.log10(max(_tail_probability(past, jump), 10.0**-DEEPEST))
        bisect.insort(past, jump)
        total, weight = keep * total + value, keep * weight + 1.0
    return rarity


def _tail_probability(past: list[float], jump: float) -> float:
    """Probability of a jump beyond `jump`, from the largest of the sorted past ones."""
    n = len(past)
    k = min(TAIL_MOST, max(TAIL_LEAST, n // TAIL_SHARE))
    edge = max(past[n - k - 1], LEAST_JUMP)
    if jump <= edge:
        return 1.0
    index = sum(math.log(max(x, edge) / edge) for x in past[n - k :]) / k
    exponent = 1.0 / max(index, 0.05)
    return float(k / n * (jump / edge) ** -exponent)


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
