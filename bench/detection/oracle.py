"""`python -m bench.detection.oracle`: how near the bound a test can come that is told the truth.

The same mixture of Shiryaev–Roberts statistics, on the clean tier, is told mood, profile and
dispersion, and the level exactly, or with the error of the best filter there is, or to a fifth. The
level is an Ornstein–Uhlenbeck process seen through λ posts a minute, so the steady error P of its
logarithm solves λP² + 2P/τ = 2σ²/τ (Kalman–Bucy); a real detector learns mood and profile besides.
Thresholds are set to one false alarm in four weeks on the run itself.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import numpy.typing as npt
from numba import njit

from bench.detection.bound import bound_from, sample_ratios
from bench.detection.trial import first_at, threshold_for
from bench.detection.worlds import (
    DAY,
    DISPERSION,
    HOUR,
    LEVEL_SD,
    LEVEL_TAU_MIN,
    RATES,
    Hour,
    Tier,
    World,
    draw_crises,
)
from models.detection.kernel import CRISIS_NEGATIVE, SIZES
from models.detection.settings import PERIOD_MIN

Floats = npt.NDArray[np.float64]
BRANDS, WARM_DAYS, NULL_DAYS, ROUNDS, HORIZON = 150, 2, 21, 6, 360


def filter_error(rate_per_min: float) -> float:
    """Standard deviation of the log level that the best filter leaves."""
    a, b, c = rate_per_min, 2.0 / LEVEL_TAU_MIN, -2.0 * LEVEL_SD**2 / LEVEL_TAU_MIN
    return math.sqrt((-b + math.sqrt(b * b - 4.0 * a * c)) / (2.0 * a))


@njit(cache=True)
def run_hour(
    posts: Floats, negative: Floats, mu: Floats, share: Floats, unit: Floats, r: Floats, out: Floats
) -> None:
    """An hour of the test; `r` (sizes, brands) is carried on, `out` (minutes, brands) written."""
    k = 1.0 / DISPERSION
    for t in range(posts.shape[0]):
        for i in range(posts.shape[1]):
            n, h, p = posts[t, i], negative[t, i], share[t, i]
            total = 0.0
            for j in range(SIZES.shape[0]):
                m = 1.0 + SIZES[j] * unit[t, i] / mu[t, i]
                q = (p + (m - 1.0) * max(CRISIS_NEGATIVE, p)) / m
                gain = h * math.log(q / p) + (n - h) * math.log((1.0 - q) / (1.0 - p))
                gain += n * math.log(m) - (n + k) * math.log((k + mu[t, i] * m) / (k + mu[t, i]))
                r[j, i] = min((1.0 + r[j, i]) * math.exp(gain), 1e26)
                total += r[j, i]
            out[t, i] = math.log(total / SIZES.shape[0] + 1e-12)


def measure_delay(rate_per_min: float, error: float, seed: int) -> tuple[float, float]:
    """Mean delay and its standard error, minutes, at one false alarm in four weeks.

    Args:
        rate_per_min: of every brand.
        error: standard deviation of the log level's error; it changes as the level does.
        seed: of the world.
    """
    world = World(np.full(BRANDS, rate_per_min), [Tier("clean")] * BRANDS, seed)
    rng = np.random.default_rng(seed)
    keep = math.exp(-HOUR / LEVEL_TAU_MIN)
    wrong = error * rng.standard_normal(BRANDS)
    r = np.zeros((len(SIZES), BRANDS))
    hours = (WARM_DAYS + NULL_DAYS) * 24
    forks = np.linspace(WARM_DAYS * 24, hours - 1, ROUNDS, dtype=int).tolist()
    peaks, curves = [], []

    def take(hour: Hour, state: Floats) -> Floats:
        out = np.empty(hour.posts.shape)
        unit = 0.5 * world.rates + 0.5 * hour.rate
        run_hour(
            hour.posts,
            hour.histogram[:, :, -1],
            hour.rate * np.exp(wrong),
            hour.share,
            unit,
            state,
            out,
        )
        return out

    for h in range(hours):
        if h in forks:
            fork, state = world.fork(seed * 1000 + h), r.copy()
            crisis = draw_crises(fork, rng, forks.index(h))
            after = crisis.begin - fork.at
            path = np.concatenate(
                [take(fork.hour(crisis), state) for _ in range(HORIZON // 60 + 1)]
            )
            rows = after[None, :] + np.arange(HORIZON)[:, None]
            curves.append(np.take_along_axis(path, rows, axis=0))
        out = take(world.hour(), r)
        wrong = keep * wrong + error * math.sqrt(1 - keep**2) * rng.standard_normal(BRANDS)
        if h >= WARM_DAYS * 24:
            peaks.append(out.max(axis=0))
    threshold = threshold_for(np.stack(peaks), BRANDS * NULL_DAYS * DAY / PERIOD_MIN)
    delays = np.concatenate([first_at(curve, threshold, HORIZON) for curve in curves])
    return float(delays.mean()), float(delays.std() / math.sqrt(len(delays)))


def main() -> None:
    """Prints delay over bound for each rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20)
    seed = parser.parse_args().seed
    print(
        "| posts/min | error of the best filter | ÷ bound, level known | ÷ bound, level filtered |"
    )
    print("|---|---|---|---|")
    for rate in RATES:
        world = World(np.full(200, rate), [Tier("clean")] * 200, seed)
        rng = np.random.default_rng(seed)
        samples = [sample_ratios(world, rng, HORIZON, False)[0] for _ in range(20)]
        bound = bound_from(np.concatenate(samples, axis=1), PERIOD_MIN).mean_min
        error = filter_error(rate)
        cells = [
            f"{mean / bound:.2f} ± {se / bound:.2f}"
            for mean, se in (measure_delay(rate, e, seed) for e in (0.0, error, 0.2))
        ]
        print(f"| {rate:g} | {error:.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
