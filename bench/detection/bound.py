"""The physical limit: no detector with the budgeted false alarms can be faster than this.

For n minutes after the onset, the true log likelihood ratio L_n of crisis against no crisis; x
with E₁[exp(−L_n)·1{L_n ≥ x}] = n/γ; β*_n = P₁(L_n ≥ x). By the lemma of Neyman and Pearson,
P₁(T ≤ n) ≤ β*_n for each stopping time with P₀(T ≤ n) ≤ n/γ, so the mean delay cut at H is at
least Σ_{n<H} (1 − β*_n).

Two versions. *Mixture*: the crisis is drawn from the generator's law of sizes, shares and shapes,
as the detectors meet it, and L_n is the ratio of that mixture. *Known*: an oracle is told size,
share and shape, and one bound is averaged over them; weaker (lower), so harder to come near. Both
oracles know the level, the mood and the moment of the onset: both are true bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from bench.detection.worlds import (
    DISPERSION,
    HOUR,
    QS,
    SHAPES,
    SIZES,
    Crisis,
    World,
    growth_at,
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """Mean and median least delay in minutes, and β*_n for n = 1 … H."""

    mean_min: float
    median_min: float
    found: Floats


@njit(cache=True)
def accumulate_ratios(
    posts: Floats,
    bins: Floats,
    mu: Floats,
    share: Floats,
    extra: Floats,
    q: Floats,
    f: Floats,
    total: Floats,
    path: Floats,
) -> None:
    """Adds an hour's log likelihood ratios, crisis against none, minute by minute.

    Args:
        posts: counts, shape (M, R).
        bins: the same by label bin, shape (M, R, N_BINS).
        mu: usual rate, shape (M, R).
        share: usual share of negatives, shape (M, R).
        extra: posts a crisis would add, shape (J, M, R).
        q: share of negatives among those, shape (J,).
        f: label distributions, negative and other, shape (2, N_BINS).
        total: sums so far, shape (J, R), changed in place.
        path: sums after each minute, shape (J, M, R), written.
    """
    r = 1.0 / DISPERSION
    for j in range(extra.shape[0]):
        for t in range(posts.shape[0]):
            for i in range(posts.shape[1]):
                m = 1.0 + extra[j, t, i] / mu[t, i]
                p = share[t, i]
                angry = (p + (m - 1.0) * q[j]) / m
                n = posts[t, i]
                x = n * math.log(m) - (n + r) * math.log((r + mu[t, i] * m) / (r + mu[t, i]))
                for k in range(bins.shape[2]):
                    if bins[t, i, k] > 0:
                        over = angry * f[0, k] + (1.0 - angry) * f[1, k]
                        under = p * f[0, k] + (1.0 - p) * f[1, k]
                        x += bins[t, i, k] * math.log(over / under)
                total[j, i] += x
                path[j, t, i] = total[j, i]


def sample_ratios(
    world: World, rng: np.random.Generator, horizon: int, noisy: bool
) -> tuple[Floats, Floats]:
    """Cumulative true ratios of crises in a world, mixture and known, each (horizon, R)."""
    n = world.n
    index = rng.integers(0, 27, n)
    combos = [(s, q, k) for s in SIZES for q in QS for k in range(len(SHAPES))]
    crisis = Crisis(
        begin=np.full(n, world.at),
        size=np.array([combos[i][0] for i in index]),
        q=np.array([combos[i][1] for i in index]),
        shape=np.array([combos[i][2] for i in index]),
    )
    f = np.stack(world.bins[noisy])
    qs = np.array([q for _, q, _ in combos])
    total = np.zeros((len(combos), n))
    mixture, known = np.zeros((horizon, n)), np.zeros((horizon, n))
    for begin in range(0, horizon, HOUR):
        at = world.at
        hour = world.hour(crisis)
        minutes = ((at + np.arange(HOUR))[:, None] - crisis.begin[None, :]).astype(float)
        extra = np.stack(
            [
                growth_at(minutes, np.full(minutes.shape, shape))
                * size
                * (0.5 * world.rates + 0.5 * hour.rate)
                for size, _, shape in combos
            ]
        )
        path = np.empty_like(extra)
        accumulate_ratios(
            hour.posts, hour.histogram, hour.rate, hour.share, extra, qs, f, total, path
        )
        mixture[begin : begin + HOUR] = np.logaddexp.reduce(path, axis=0) - np.log(len(combos))
        known[begin : begin + HOUR] = path[index, :, np.arange(n)].T
    return mixture, known


def bound_from(ratios: Floats, gamma: float) -> Bound:
    """The bound from sampled cumulative ratios.

    Args:
        ratios: L_n under the crisis, shape (H, samples).
        gamma: minutes per allowed false alarm.
    """
    found = np.empty(len(ratios))
    samples = ratios.shape[1]
    for i, row in enumerate(ratios):
        ordered = np.sort(row)[::-1]
        weight = np.cumsum(np.exp(-ordered)) / samples
        # The largest set whose null probability is allowed; one sample more, to err low.
        count = int(np.searchsorted(weight, (i + 1) / gamma, side="right")) + 1
        found[i] = min(count, samples) / samples
    found = np.maximum.accumulate(found)
    before = np.concatenate([[0.0], found[:-1]])
    half = np.flatnonzero(found >= 0.5)
    median = float(half[0] + 1) if len(half) else float("inf")
    return Bound(float((1 - before).sum()), median, found)
