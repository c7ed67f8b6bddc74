"""Time and memory of a step of the bank over many brands."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from models.detection import RowSettings
from models.detection.bank import TwoNullBank
from models.detection.base import BUCKET_MS, Minute
from models.sentiment.bins import N_BINS


def measure_speed(rows: int, minutes: int = 60, seed: int = 0) -> dict[str, float]:
    """Processor milliseconds a minute on one core, after a warm-up past two hours of event time."""
    rng = np.random.default_rng(seed)
    bank = TwoNullBank([RowSettings()] * rows)
    rate = np.exp(rng.normal(0.0, 1.5, rows))
    shares = np.full(N_BINS, 1.0 / N_BINS)
    ready = [draw_minute(rng, rate, shares) for _ in range(5)]
    took = []
    for k in range(130 + minutes):
        minute = replace(ready[k % len(ready)], bucket_ms=(29_000_000 + k) * BUCKET_MS)
        # Processor time, so that a busy machine does not blur it.
        begin = time.thread_time()
        bank.step(minute)
        took.append((time.thread_time() - begin) * 1e3)
    late = np.array(took[130:])
    state = bank.core.nbytes + bank.ring.nbytes + bank.season_n.nbytes + bank.season_t.nbytes
    return {
        "rows": float(rows),
        "median_ms": float(np.median(late)),
        "p95_ms": float(np.percentile(late, 95)),
        "bytes_per_row": state / rows,
    }


def draw_minute(rng: np.random.Generator, rate: np.ndarray, shares: np.ndarray) -> Minute:
    """A minute of usual business; rates spread over three orders of magnitude."""
    histogram = rng.poisson(rate[:, None] * shares).astype(float)
    n, negative = histogram.sum(axis=1), histogram[:, N_BINS // 2 :].sum(axis=1)
    nothing = np.zeros(len(rate))
    return Minute(
        bucket_ms=0,
        mentions=n,
        histogram=histogram,
        late_histogram=np.zeros_like(histogram),
        copies=nothing,
        negative_authors=negative,
        authors=n,
        reach=300 * n,
        negative_reach=300 * negative,
        platforms=np.minimum(n, 2),
        coverage=np.ones(len(rate)),
    )
