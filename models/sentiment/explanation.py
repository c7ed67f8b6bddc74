"""Which pieces of a text weighed most: what a score would be without each token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE
from models.sentiment.features import MAX_FEATURES, extract
from models.sentiment.kernel import DIMENSIONS
from models.sentiment.scorer import HashedScorer, pack
from models.sentiment.tokens import MAX_BYTES, MAX_TOKENS, tokenise


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a text and what it adds to the score.

    Attributes:
        start: its first character in the text.
        end: the character after it.
        text: the characters between.
        negative: P(negative) of the text less that of the text without this token.
        neutral: likewise.
        positive: likewise.
    """

    start: int
    end: int
    text: str
    negative: float
    neutral: float
    positive: float


def explain(
    scorer: HashedScorer, text: str, language: str | None = None, *, most: int = 5
) -> list[Piece]:
    """The pieces of a text that weighed most in its score.

    A token is taken away with its n-grams and the pairs that end in it, so a negation shows at the
    word it turns as well as at itself.

    Args:
        scorer: the model.
        text: any text.
        language: language tag, or None.
        most: how many pieces to give.

    Returns:
        Pieces by falling absolute change of P(positive) - P(negative); none for an empty text.
    """
    data, offsets = pack([text])
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    tokens = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    rows = np.empty(MAX_FEATURES, dtype=np.int32)
    owners = np.empty(MAX_FEATURES, dtype=np.int32)
    count = tokenise(data, 0, int(offsets[1]), normalised, tokens)
    size = extract(normalised, tokens, count, rows, owners)
    weights = scorer.weights
    sums = np.zeros((count, DIMENSIONS))
    np.add.at(sums, owners[:size], weights.table[rows[:size]].astype(np.float64))
    left = size - np.bincount(owners[:size], minlength=count)
    bags = np.vstack((sums.sum(axis=0), sums.sum(axis=0) - sums)) * weights.scale
    bags /= np.sqrt(np.maximum(np.concatenate(([size], left)), 1))[:, None]
    probabilities = scorer.probabilities_of(bags, language)
    change = probabilities[0] - probabilities[1:]
    order = np.argsort(-np.abs(change[:, POSITIVE] - change[:, NEGATIVE]), kind="stable")[:most]
    positions = _character_positions(text, tokens[:count, 4:6])
    pieces = []
    for t in order:
        start, end = (int(position) for position in positions[t])
        negative, neutral, positive = (
            float(change[t, column]) for column in (NEGATIVE, NEUTRAL, POSITIVE)
        )
        pieces.append(Piece(start, end, text[start:end], negative, neutral, positive))
    return pieces


def _character_positions(text: str, spans: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Character positions of byte positions in the UTF-8 form of a text."""
    lengths = [len(char.encode("utf-8", "surrogatepass")) for char in text[:MAX_BYTES]]
    begins = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    starts = np.searchsorted(begins, spans[:, 0], side="left")
    return np.stack((starts, np.searchsorted(begins, spans[:, 1], side="left")), axis=1)
