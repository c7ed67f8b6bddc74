"""What the score stage tells the watch stage: tallies, and the frames that carry them.

A tally is what is known of one brand in one bucket. Tallies add up: the sum over blocks and
partitions does not depend on the order, because every part of a tally is an integer sum, a union
of k-minimum-values sketches, or a best-of list with a total order. Frames are internal (msgpack,
versioned) and never seen downstream.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Set

import msgspec

from models.sample import SampleRow, smallest
from models.sentiment.bins import N_BINS

FRAME_VERSION = 1
SKETCH_SIZE = 64
"""Distinct counts are exact up to this many, then within about 12 % (one standard error)."""
MAX_EXHIBITS = 6
MAX_FIRST = 2
MAX_CALM = 2
CALM_TONE_MILLI = 200
"""P(positive) - P(negative), x 1000, from which a mention speaks for the brand."""
MAX_EXHIBIT_CHARS = 500

Sketch = list[int]
"""K-minimum-values sketch of a set (Bar-Yossef and others, 2002): the smallest hashes, ascending.

At most SKETCH_SIZE of them; hashes lie in 0 … 2**64 - 1.
"""


class ExhibitRow(msgspec.Struct, frozen=True, array_like=True, order=False):
    """A negative mention that may become an exhibit of an alert."""

    rank: int  # higher is shown first
    post: str
    created_ms: int
    platform: str
    author: str | None
    reach: int
    text: str
    language: str | None
    url: str | None
    p_negative_milli: int

    @property
    def order(self) -> tuple[int, int, str, int, int, str, str, str]:
        """Total order: rank, then the earlier, then the key, then whatever else may differ.

        An edited post has rows that agree in rank, time and key; which of them is kept must not
        depend on which was added first.
        """
        return (
            -self.rank,
            self.created_ms,
            self.post,
            -self.p_negative_milli,
            -self.reach,
            self.text,
            self.platform,
            repr((self.author, self.language, self.url)),
        )


class Tally(msgspec.Struct, array_like=True):
    """Sums over the mentions of one brand in one bucket."""

    mentions: int = 0  # on time, all
    histogram: list[int] = msgspec.field(default_factory=lambda: [0] * N_BINS)  # those that count
    late_histogram: list[int] = msgspec.field(default_factory=lambda: [0] * N_BINS)
    late: int = 0  # posts of earlier, closed buckets
    copies: int = 0  # left out of the histogram: near-duplicates and loud authors
    negative_milli: int = 0  # sum of P(negative) x 1000
    positive_milli: int = 0  # sum of P(positive) x 1000
    reach: int = 0
    negative_reach: int = 0
    authors: Sketch = msgspec.field(default_factory=list)
    negative_authors: Sketch = msgspec.field(default_factory=list)
    platforms: dict[str, int] = msgspec.field(default_factory=dict)
    languages: dict[str, int] = msgspec.field(default_factory=dict)
    exhibits: list[ExhibitRow] = msgspec.field(default_factory=list)
    first: list[ExhibitRow] = msgspec.field(default_factory=list)  # earliest negative ones
    sample: list[SampleRow] = msgspec.field(default_factory=list)
    calm: list[SampleRow] = msgspec.field(default_factory=list)  # see `calmest`; without texts

    def add(self, other: Tally) -> None:
        """Adds another tally of the same brand and bucket, of other posts."""
        self.mentions += other.mentions
        self.histogram = [a + b for a, b in zip(self.histogram, other.histogram, strict=True)]
        self.late_histogram = [
            a + b for a, b in zip(self.late_histogram, other.late_histogram, strict=True)
        ]
        self.late += other.late
        self.copies += other.copies
        self.negative_milli += other.negative_milli
        self.positive_milli += other.positive_milli
        self.reach += other.reach
        self.negative_reach += other.negative_reach
        self.authors = union(self.authors, other.authors)
        self.negative_authors = union(self.negative_authors, other.negative_authors)
        for name, count in other.platforms.items():
            self.platforms[name] = self.platforms.get(name, 0) + count
        for name, count in other.languages.items():
            self.languages[name] = self.languages.get(name, 0) + count
        self.exhibits = best_exhibits(self.exhibits + other.exhibits)
        self.first = earliest(self.first + other.first)
        self.sample = smallest(self.sample + other.sample)
        self.calm = calmest(self.calm + other.calm)

    def copy(self) -> Tally:
        """An independent copy."""
        fresh = Tally()
        fresh.add(self)
        return fresh


class Entry(msgspec.Struct, array_like=True):
    """A cumulative tally within a frame."""

    brand: str
    bucket: int  # minutes since the epoch
    tally: Tally


class Close(msgspec.Struct, frozen=True, array_like=True):
    """Says that a partition's watermark has passed: its buckets up to `bucket` are complete."""

    bucket: int  # last complete bucket, minutes since the epoch
    live: int  # connectors that reported
    known: int  # connectors that should have
    sent_ms: int  # wall clock of the heartbeat that completed it


class Erasure(msgspec.Struct, frozen=True, array_like=True):
    """Says that a post, or all posts of an author, may be shown no longer.

    It belongs to a bucket, like a mention: so it takes effect at the same place in the life of an
    alert however often frames are sent.
    """

    bucket: int  # takes effect before this bucket is decided; minutes since the epoch
    post: str = ""  # its key
    author: str = ""  # or its author


class Frame(msgspec.Struct, array_like=True):
    """What one partition of `posts` has to say to one partition of `tallies`.

    Tallies are cumulative within the block: a frame of the same block with a larger `upto`
    replaces what it names. `closes` and `erased` are cumulative within the block too, ascending
    in their buckets. Entries no longer hold exhibits that were erased behind them in the block.
    """

    version: int
    partition: int  # of `posts`
    partitions: int  # how many `posts` has
    block: int
    upto: int  # next offset of `posts` to be read
    closes: list[Close]
    entries: list[Entry]
    erased: list[Erasure]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """The frame as it stands on `tallies`."""
    return _encoder.encode(frame)


def decode_frame(value: bytes) -> Frame:
    """Reads a frame.

    Raises:
        ValueError: not a frame, or of a version this code does not know.
    """
    try:
        frame = _decoder.decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a frame: {error}") from error
    if frame.version != FRAME_VERSION:
        raise ValueError(
            f"frame of version {frame.version}, this watch reads {FRAME_VERSION}: "
            "upgrade watch before score"
        )
    if not 0 <= frame.partition < frame.partitions:
        raise ValueError(f"not a frame: partition {frame.partition} of {frame.partitions}")
    for entry in frame.entries:
        for histogram in (entry.tally.histogram, entry.tally.late_histogram):
            if len(histogram) != N_BINS:
                raise ValueError(f"not a frame: a histogram of {len(histogram)} bins")
    return frame


def union(a: Sketch, b: Sketch) -> Sketch:
    """Sketch of the union of two sets."""
    if not a:
        return b
    if not b:
        return a
    merged: Sketch = []
    last = -1
    for value in heapq.merge(a, b):
        if value != last:
            merged.append(value)
            last = value
            if len(merged) == SKETCH_SIZE:
                break
    return merged


def distinct(sketch: Sketch) -> float:
    """Estimated size of the set; exact below SKETCH_SIZE."""
    if len(sketch) < SKETCH_SIZE:
        return float(len(sketch))
    return (SKETCH_SIZE - 1) * 2.0**64 / (sketch[-1] + 1.0)


def best_exhibits(rows: list[ExhibitRow], most: int = MAX_EXHIBITS) -> list[ExhibitRow]:
    """The best exhibits, one a post, in their total order."""
    unique = {row.post: row for row in sorted(rows, key=lambda row: row.order, reverse=True)}
    return sorted(unique.values(), key=lambda row: row.order)[:most]


def earliest(rows: list[ExhibitRow], most: int = MAX_FIRST) -> list[ExhibitRow]:
    """The earliest rows, one a post; ties fall as in `ExhibitRow.order`."""
    ordered = sorted(rows, key=lambda row: (row.created_ms, row.order))
    unique = {row.post: row for row in reversed(ordered)}  # of a post, its earliest row
    return sorted(unique.values(), key=lambda row: (row.created_ms, row.order))[:most]


def calmest(rows: list[SampleRow], most: int = MAX_CALM) -> list[SampleRow]:
    """The mentions for the brand with most reach, one an author; ties fall by all the rest."""
    ordered = sorted(rows, key=lambda row: (-row.reach, row))
    unique: dict[str, SampleRow] = {}
    for row in ordered:
        unique.setdefault(row.author, row)
    return list(unique.values())[:most]


def posts_of(erased: Collection[Erasure]) -> frozenset[str]:
    """Keys of the posts that were erased."""
    return frozenset(erasure.post for erasure in erased if erasure.post)


def authors_of(erased: Collection[Erasure]) -> frozenset[str]:
    """Authors all of whose posts were erased."""
    return frozenset(erasure.author for erasure in erased if erasure.author)


def erase(tally: Tally, posts: Set[str], authors: Set[str]) -> bool:
    """Takes texts of posts and of authors away; returns whether there were any to take."""

    def stays(row: ExhibitRow | SampleRow) -> bool:
        return row.post not in posts and row.author not in authors

    def held() -> int:
        return len(tally.exhibits) + len(tally.first) + len(tally.sample) + len(tally.calm)

    before = held()
    if before == 0:
        return False
    tally.exhibits = [row for row in tally.exhibits if stays(row)]
    tally.first = [row for row in tally.first if stays(row)]
    tally.sample = [row for row in tally.sample if stays(row)]
    tally.calm = [row for row in tally.calm if stays(row)]
    return held() < before


def split_frame(frame: Frame, max_bytes: int) -> list[bytes]:
    """Encodes a frame, in several pieces where it is too long for one record.

    The pieces must be sent in their order: only the last one declares buckets complete.
    """
    value = _encoder.encode(frame)
    if len(value) <= max_bytes or len(frame.entries) < 2:
        return [value]
    half = len(frame.entries) // 2
    first = msgspec.structs.replace(frame, entries=frame.entries[:half], closes=[])
    rest = msgspec.structs.replace(frame, entries=frame.entries[half:])
    return split_frame(first, max_bytes) + split_frame(rest, max_bytes)
