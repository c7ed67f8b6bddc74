"""Frames to closed buckets: the half of the watch stage that knows of blocks and watermarks.

One `Folder` serves one partition of `tallies`. For each partition of `posts` it keeps the newest
cumulative tally of the open block and the sum of the blocks before. A bucket closes when every
partition of `posts` has declared it complete; what it then holds does not depend on how often
frames were sent, nor on how they were interleaved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from msgspec.structs import astuple

from models.tally import Close, Erasure, Frame, Tally, authors_of, erase, posts_of

LONGEST_SILENCE_BUCKETS = 30 * 24 * 60
"""A longer stretch without a single mention is skipped: nobody was watching."""


@dataclass(frozen=True, slots=True)
class ClosedBucket:
    """A bucket that every partition has declared complete.

    Attributes:
        bucket: minutes since the epoch.
        tallies: by brand; brands without a mention are absent.
        coverage: share of the connectors that were there, the least over the partitions.
        sent_ms: wall clock of the heartbeat that completed it, the last over the partitions.
        erased: what may be shown no longer; the tallies here do not hold it any more.
    """

    bucket: int
    tallies: dict[str, Tally]
    coverage: float
    sent_ms: int
    erased: tuple[Erasure, ...] = ()


@dataclass(slots=True)
class _Part:
    """What is known of one partition of `posts`."""

    block: int = -1
    open: dict[int, dict[str, tuple[int, Tally]]] = field(default_factory=dict)
    closed: dict[int, dict[str, Tally]] = field(default_factory=dict)
    complete: int | None = None
    closes: list[Close] = field(default_factory=list)
    erased: set[Erasure] = field(default_factory=set)  # not yet in effect

    def begin_block(self, block: int) -> None:
        for bucket, entries in self.open.items():
            sums = self.closed.setdefault(bucket, {})
            for brand, (_, tally) in entries.items():
                if brand in sums:
                    sums[brand].add(tally)
                else:
                    sums[brand] = tally.copy()
        self.open = {}
        self.block = block

    def take(self, bucket: int) -> Iterator[tuple[str, Tally]]:
        yield from self.closed.pop(bucket, {}).items()
        for brand, (_, tally) in self.open.pop(bucket, {}).items():
            yield brand, tally

    def close_of(self, bucket: int) -> Close:
        """The declaration that completed a bucket."""
        return next(close for close in self.closes if close.bucket >= bucket)

    def first_bucket(self) -> int | None:
        return min([*self.closed, *self.open], default=None)


class Folder:
    """Adds up frames and closes buckets.

    Args:
        folded: last bucket folded before, None at the very start.
        declared: what each partition of `posts` had declared in the frames that will not be seen
            again, from `HeldFrames`; {} at the very start.
    """

    def __init__(
        self, folded: int | None = None, declared: dict[int, list[Close]] | None = None
    ) -> None:
        self.folded = folded
        self._parts: dict[int, _Part] = {}
        self._n_partitions = 0
        for partition, closes in (declared or {}).items():
            self._parts[partition] = _Part(complete=closes[-1].bucket, closes=list(closes))

    def add(self, frame: Frame) -> bool:
        """Takes a frame; returns False if it is older than what is known and was ignored."""
        self._n_partitions = max(self._n_partitions, frame.partitions)
        part = self._parts.setdefault(frame.partition, _Part())
        if frame.block < part.block:
            return False
        if frame.block > part.block:
            part.begin_block(frame.block)
        for entry in frame.entries:
            if self.folded is not None and entry.bucket <= self.folded:
                continue
            entries = part.open.setdefault(entry.bucket, {})
            known = entries.get(entry.brand)
            if known is None or frame.upto > known[0]:
                entries[entry.brand] = (frame.upto, entry.tally)
        for close in frame.closes:
            if part.complete is None or close.bucket > part.complete:
                part.complete = close.bucket
                part.closes.append(close)
        if frame.erased:
            for bucket, sums in part.closed.items():
                erased = [erasure for erasure in frame.erased if erasure.bucket <= bucket]
                posts, authors = posts_of(erased), authors_of(erased)
                for tally in sums.values():
                    erase(tally, posts, authors)
            part.erased.update(
                e for e in frame.erased if self.folded is None or e.bucket > self.folded
            )
        return True

    def close(self) -> Iterator[ClosedBucket]:
        """Closes, in order, every bucket that is complete."""
        complete = self.complete()
        if complete is None:
            return
        if self.folded is None:
            firsts = self._first_buckets()
            if not firsts or min(firsts) > complete:
                for part in self._parts.values():  # there is nothing that they could concern
                    part.erased = {e for e in part.erased if e.bucket > complete}
                return
            self.folded = min(firsts) - 1
        while self.folded < complete:
            bucket = self.folded + 1
            if complete - self.folded > LONGEST_SILENCE_BUCKETS:
                following = self._first_buckets()
                if min(following, default=complete) - self.folded > LONGEST_SILENCE_BUCKETS:
                    bucket = min(*following, complete) if following else complete
            closed = self._close_one(bucket)
            self.folded = bucket
            yield closed

    def complete(self) -> int | None:
        """The last bucket that every partition of `posts` declared complete."""
        declared = [part.complete for part in self._parts.values() if part.complete is not None]
        if not declared or len(declared) < self._n_partitions:
            return None
        return min(declared)

    @property
    def settled(self) -> int | None:
        """Last bucket of which no frame is needed any more, once `close` was gone through.

        The last one folded; before the first mention, from which folding begins, all that is
        complete.
        """
        return self.complete() if self.folded is None else self.folded

    def _first_buckets(self) -> list[int]:
        firsts = (part.first_bucket() for part in self._parts.values())
        return [first for first in firsts if first is not None]

    def _close_one(self, bucket: int) -> ClosedBucket:
        tallies: dict[str, Tally] = {}
        coverage, sent_ms = 1.0, 0
        erased: list[Erasure] = []
        for partition in sorted(self._parts):
            part = self._parts[partition]
            erased += sorted((e for e in part.erased if e.bucket <= bucket), key=astuple)
            part.erased = {e for e in part.erased if e.bucket > bucket}
            for brand, tally in part.take(bucket):
                if brand in tallies:
                    tallies[brand].add(tally)
                else:
                    tallies[brand] = tally.copy()
            close = part.close_of(bucket)
            part.closes = [c for c in part.closes if c.bucket > bucket] or [part.closes[-1]]
            coverage = min(coverage, close.live / close.known if close.known else 1.0)
            sent_ms = max(sent_ms, close.sent_ms)
        return ClosedBucket(bucket, tallies, coverage, sent_ms, tuple(erased))


Token = TypeVar("Token")


class HeldFrames(Generic[Token]):
    """Frames that a restart would need again, in the order of their arrival.

    A frame may be acknowledged once every bucket it speaks of is folded into saved state, and all
    frames before it may. What those frames declared complete is saved with the state, for a
    declaration must never be known before the tallies that stand in front of it.

    Args:
        declared: what an earlier life of this object had in `declared`.
    """

    def __init__(self, declared: dict[int, list[Close]] | None = None) -> None:
        self._held: deque[tuple[Token, Frame | None]] = deque()
        self.declared: dict[int, list[Close]] = dict(declared or {})

    def __len__(self) -> int:
        return len(self._held)

    def add(self, token: Token, frame: Frame | None) -> None:
        """Holds a frame; `token` is what acknowledges it. None: a record that is no frame."""
        self._held.append((token, frame))

    def settle(self, folded: int | None) -> list[Token]:
        """Lets go of the frames that speak of buckets up to `folded` alone.

        Save `declared` and the folded state before acknowledging what this returns.
        """
        tokens: list[Token] = []
        while self._held:
            token, frame = self._held[0]
            if frame is not None and (frame.entries or frame.erased):
                newest = max(
                    *(entry.bucket for entry in frame.entries),
                    *(erasure.bucket for erasure in frame.erased),
                    -1,
                )
                if folded is None or newest > folded:
                    break
            if frame is not None:
                self._declare(frame, folded)
            tokens.append(token)
            self._held.popleft()
        return tokens

    def _declare(self, frame: Frame, folded: int | None) -> None:
        closes = self.declared.setdefault(frame.partition, [])
        for close in frame.closes:
            if not closes or close.bucket > closes[-1].bucket:
                closes.append(close)
        if not closes:
            del self.declared[frame.partition]
        elif folded is not None:
            self.declared[frame.partition] = [c for c in closes if c.bucket > folded] or closes[-1:]
