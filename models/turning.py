"""The post after which a story took off, and the authors after whose posts its tone turned.

Asked of every negative post that was kept of each minute (by negativity and reach, so nobody with
an audience is missing): what came in the minutes from it on, and what in as many before it? The
rise, in standard deviations, times the weight of the author's reach is the post's strength. Where
many posts stand at the same rise, the one that most people saw is named. It is said *after* which
post a story took off, never because of which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import asin, sqrt

import msgspec

from models.influence import weight_of
from models.sentiment.bins import N_BINS, NEGATIVE_FROM
from models.tally import ExhibitRow, Tally

STRETCH_MIN = 15
"""Minutes that are compared on either side of a post; fewer where fewer are known."""
LEAST_MIN = 3
"""Less on either side of a post tells nothing."""
LEAST_RISE = 3.0
"""Standard deviations; a smaller rise is no turn."""
MAX_TURNED = 2

_NEGATIVE_BINS = slice(round(NEGATIVE_FROM * N_BINS), N_BINS)


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """A post, and what rose after it."""

    row: ExhibitRow
    strength: float  # the rise in standard deviations, times the weight of the author's reach
    before: float  # a minute, or a share, before the post
    after: float
    minutes: int  # length of either stretch

    @property
    def order(self) -> tuple[float, tuple[int, int, str, int, int, str, str, str]]:
        """Total order: the strongest first."""
        return -self.strength, self.row.order


class Turns(msgspec.Struct, array_like=True):
    """What is known so far of a story.

    Attributes:
        took_off: the post after which negative mentions rose most; before and after: a minute.
        turned: posts after which their share rose most, one an author, the strongest first;
            before and after: shares.
    """

    took_off: Turn | None = None
    turned: list[Turn] = msgspec.field(default_factory=list)

    def with_others(self, others: Turns) -> Turns:
        """The strongest of both; the order makes no difference."""
        took_off = [turn for turn in (self.took_off, others.took_off) if turn is not None]
        return Turns(
            min(took_off, key=lambda turn: turn.order, default=None),
            _one_an_author([*self.turned, *others.turned]),
        )

    def without(self, posts: Iterable[str], authors: Iterable[str]) -> Turns:
        """What is left when posts and authors are forgotten."""
        posts, authors = frozenset(posts), frozenset(authors)

        def stays(turn: Turn) -> bool:
            return turn.row.post not in posts and turn.row.author not in authors

        took_off = self.took_off
        return Turns(
            took_off if took_off is not None and stays(took_off) else None,
            [turn for turn in self.turned if stays(turn)],
        )


def find_turns(
    tallies: Sequence[tuple[int, Tally]],
    begin: int,
    end: int,
    known: tuple[int, int],
    *,
    copies: bool = False,
) -> Turns:
    """Turns among the posts of some buckets.

    Args:
        tallies: of one brand, by bucket; a bucket that is not there had no mentions.
        begin: first bucket whose posts are asked about.
        end: one past the last.
        known: first and last bucket of which all mentions are known.
        copies: whether copies count for the take-off, as they do where they are the story.
    """
    counts = {bucket: _counts(tally, copies) for bucket, tally in tallies}
    took_off: list[Turn] = []
    turned: list[Turn] = []
    for bucket, tally in tallies:
        minutes = min(STRETCH_MIN, known[1] - bucket + 1, bucket - known[0])
        if not begin <= bucket < end or minutes < LEAST_MIN:
            continue
        before = _total(counts, bucket - minutes, bucket)
        after = _total(counts, bucket, bucket + minutes)
        rows = {row.post: row for row in [*tally.first, *tally.exhibits]}.values()
        number = before[0] / minutes, after[0] / minutes
        took_off += _turns(rows, _rise_in_number(before, after), *number, minutes)
        share = _share(before), _share(after)
        turned += _turns(rows, _rise_in_share(before, after), *share, minutes)
    return Turns(min(took_off, key=lambda turn: turn.order, default=None), _one_an_author(turned))


_Count = tuple[int, int, int]
"""Mentions that rise, mentions that count, negative ones among them."""


def _counts(tally: Tally, copies: bool) -> _Count:
    negative = sum(tally.histogram[_NEGATIVE_BINS])
    return tally.mentions if copies else negative, sum(tally.histogram), negative


def _total(counts: dict[int, _Count], begin: int, end: int) -> _Count:
    found = [counts[bucket] for bucket in range(begin, end) if bucket in counts]
    return (sum(c[0] for c in found), sum(c[1] for c in found), sum(c[2] for c in found))


def _rise_in_number(before: _Count, after: _Count) -> float:
    """Of Poisson counts, by their variance-stabilising transformation."""
    return sqrt(2.0) * (sqrt(after[0]) - sqrt(before[0]))


def _rise_in_share(before: _Count, after: _Count) -> float:
    """Of binomial counts, by theirs."""
    if not before[1] or not after[1]:
        return 0.0
    rise = asin(sqrt(after[2] / after[1])) - asin(sqrt(before[2] / before[1]))
    return 2.0 * rise * sqrt(before[1] * after[1] / (before[1] + after[1]))


def _share(count: _Count) -> float:
    return count[2] / count[1] if count[1] else 0.0


def _turns(
    rows: Iterable[ExhibitRow], rise: float, before: float, after: float, minutes: int
) -> list[Turn]:
    if rise < LEAST_RISE:
        return []
    return [Turn(row, rise * weight_of(row.reach), before, after, minutes) for row in rows]


def _one_an_author(turns: Sequence[Turn]) -> list[Turn]:
    kept: dict[str, Turn] = {}
    for turn in sorted(turns, key=lambda turn: turn.order):
        if turn.row.author and turn.row.reach > 0:
            kept.setdefault(turn.row.author, turn)
    return list(kept.values())[:MAX_TURNED]
