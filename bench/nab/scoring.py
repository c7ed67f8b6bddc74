"""NAB's standard profile, from its published rules.

The first min(15 %, 750) rows are ignored. A window earns the best of its alerted rows,
(2σ(−5·pos) − 1)/0.98661 with pos = −(right − i + 1)/width, or −1 where none is alerted. An alerted
row outside costs 0.11·(2σ(−5p) − 1), p = (i − previous right)/(previous width − 1), and −0.11
where p > 3 or no window came before. One threshold for all files; 100·(raw + W)/(2W).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FALSE_ALARM = 0.11
BEST = 0.98661


@dataclass(frozen=True)
class Labelled:
    """Scores of one file and its windows as inclusive row ranges."""

    name: str
    scores: Floats
    windows: tuple[tuple[int, int], ...]


def probation_of(rows: int) -> int:
    """Rows at the start that do not count."""
    return int(min(0.15 * rows, 750))


@cache
def row_worths(
    rows: int, windows: tuple[tuple[int, int], ...]
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """What an alert in each row earns or costs, and its window's index (−1 outside)."""
    worth = np.zeros(rows)
    window_of = np.full(rows, -1)
    for w, (left, right) in enumerate(windows):
        i = np.arange(left, right + 1)
        position = -(right - i + 1) / (right - left + 1)
        worth[left : right + 1] = (2 / (1 + np.exp(5 * position)) - 1) / BEST
        window_of[left : right + 1] = w
    previous: tuple[int, int] | None = None
    at = 0
    for i in range(rows):
        while at < len(windows) and windows[at][1] < i:
            previous = windows[at]
            at += 1
        if window_of[i] >= 0:
            continue
        if previous is None:
            worth[i] = -FALSE_ALARM
            continue
        p = (i - previous[1]) / max(previous[1] - previous[0], 1)
        worth[i] = -FALSE_ALARM if p > 3 else FALSE_ALARM * (2 / (1 + np.exp(5 * p)) - 1)
    return worth, window_of


def raw_score(file: Labelled, threshold: float) -> float:
    """Raw score of a file at a threshold: between −W and W, less what false alarms cost."""
    worth, window_of = row_worths(len(file.scores), file.windows)
    alerted = file.scores >= threshold
    alerted[: probation_of(len(file.scores))] = False
    total = float(worth[alerted & (window_of < 0)].sum())
    for w in range(len(file.windows)):
        inside = worth[alerted & (window_of == w)]
        total += float(inside.max()) if len(inside) else -1.0
    return total


def normalised_score(files: list[Labelled], threshold: float) -> float:
    """NAB's score of some files at one threshold: 100 perfect, 0 as good as no alerts."""
    windows = sum(len(f.windows) for f in files)
    return 100 * (sum(raw_score(f, threshold) for f in files) + windows) / (2 * windows)


STEP = 0.002
SMOOTHING = 3


def best_threshold(files: list[Labelled]) -> float:
    """Threshold that is best over some files, judged with its neighbours.

    The score jumps with single rows, so each threshold is rated by the mean over itself and the
    three on either side: a peak that hangs on one row is passed over.
    """
    grid = np.arange(STEP, 1.0, STEP)
    total = np.array([sum(raw_score(f, t) for f in files) for t in grid])
    padded = np.pad(total, SMOOTHING, mode="edge")
    smooth = np.convolve(padded, np.ones(2 * SMOOTHING + 1) / (2 * SMOOTHING + 1), "valid")
    return float(grid[int(np.argmax(smooth))])
