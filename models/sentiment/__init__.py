"""Sentiment of short posts: calibrated P(negative), P(neutral), P(positive)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.sentiment.base import Scorer

__all__ = ["load_scorer"]


def load_scorer(path: Path | None = None) -> Scorer:
    """Loads the shipped model, or the one of a file that `czujka train` wrote.

    The kernels are imported here, not with the package, because that takes a second or two.

    Args:
        path: a weights file; None for the shipped one.

    Returns:
        The scorer.

    Raises:
        models.sentiment.weights.WeightsError: the file is foreign, damaged or of another format.
        OSError: the file cannot be read.
    """
    from models.sentiment.scorer import load_scorer as load

    return load(path)
