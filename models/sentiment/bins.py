"""The histogram of P(negative) that tallies carry and detection reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

N_BINS = 12
"""Number of equal-width bins over P(negative) in [0, 1]."""

NEGATIVE_FROM = 0.5
"""A mention counts as negative from this P(negative) upwards."""


def bin_of(p_negative: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Bin index of each probability.

    Args:
        p_negative: probabilities in [0, 1], shape (n,).

    Returns:
        Indices in 0 … N_BINS - 1, shape (n,).
    """
    index = np.floor(np.asarray(p_negative, dtype=np.float64) * N_BINS).astype(np.int64)
    return np.clip(index, 0, N_BINS - 1)


def bin_centres() -> npt.NDArray[np.float64]:
    """Centre of each bin, shape (N_BINS,)."""
    return (np.arange(N_BINS) + 0.5) / N_BINS
