"""Rolling volume and sentiment of each brand, with River's exponentially weighted mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from river import stats

HALF_LIFE_MIN = 60
_FADING = 1.0 - 0.5 ** (1.0 / HALF_LIFE_MIN)


class RollingFigures:
    """Two online means a brand: mentions a minute, and sentiment of the minutes that had any.

    Args:
        n_rows: number of brands.
    """

    def __init__(self, n_rows: int) -> None:
        self._volume = [stats.EWMean(_FADING) for _ in range(n_rows)]
        self._sentiment = [stats.EWMean(_FADING) for _ in range(n_rows)]
        self._has_volume = np.zeros(n_rows, dtype=bool)
        self._has_sentiment = np.zeros(n_rows, dtype=bool)

    def update(self, row: int, mentions: float, sentiment: float | None) -> None:
        """Takes one minute of one brand; `sentiment` in [-1, 1], None if it had no mentions."""
        self._volume[row].update(mentions)
        self._has_volume[row] = True
        if sentiment is not None:
            self._sentiment[row].update(sentiment)
            self._has_sentiment[row] = True

    def mentions_per_min(self, row: int) -> float:
        """Rolling volume."""
        return float(self._volume[row].get()) if self._has_volume[row] else 0.0

    def sentiment(self, row: int) -> float | None:
        """Rolling sentiment in [-1, 1]; None before the first mention."""
        if not self._has_sentiment[row]:
            return None
        return min(1.0, max(-1.0, float(self._sentiment[row].get())))

    def save(self) -> npt.NDArray[np.float64]:
        """State, shape (rows, 2): volume and sentiment, NaN where there is none yet."""
        state = np.full((len(self._volume), 2), np.nan)
        for row in range(len(self._volume)):
            if self._has_volume[row]:
                state[row, 0] = self._volume[row].get()
            if self._has_sentiment[row]:
                state[row, 1] = self._sentiment[row].get()
        return state

    def load(self, row: int, state: npt.NDArray[np.float64]) -> None:
        """Puts a saved row, shape (2,), in place; it continues exactly.

        The mean of a first value is that value, so one update restores it.
        """
        self._volume[row], self._sentiment[row] = stats.EWMean(_FADING), stats.EWMean(_FADING)
        self._has_volume[row], self._has_sentiment[row] = (
            not np.isnan(state)[0],
            not np.isnan(state)[1],
        )
        if self._has_volume[row]:
            self._volume[row].update(float(state[0]))
        if self._has_sentiment[row]:
            self._sentiment[row].update(float(state[1]))
