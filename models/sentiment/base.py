"""What the rest of Czujka asks of a sentiment model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
"""Columns of a score."""


class Scorer(Protocol):
    """Gives calibrated class probabilities to short texts."""

    @property
    def version(self) -> str:
        """Name and version of the weights; goes into alerts."""
        ...

    def score(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None] | None = None,
        seen_ms: Sequence[int] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Probabilities of negative, neutral and positive for each text.

        Args:
            texts: any text, empty and malformed included; never raises on content.
            languages: primary language tags ("pl", "en", …) or None where unknown; None for all.
            seen_ms: when each was first seen, for a scorer that learns; None: after all it learned.

        Returns:
            Shape (len(texts), 3), rows sum to 1.
        """
        ...
