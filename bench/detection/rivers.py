"""River's own detectors as comparators, with their full history: one a brand, one forest for all.

They are asked every five minutes about the last fifteen. ADWIN is left out: it has no score, so it
cannot be set to as many false alarms as the others raise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from river import anomaly

Floats = npt.NDArray[np.float64]

NAMES = ("river GaussianScorer", "river StandardAbsoluteDeviation", "river HalfSpaceTrees")
STRETCH_MIN = 5
WINDOW_STRETCHES = 3
LEARNT_ONE_IN = 10
"""The forest learns one stretch in so many: it has all brands to learn from."""


class RiverRows:
    """Scores of River's detectors for n brands; between stretches there are none (−inf)."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.t = 0
        self.current = np.zeros((n, 2))
        self.past = np.zeros((WINDOW_STRETCHES, n, 2))
        self.total = np.zeros((n, 2))
        self.gaussian = [anomaly.GaussianScorer() for _ in range(n)]
        self.deviation = [anomaly.StandardAbsoluteDeviation() for _ in range(n)]
        self.forest = anomaly.HalfSpaceTrees(n_trees=10, height=6, window_size=500, seed=7)

    def step(self, posts: Floats, negative: Floats) -> Floats:
        """Takes a minute; scores, larger is stranger, shape (len(NAMES), n)."""
        self.current += np.stack([posts, negative], axis=1)
        self.t += 1
        out = np.full((len(NAMES), self.n), -np.inf)
        if self.t % STRETCH_MIN:
            return out
        self.past = np.roll(self.past, 1, axis=0)
        self.past[0] = self.current
        window = self.past.sum(axis=0)
        stretches = self.t // STRETCH_MIN
        usual = WINDOW_STRETCHES * (self.total + 1.0) / (stretches + 1.0)
        features = self._describe(window, usual)
        for i, value in enumerate(window[:, 1].tolist()):
            # As rarity: the score itself crowds at 1 until floating point cannot tell it apart.
            out[0, i] = -np.log(max(1.0 - self.gaussian[i].score_one({}, value), 1e-17))
            self.gaussian[i].learn_one({}, value)
            out[1, i] = self.deviation[i].score_one({}, value)
            self.deviation[i].learn_one({}, value)
            out[2, i] = self.forest.score_one(features[i])
            if (stretches + i) % LEARNT_ONE_IN == 0:
                self.forest.learn_one(features[i])
        self.total += self.current
        self.current = np.zeros((self.n, 2))
        return out

    @staticmethod
    def _describe(window: Floats, usual: Floats) -> list[dict[str, float]]:
        """Features in [0, 1] that mean the same for brands of every size."""
        ratio = (window + 1.0) / (window + usual + 2.0)
        share = (window[:, 1] + usual[:, 1] / usual[:, 0]) / (window[:, 0] + 1.0)
        columns = zip(ratio[:, 0].tolist(), ratio[:, 1].tolist(), share.tolist(), strict=True)
        return [{"posts": p, "negative": h, "share": min(s, 1.0)} for p, h, s in columns]
