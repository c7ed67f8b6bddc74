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
from models.tally import MAX_EXHIBITS, ExhibitRow

ALIKE = 0.6
"""Jaccard similarity of their terms from which two posts are near-duplicates."""
MOST_TYPICAL = 1.3
"""So many times as much counts what is most typical: about what reach makes among candidates."""
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


def choose_exhibits(
    rows: Sequence[ExhibitRow], sample: Sequence[SampleRow], mentions: int, most: int = MAX_EXHIBITS
) -> list[FoldedExhibit]:
    """The exhibits to show, by negativity x reach (their rank) x how typical they are.

    Typical is what resembles the rest of the sample: the mean Jaccard similarity of its terms with
    theirs, over that of all candidates, within `MOST_TYPICAL`. So a loud voice about something else
    stands behind one that says what many say, but nobody's words count for nothing.
    """
    folded = fold_exhibits(rows, sample, mentions)
    if len(sample) < LEAST_SAMPLE:
        return folded[:most]
    terms = [(row.post, stems_of(row.text)) for row in sample]
    likeness = [_likeness(one.row, terms) for one in folded]
    usual = sum(likeness) / len(likeness) if likeness else 0.0

    def weight(at: int) -> float:
        typical = likeness[at] / usual if usual else 1.0
        return folded[at].row.rank * min(MOST_TYPICAL, max(1 / MOST_TYPICAL, typical))

    order = sorted(range(len(folded)), key=lambda at: (-weight(at), folded[at].row.order))
    return [folded[at] for at in order[:most]]


def _likeness(row: ExhibitRow, terms: Sequence[tuple[str, set[str]]]) -> float:
    own = stems_of(row.text)
    others = [other for post, other in terms if post != row.post]
    if not own or not others:
        return 0.0
    return sum(len(own & other) / len(own | other) for other in others) / len(others)


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
