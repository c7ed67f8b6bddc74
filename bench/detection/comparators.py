"""Detectors to be compared with: what a team would write in an afternoon, and the classics.

All are vectorised over brands and get their threshold from a null run, so that they meet at equal
false alarms.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt

from bench.detection import rivers

Floats = npt.NDArray[np.float64]

OWN = ("z15", "z60", "ears-c2", "page-cusum", "gaussian-15", "volume-z15")
NAMES = (*OWN, *rivers.NAMES)


class Comparators:
    """Statistics of all comparators for R brands; `step` takes a minute's posts and negatives."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.t = 0
        self.window = np.zeros((60, n, 2))
        self.sum15 = np.zeros((n, 2))
        self.sum60 = np.zeros((n, 2))
        self.mean = np.zeros((2, n, 2))
        self.square = np.zeros((2, n, 2))
        self.hours = np.zeros((10, n))
        self.cusum = np.zeros(n)
        self.life = np.zeros((3, n))
        self.river = rivers.RiverRows(n)

    def fork(self) -> Comparators:
        """An independent copy."""
        return copy.deepcopy(self)

    def step(self, posts: Floats, negative: Floats) -> Floats:
        """Statistics after a minute, shape (len(NAMES), R), larger is stranger."""
        t = self.t
        x = np.stack([negative, posts], axis=1)
        self.sum15 += x - self.window[(t - 15) % 60]
        self.sum60 += x - self.window[t % 60]
        self.window[t % 60] = x
        out = np.zeros((len(OWN), self.n))
        keep = 0.5 ** (1 / (3 * 1440)) if t > 3 * 1440 else t / (t + 1.0)
        for k, total in enumerate((self.sum15, self.sum60)):
            sd = np.sqrt(np.maximum(self.square[k] - self.mean[k] ** 2, 0) + 0.3)
            z = (total - self.mean[k]) / sd
            out[k] = z[:, 0]
            if k == 0:
                out[5] = z[:, 1]
            self.mean[k] = keep * self.mean[k] + (1 - keep) * total
            self.square[k] = keep * self.square[k] + (1 - keep) * total**2
        if t % 60 == 0:
            self.hours = np.roll(self.hours, 1, axis=0)
            self.hours[0] = self.sum60[:, 0]
        past = self.hours[2:9]
        out[2] = (self.sum60[:, 0] - past.mean(axis=0)) / np.sqrt(past.var(axis=0) + 0.3)
        usual = np.maximum(self.mean[1][:, 0] / 60.0, 1e-4)
        self.cusum = np.clip(self.cusum + negative * np.log(2.5) - 1.5 * usual, 0, 1e3)
        out[3] = self.cusum
        count, mean, m2 = self.life
        sd = np.sqrt(m2 / np.maximum(count, 1) + 0.3)
        out[4] = (self.sum15[:, 0] - mean) / sd
        delta = self.sum15[:, 0] - mean
        self.life[0] += 1
        self.life[1] += delta / self.life[0]
        self.life[2] += delta * (self.sum15[:, 0] - self.life[1])
        self.t += 1
        return np.concatenate([out, self.river.step(posts, negative)])
