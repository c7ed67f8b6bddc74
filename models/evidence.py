"""What an alert shows beside its figures: exhibits without their copies, terms, how organic it is.

Everything is read off the exhibits and the sample of a story, so it costs nothing until an alert is
written, and what is erased there is gone from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from models.rising import stems_of
from models.sample import SampleRow
from models.tally import ExhibitRow

ALIKE = 0.6
"""Jaccard similarity of their terms from which two posts are near-duplicates."""
LEAST_SAMPLE = 8
"""Fewer sampled posts say nothing of copies and authors."""


@dataclass(frozen=True, slots=True)
class FoldedExhibit:
    """An exhibit that stands for its near-duplicates.

    Attributes:
        row: the exhibit.
        alike: posts of the story that say nearly the same, itself among them; an estimate.
    """

    row: ExhibitRow
    alike: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How a story is spread over posts and authors, each in [0, 1].

    Attributes:
        copies: share of mentions that are near-duplicates or of loud authors.
        authors: distinct authors over mentions; 1: each wrote once.
        entropy: of the authors in the sample, over its largest possible value; 1: no author stands
            out, 0: one wrote it all. None where the sample is too small.
    """

    copies: float
    authors: float
    entropy: float | None


def fold_exhibits(
    rows: Sequence[ExhibitRow], sample: Sequence[SampleRow], mentions: int
) -> list[FoldedExhibit]:
    """The exhibits, the best first, each standing for those that are nearly the same."""
    terms = [stems_of(row.text) for row in sample]
    kept: list[tuple[ExhibitRow, set[str]]] = []
    for row in rows:
        own = stems_of(row.text)
        if not any(_alike(own, other) for _, other in kept):
            kept.append((row, own))
    folded = []
    for row, own in kept:
        inside = sum(_alike(own, other) for other in terms)
        share = inside / len(sample) if sample else 0.0
        folded.append(FoldedExhibit(row, max(1, round(share * mentions))))
    return folded


def spread(copies: int, mentions: int, authors: float, sample: Sequence[SampleRow]) -> Spread:
    """How organic a story looks; a mark, never an accusation."""
    total = max(1, mentions)
    return Spread(
        copies=min(1.0, copies / total),
        authors=min(1.0, authors / total),
        entropy=_entropy([row.author or row.post for row in sample]),
    )


def _entropy(authors: Sequence[str]) -> float | None:
    n = len(authors)
    if n < LEAST_SAMPLE:
        return None
    entropy = -sum(count / n * log(count / n) for count in Counter(authors).values())
    return min(1.0, max(0.0, entropy / log(n)))


def _alike(one: set[str], other: set[str]) -> bool:
    if not one or not other:
        return False
    return len(one & other) >= ALIKE * len(one | other)
