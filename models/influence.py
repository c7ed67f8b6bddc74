"""Sentiment weighted by influence: what is heard, beside what is said."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from models.sample import SampleRow


def weight_of(reach: int) -> float:
    """How much a post of an author with so many followers counts.

    The logarithm of reach, since reach has heavy tails: with reach itself one celebrity would be
    the mood. 1 for nobody, 11 for a thousand followers, 21 for a million.
    """
    return 1.0 + log2(1.0 + max(0, reach))


def weighted_sentiment(sample: Sequence[SampleRow]) -> float | None:
    """Mean of P(positive) - P(negative) over a sample, weighted by `weight_of`; in [-1, 1].

    Returns:
        None of an empty sample.
    """
    total = sum(weight_of(row.reach) for row in sample)
    if not total:
        return None
    tone = sum(weight_of(row.reach) * row.tone_milli for row in sample) / (1000 * total)
    return max(-1.0, min(1.0, tone))
