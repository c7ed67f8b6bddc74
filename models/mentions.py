"""The mentions of an open block as columns, and the tallies that they add up to.

A mention is a number in each column, not an object: brands and buckets are grouped, counted and
ranked for all mentions at once, when a tally is asked for. Only what an alert may show (exhibits,
the sample) becomes an object. What a tally holds is a function of the block's mentions and
erasures alone; how often and when it was asked for before makes no difference.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from models.decoding import PostRow
from models.fingerprint import NO_FINGERPRINT
from models.sample import MAX_SAMPLED, MAX_SAMPLED_CHARS, SampleRow, smallest
from models.sentiment.bins import N_BINS, NEGATIVE_FROM
from models.tally import (
    CALM_TONE_MILLI,
    MAX_CALM,
    MAX_EXHIBIT_CHARS,
    MAX_EXHIBITS,
    MAX_FIRST,
    SKETCH_SIZE,
    Erasure,
    ExhibitRow,
    Sketch,
    Tally,
    best_exhibits,
    calmest,
    earliest,
)

COPIES_THAT_COUNT = 5
"""Of one text within a tally; the rest are counted as copies only."""
POSTS_OF_AN_AUTHOR_THAT_COUNT = 5
"""Of one author within a tally; the rest are counted as copies only."""

COLUMNS = np.dtype(
    [
        ("place", np.int64),  # see `place_of`
        ("number", np.int64),  # of the post among all posts of the block, ascending
        ("post", np.int64),  # index of its row among those that mention a brand
        ("bin", np.int64),
        ("negative_milli", np.int64),
        ("positive_milli", np.int64),
        ("reach", np.int64),
        ("created_ms", np.int64),
        ("author", np.uint64),  # hash
        ("key", np.uint64),  # hash of the post's key
        ("fingerprint", np.uint64),
        ("platform", np.int64),  # index
        ("language", np.int64),  # index
        ("late", np.bool_),
        ("hidden", np.bool_),  # erased
    ]
)
"""Columns of the mentions of a block."""

_BUCKET_BITS = 40
_BUCKET_MASK = (1 << _BUCKET_BITS) - 1

Columns = npt.NDArray[Any]
Indexes = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def place_of(brands: Indexes, buckets: Indexes) -> Indexes:
    """One number for a brand's index and a bucket; ascends with the brand, then the bucket."""
    return (brands << _BUCKET_BITS) | buckets


def hash_of(values: Sequence[bytes]) -> Hashes:
    """Evenly spread 64-bit hashes, shape (len(values),).

    CRC-32, which has 32 bits of its own, with the finaliser of SplitMix64 (Steele et al., 2014).
    """
    crcs = np.fromiter(map(zlib.crc32, values), dtype=np.uint64, count=len(values))
    with np.errstate(over="ignore"):
        z = crcs * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class Names:
    """Numbers for strings, in the order in which they came."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def number(self, names: Sequence[str]) -> list[int]:
        """The number of each name."""
        index = self._index
        return [index.setdefault(name, len(index)) for name in names]

    def names(self) -> list[str]:
        """All names by their numbers."""
        return list(self._index)


class Mentions:
    """What one block has of mentions so far."""

    def __init__(self) -> None:
        self.posts: list[PostRow] = []
        self.platforms = Names()
        self.languages = Names()
        self._chunks: list[Columns] = []
        self._size = 0
        self._told = 0  # mentions that have been in a tally that was asked for
        self._erasures: list[tuple[Erasure, int]] = []

    def add(self, columns: Columns) -> None:
        """Appends mentions, shape (n,) of `COLUMNS`, in the order of their posts."""
        if len(columns):
            self._chunks.append(columns)
            self._size += len(columns)

    def erase(self, erasure: Erasure, before: int) -> None:
        """Hides the texts of a post or an author from the erasure's bucket on.

        Args:
            erasure: what to hide.
            before: number of the first post that comes after the erasure; it stays.
        """
        self._erasures.append((erasure, before))

    @property
    def changed(self) -> bool:
        """Whether `take_changed` has anything to say."""
        return self._size > self._told or bool(self._erasures)

    def take_changed(self) -> list[tuple[int, int, Tally]]:
        """Tallies of the places that changed since the last call.

        Returns:
            Index of the brand, bucket and tally, ascending.
        """
        if not self._chunks:
            self._erasures = []
            return []
        mentions = self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks)
        self._chunks = [mentions]
        touched = [mentions["place"][self._told :], *map(self._hide, self._erasures)]
        self._told = self._size
        self._erasures = []
        places = np.unique(np.concatenate(touched))
        if not len(places):
            return []
        chosen = mentions[np.isin(mentions["place"], places)]
        tallies = self._add_up(chosen[np.argsort(chosen["place"], kind="stable")])
        return [
            (place >> _BUCKET_BITS, place & _BUCKET_MASK, tally)
            for place, tally in zip(places.tolist(), tallies, strict=True)
        ]

    def _hide(self, told: tuple[Erasure, int]) -> Indexes:
        """Hides mentions; returns their places."""
        erasure, before = told
        mentions = self._chunks[0]
        column, name = ("key", erasure.post) if erasure.post else ("author", erasure.author)
        [hashed] = hash_of([name.encode("utf-8", "surrogatepass")])
        found = np.flatnonzero(
            (mentions[column] == hashed)
            & (mentions["number"] < before)
            & ((mentions["place"] & _BUCKET_MASK) >= erasure.bucket)
            & ~mentions["hidden"]
        )
        rows = [self.posts[post] for post in mentions["post"][found].tolist()]
        of_it = [name == (row.key if erasure.post else row.author) for row in rows]
        found = found[np.array(of_it, dtype=np.bool_)]
        mentions["hidden"][found] = True
        places: Indexes = mentions["place"][found]
        return places

    def _add_up(self, m: Columns) -> list[Tally]:
        """Tallies of mentions that are sorted by place."""
        starts = np.flatnonzero(np.concatenate(([True], m["place"][1:] != m["place"][:-1])))
        n = len(starts)
        group = np.repeat(np.arange(n), np.diff(np.append(starts, len(m))))
        seldom = _occurrence(group, m["author"]) < POSTS_OF_AN_AUTHOR_THAT_COUNT
        first_copies = _occurrence(group, m["fingerprint"]) < COPIES_THAT_COUNT
        counts = seldom & (first_copies | (m["fingerprint"] == NO_FINGERPRINT))
        negative = m["negative_milli"] >= NEGATIVE_FROM * 1000
        histograms = np.bincount(
            ((group * 2 + m["late"]) * N_BINS + m["bin"])[counts], minlength=n * 2 * N_BINS
        ).reshape(n, 2, N_BINS)

        def sums(values: npt.NDArray[Any]) -> list[int]:
            return np.add.reduceat(values.astype(np.int64), starts).tolist()  # type: ignore[no-any-return]

        columns = zip(
            sums(np.ones(len(m))),
            histograms[:, 0].tolist(),
            histograms[:, 1].tolist(),
            sums(m["late"]),
            sums(~counts),
            sums(m["negative_milli"]),
            sums(m["positive_milli"]),
            sums(m["reach"]),
            sums(np.where(negative, m["reach"], 0)),
            _sketches(group, m["author"], n),
            _sketches(group[negative], m["author"][negative], n),
            _shares(group, m["platform"], self.platforms.names(), n),
            _shares(group, m["language"], self.languages.names(), n),
            *self._shown(m, group, np.flatnonzero(negative & counts & ~m["hidden"]), n),
            self._samples(m, group, np.flatnonzero(~m["hidden"]), n),
            self._calm(m, group, n),
            strict=True,
        )
        return [Tally(*fields) for fields in columns]

    def _shown(
        self, m: Columns, group: Indexes, negative: Indexes, n: int
    ) -> tuple[list[list[ExhibitRow]], list[list[ExhibitRow]]]:
        """Exhibits and first posts of each group.

        Ranked by negativity x (1 + log2 of reach): a loud voice counts, but does not drown all.
        """
        group, m = group[negative], m[negative]
        _, reach_bits = np.frexp((m["reach"] + 1).astype(np.float64))
        rank = m["negative_milli"] * (1 + reach_bits.astype(np.int64))
        created = m["created_ms"]
        best = _leading(group, (-rank, created), MAX_EXHIBITS)
        first = _leading(group, (created, -rank), MAX_FIRST)
        exhibits = {
            at: _exhibit(self.posts[m["post"][at]], int(rank[at]), int(m["negative_milli"][at]))
            for at in {*best.tolist(), *first.tolist()}
        }
        return (
            [best_exhibits([exhibits[at] for at in own]) for own in _parted(group, best, n)],
            [earliest([exhibits[at] for at in own]) for own in _parted(group, first, n)],
        )

    def _samples(self, m: Columns, group: Indexes, shown: Indexes, n: int) -> list[list[SampleRow]]:
        group, m = group[shown], m[shown]
        chosen = _leading(group, (m["key"],), MAX_SAMPLED)
        tone_milli = m["positive_milli"] - m["negative_milli"]
        return [
            smallest(
                [
                    _sampled(self.posts[m["post"][at]], int(m["key"][at]), int(tone_milli[at]))
                    for at in own
                ]
            )
            for own in _parted(group, chosen, n)
        ]

    def _calm(self, m: Columns, group: Indexes, n: int) -> list[list[SampleRow]]:
        tone_milli = m["positive_milli"] - m["negative_milli"]
        known = m["author"] != m["key"]  # a post without an author is counted under its key
        seen = np.flatnonzero(
            (tone_milli >= CALM_TONE_MILLI) & (m["reach"] > 0) & known & ~m["hidden"]
        )
        order = seen[
            np.lexsort((m["key"][seen], -m["reach"][seen], m["author"][seen], group[seen]))
        ]
        each = order[_begins(group[order], m["author"][order])] if len(order) else order
        chosen = each[_leading(group[each], (-m["reach"][each], m["key"][each]), MAX_CALM)]
        return [
            calmest(
                [
                    _sampled(self.posts[m["post"][at]], int(m["key"][at]), int(tone_milli[at]), "")
                    for at in own
                ]
            )
            for own in _parted(group, chosen, n)
        ]


def _occurrence(group: Indexes, values: Hashes) -> Indexes:
    """How many equal values stand before each one in its group, shape (len(group),)."""
    order = np.lexsort((values, group))
    position = np.arange(len(order))
    begins = _begins(group[order], values[order])
    result = np.empty(len(order), dtype=np.int64)
    result[order] = position - np.maximum.accumulate(np.where(begins, position, 0))
    return result


def _begins(*columns: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each row differs from the one before in any column; the first one does."""
    begins = np.zeros(len(columns[0]), dtype=np.bool_)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return begins


def _leading(group: Indexes, keys: tuple[npt.NDArray[Any], ...], most: int) -> Indexes:
    """Indexes of the first `most` rows of each group, ordered by the keys; all that tie with them.

    Args:
        group: group of each row, shape (n,).
        keys: the first one counts most, shape (n,) each.
        most: how many of each group.

    Returns:
        Indexes, by group, then by the keys.
    """
    order = np.lexsort((*reversed(keys), group))
    position = np.arange(len(order))
    own = group[order]
    group_starts = np.maximum.accumulate(np.where(_begins(own), position, 0))
    ties = _begins(own, *(key[order] for key in keys))
    tie_starts = np.maximum.accumulate(np.where(ties, position, 0))
    leading: Indexes = order[tie_starts - group_starts < most]
    return leading


def _parted(group: Indexes, rows: Indexes, n: int) -> list[list[int]]:
    """Rows, sorted by their group, as one list for each of the n groups."""
    ends = np.searchsorted(group[rows], np.arange(n + 1)).tolist()
    flat = rows.tolist()
    return [flat[start:end] for start, end in pairwise(ends)]


def _sketches(group: Indexes, values: Hashes, n: int) -> list[Sketch]:
    order = np.lexsort((values, group))
    order = order[_begins(group[order], values[order])]
    ends = np.searchsorted(group[order], np.arange(n + 1)).tolist()
    return [values[order[a : min(b, a + SKETCH_SIZE)]].tolist() for a, b in pairwise(ends)]


def _shares(group: Indexes, numbers: Indexes, names: list[str], n: int) -> list[dict[str, int]]:
    """How often each name stands in each group."""
    shares: list[dict[str, int]] = [{} for _ in range(n)]
    pairs, counts = np.unique(group * len(names) + numbers, return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        shares[pair // len(names)][names[pair % len(names)]] = count
    return shares


def _exhibit(row: PostRow, rank: int, negative_milli: int) -> ExhibitRow:
    return ExhibitRow(
        rank=rank,
        post=row.key,
        created_ms=row.created_ms,
        platform=row.platform,
        author=row.author,
        reach=row.reach,
        text=row.text[:MAX_EXHIBIT_CHARS],
        language=row.language,
        url=row.url,
        p_negative_milli=negative_milli,
    )


def _sampled(row: PostRow, hashed: int, tone_milli: int, text: str | None = None) -> SampleRow:
    return SampleRow(
        hash=hashed,
        post=row.key,
        created_ms=row.created_ms,
        author=row.author or "",
        reach=row.reach,
        tone_milli=tone_milli,
        text=row.text[:MAX_SAMPLED_CHARS] if text is None else text,
    )
