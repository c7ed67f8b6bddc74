"""The score stage without Kafka: records of one partition of `posts` in, frames out.

Everything here is a pure function of the partition's records in the order of their offsets. The
partition is cut into blocks by offset; tallies are cumulative within a block. A worker that starts
at the beginning of a block, after reading the duplicate window before it, says exactly what any
other worker says of that block. That is why frames may be lost, repeated and replayed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.decoding import Bad, HeartbeatRow, PostRow, decode
from models.detection.base import BUCKET_MS
from models.fingerprint import fingerprints
from models.matching import Matcher
from models.mentions import COLUMNS, Mentions, hash_of, place_of
from models.post import Op
from models.sentiment.base import NEGATIVE, POSITIVE, Scorer
from models.sentiment.bins import bin_of
from models.sentiment.clauses import split_by_brand
from models.tally import FRAME_VERSION, Close, Entry, Erasure, Frame
from models.watermark import Watermark

FUTURE_TOLERANCE_MS = 5 * 60_000
"""A post created this long after it was observed has a wrong clock: observation time counts."""
UNKNOWN_LANGUAGE = "und"
FUTURE_LIMIT_MS = 24 * 3600_000
"""A post this far ahead of every connector is no post of this stream: dead letter."""


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What must be the same in every worker of a deployment."""

    block_records: int = 4096
    duplicate_window_blocks: int = 16
    lateness_ms: int = 30_000
    blind_after_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Brands:
    """Brands by index, and the partition of `tallies` that each one's tallies go to."""

    ids: tuple[str, ...]
    outputs: tuple[int, ...]
    n_outputs: int
    matcher: Matcher


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used, and why."""

    offset: int
    reason: str  # short, stable: a metric label
    detail: str
    value: bytes


@dataclass(slots=True)
class Counts:
    """What a worker did since it was last asked; for metrics."""

    records: int = 0
    posts: Counter[Op] = field(default_factory=Counter)
    mentions: int = 0
    negative_milli: int = 0  # P(negative) x 1000, summed over the mentions
    duplicates: int = 0
    late: int = 0
    clock_ahead: int = 0
    heartbeats: int = 0


@dataclass(slots=True)
class _Posts:
    """New posts of one call, as columns."""

    rows: list[PostRow] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)
    late: list[bool] = field(default_factory=list)


class PartitionScorer:
    """Scores one partition of `posts`.

    Args:
        partition: number of the partition.
        partitions: how many `posts` has.
        brands: whom to look for.
        scorer: sentiment model.
        settings: see there.
        start: offset of the first record that counts; a block's first offset, or the partition's
            first one.
        memo: the watermark's state at `start`, from the committed offset's metadata.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        brands: Brands,
        scorer: Scorer,
        settings: ScoreSettings,
        start: int = 0,
        memo: str = "",
    ) -> None:
        self._partition = partition
        self._partitions = partitions
        self._brands = brands
        self._scorer = scorer
        self._settings = settings
        self._watermark = Watermark(settings.lateness_ms, settings.blind_after_ms, memo)
        self._seen: dict[bytes, int] = {}
        self._seen_in: deque[tuple[int, list[bytes]]] = deque()
        self.block = start // settings.block_records
        self.position = start
        self.counts = Counts()
        self._dead_letters: list[DeadLetter] = []
        self._clear_block()

    def _clear_block(self) -> None:
        self._mentions = Mentions()
        self._n_posts = 0
        self._closes: list[Close] = []
        self._erased: dict[Erasure, None] = {}
        self._tell_all = False

    @property
    def block_start(self) -> int:
        """First offset of the open block: what may be committed once the blocks before are out."""
        return self.block * self._settings.block_records

    @property
    def block_end(self) -> int:
        """One past the last offset of the open block."""
        return self.block_start + self._settings.block_records

    def memo(self) -> str:
        """The watermark's state now; to be committed at a block's end."""
        return self._watermark.memo()

    def prime(
        self, offsets: Sequence[int], keys: Sequence[bytes | None], values: Sequence[bytes]
    ) -> None:
        """Reads records of the duplicate window before `start`, for their ids alone."""
        for offset, key, row in zip(offsets, keys, decode(values), strict=True):
            if isinstance(row, PostRow) and row.op is Op.CREATE:
                self._remember(_identity(key, row), offset // self._settings.block_records)

    def feed(
        self, offsets: Sequence[int], keys: Sequence[bytes | None], values: Sequence[bytes]
    ) -> int:
        """Takes records in offset order, up to the end of the open block.

        Returns:
            How many records were taken. If fewer than given, the block is complete: send
            `cut()`, then call `next_block()` and feed the rest.
        """
        taken = _count_below(offsets, self.block_end)
        created = 0
        posts = _Posts()
        for offset, key, value, row in zip(
            offsets[:taken], keys[:taken], values[:taken], decode(values[:taken]), strict=True
        ):
            if isinstance(row, PostRow):
                if row.op is Op.CREATE:
                    created += 1
                    self._take_post(offset, key, value, row, posts)
                else:
                    self._take_change(row, self._n_posts + len(posts.rows))
            elif isinstance(row, HeartbeatRow):
                self._take_heartbeat(row)
            else:
                self._refuse(offset, row, value)
        if taken:
            self.position = offsets[taken - 1] + 1
            self.counts.records += taken
            self.counts.posts[Op.CREATE] += created
            self._add_mentions(posts)
        return taken

    def cut(self) -> dict[int, Frame]:
        """Frames with all that changed since the last cut, by partition of `tallies`."""
        if not (self._mentions.changed or self._tell_all):
            return {}
        entries: dict[int, list[Entry]] = {}
        for brand, bucket, tally in self._mentions.take_changed():
            entry = Entry(self._brands.ids[brand], bucket, tally)
            entries.setdefault(self._brands.outputs[brand], []).append(entry)
        told = range(self._brands.n_outputs) if self._tell_all else sorted(entries)
        frames = {
            output: Frame(
                version=FRAME_VERSION,
                partition=self._partition,
                partitions=self._partitions,
                block=self.block,
                upto=self.position,
                closes=self._closes,
                entries=entries.get(output, []),
                erased=list(self._erased),
            )
            for output in told
        }
        self._tell_all = False
        return frames

    def next_block(self, next_offset: int) -> None:
        """Closes the block, whose last frames have been sent, and opens that of `next_offset`."""
        self.block = next_offset // self._settings.block_records
        self.position = next_offset
        self._clear_block()
        oldest = self.block - self._settings.duplicate_window_blocks
        while self._seen_in and self._seen_in[0][0] < oldest:
            block, identities = self._seen_in.popleft()
            for identity in identities:
                if self._seen.get(identity) == block:
                    del self._seen[identity]

    def take_dead_letters(self) -> list[DeadLetter]:
        """Records refused since the last call."""
        letters, self._dead_letters = self._dead_letters, []
        return letters

    def take_counts(self) -> Counts:
        """Counts since the last call."""
        counts, self.counts = self.counts, Counts()
        return counts

    def _refuse(self, offset: int, bad: Bad, value: bytes) -> None:
        self._dead_letters.append(DeadLetter(offset, bad.reason, bad.detail, value))

    def _remember(self, identity: bytes, block: int) -> bool:
        """Notes that an id stands in a block; returns whether it stood in the window before."""
        if not self._seen_in or self._seen_in[-1][0] != block:
            self._seen_in.append((block, []))
        known = self._seen.get(identity)
        if known == block:
            return True
        self._seen[identity] = block
        self._seen_in[-1][1].append(identity)
        return known is not None and known >= block - self._settings.duplicate_window_blocks

    def _take_heartbeat(self, row: HeartbeatRow) -> None:
        self.counts.heartbeats += 1
        gap = None if row.gap is None else (row.gap.from_ms, row.gap.to_ms)
        closes = self._watermark.beat(row.source, row.until_ms, row.sent_ms, row.final, gap)
        if closes:
            self._closes += closes
            self._tell_all = True

    def _take_post(
        self, offset: int, key: bytes | None, value: bytes, row: PostRow, posts: _Posts
    ) -> None:
        # Before anything else is asked: whoever takes over sees the ids before it, and no more.
        if self._remember(_identity(key, row), self.block):
            self.counts.duplicates += 1
            return
        event_ms = row.created_ms
        if event_ms > row.observed_ms + FUTURE_TOLERANCE_MS:
            self.counts.clock_ahead += 1
            event_ms = row.observed_ms
        latest_ms = self._watermark.latest_ms
        if latest_ms is not None and event_ms > latest_ms + FUTURE_LIMIT_MS:
            detail = f"created_ms and observed_ms are more than a day ahead of {latest_ms}"
            self._refuse(offset, Bad("future", detail), value)
            return
        bucket = event_ms // BUCKET_MS
        late = self._watermark.is_late(bucket)
        if late:
            self.counts.late += 1
            bucket = (self._watermark.complete or 0) + 1
        posts.rows.append(row)
        posts.buckets.append(bucket)
        posts.late.append(late)

    def _take_change(self, row: PostRow, number: int) -> None:
        """A delete or an edit takes the old text out of the exhibits; counts stay."""
        self.counts.posts[row.op] += 1
        complete = self._watermark.complete
        # What is complete was told so, maybe in an earlier frame: it stays as it was.
        bucket = 0 if complete is None else complete + 1
        if row.op is Op.AUTHOR_DELETE:
            erasure = Erasure(bucket, author=row.author or row.native_id)
        else:
            erasure = Erasure(bucket, post=row.key)
        self._erased[erasure] = None
        self._mentions.erase(erasure, before=number)
        self._tell_all = True

    def _add_mentions(self, posts: _Posts) -> None:
        first = self._n_posts
        self._n_posts += len(posts.rows)
        at, brands = self._brands.matcher.pairs([row.text for row in posts.rows])
        if not len(at):
            return
        found, of = np.unique(at, return_inverse=True)
        rows = [posts.rows[i] for i in found.tolist()]
        texts = [row.text for row in rows]
        scores = self._judge(rows, of, brands)
        block = self._mentions
        columns = np.zeros(len(brands), dtype=COLUMNS)
        columns["place"] = place_of(brands, np.array(posts.buckets, dtype=np.int64)[at])
        columns["late"] = np.array(posts.late, dtype=np.bool_)[at]
        columns["number"] = first + at
        columns["post"] = len(block.posts) + of
        columns["bin"] = bin_of(scores[:, NEGATIVE])
        milli = np.rint(scores.astype(np.float64) * 1000)
        columns["negative_milli"] = milli[:, NEGATIVE]
        columns["positive_milli"] = milli[:, POSITIVE]
        columns["reach"] = np.array([row.reach for row in rows], dtype=np.int64)[of]
        columns["created_ms"] = np.array([row.created_ms for row in rows], dtype=np.int64)[of]
        keys = hash_of([row.key.encode("utf-8", "surrogatepass") for row in rows])
        columns["key"] = keys[of]
        columns["author"] = hash_of([_author(row) for row in rows])[of]
        columns["fingerprint"] = fingerprints(texts)[of]
        columns["platform"] = np.array(block.platforms.number([r.platform for r in rows]))[of]
        languages = [row.language or UNKNOWN_LANGUAGE for row in rows]
        columns["language"] = np.array(block.languages.number(languages))[of]
        block.posts.extend(rows)
        block.add(columns)
        self.counts.mentions += len(columns)
        self.counts.negative_milli += int(columns["negative_milli"].sum())

    def _judge(
        self, rows: list[PostRow], of: npt.NDArray[np.int64], brands: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Sentiment of each mention, shape (len(of), 3): where a post names several, of its clause.

        Args:
            rows: the posts.
            of: the post of each mention.
            brands: the brand of each mention.
        """
        pieces = [row.text for row in rows]
        owners = rows
        judged = of
        several = np.bincount(of, minlength=len(rows)) > 1
        if several.any():
            owners, judged = list(rows), of.copy()
            clauses: dict[int, dict[int, str]] = {}
            for mention in np.flatnonzero(several[of]).tolist():
                post, text = int(of[mention]), rows[of[mention]].text
                if post not in clauses:
                    clauses[post] = split_by_brand(text, self._brands.matcher.spans(text))
                piece = clauses[post].get(int(brands[mention]), text)
                if piece != text:
                    judged[mention] = len(pieces)
                    pieces.append(piece)
                    owners.append(rows[post])
        scores = self._scorer.score(
            pieces, [row.language for row in owners], [row.observed_ms for row in owners]
        )
        return scores[judged]


def _identity(key: bytes | None, row: PostRow) -> bytes:
    return key if key is not None else row.key.encode()


def _author(row: PostRow) -> bytes:
    """Whom a post is counted under; a post without an author is its own."""
    return (row.author or row.key).encode("utf-8", "surrogatepass")


def _count_below(offsets: Sequence[int], end: int) -> int:
    if offsets and offsets[-1] < end:
        return len(offsets)
    return bisect_left(offsets, end)
