"""The score stage without Kafka: records of one partition of `posts` in, frames out.

Everything here is a pure function of the partition's records in the order of their offsets. The
partition is cut into blocks by offset; tallies are cumulative within a block. A worker that starts
at the beginning of a block, after reading the duplicate window before it, says exactly what any
other worker says of that block. That is why frames may be lost, repeated and replayed.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.decoding import Bad, HeartbeatRow, PostRow, decode
from models.detection.base import BUCKET_MS
from models.matching import Matcher
from models.sample import MAX_SAMPLED, MAX_SAMPLED_CHARS, SampleRow, smallest
from models.sentiment.base import NEGATIVE, POSITIVE, Scorer
from models.sentiment.bins import NEGATIVE_FROM, bin_of
from models.tally import (
    FRAME_VERSION,
    MAX_EXHIBIT_CHARS,
    MAX_EXHIBITS,
    MAX_FIRST,
    SKETCH_SIZE,
    Close,
    Entry,
    Erasure,
    ExhibitRow,
    Frame,
    Sketch,
    Tally,
    best_exhibits,
    earliest,
    erase,
)
from models.watermark import Watermark

FUTURE_TOLERANCE_MS = 5 * 60_000
"""A post created this long after it was observed has a wrong clock: observation time counts."""
FUTURE_LIMIT_MS = 24 * 3600_000
"""A post this far ahead of every connector is no post of this stream: dead letter."""
COPIES_THAT_COUNT = 5
"""Of one text within a tally; the rest are counted as copies only."""
POSTS_OF_AN_AUTHOR_THAT_COUNT = 5
"""Of one author within a tally; the rest are counted as copies only."""
SHORT_TEXT_CHARS = 20
"""Texts shorter than this when normalised repeat by nature; they are never copies."""

_NOT_THE_MESSAGE = re.compile(r"https?://\S+|[@#]\w+|[\W\d_]+")


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
    posts: Counter[str] = field(default_factory=Counter)  # by operation
    mentions: int = 0
    duplicates: int = 0
    late: int = 0
    clock_ahead: int = 0
    heartbeats: int = 0


@dataclass(slots=True)
class _Cell:
    """One brand in one bucket of the open block."""

    tally: Tally = field(default_factory=Tally)
    by_text: Counter[int] = field(default_factory=Counter)
    by_author: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class _Mentions:
    """Mentions of one call, as columns."""

    posts: list[PostRow] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
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
        self._cells: dict[tuple[int, int], _Cell] = {}
        self._dirty: set[tuple[int, int]] = set()
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
            if isinstance(row, PostRow) and row.op == "create":
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
        mentions = _Mentions()
        for offset, key, value, row in zip(
            offsets[:taken], keys[:taken], values[:taken], decode(values[:taken]), strict=True
        ):
            if isinstance(row, PostRow):
                if row.op == "create":
                    self._take_post(offset, key, value, row, mentions)
                else:
                    self._tally(mentions)  # what stands before it, it may erase
                    mentions = _Mentions()
                    self._take_change(row)
            elif isinstance(row, HeartbeatRow):
                self._take_heartbeat(row)
            else:
                self._refuse(offset, row, value)
        if taken:
            self.position = offsets[taken - 1] + 1
            self.counts.records += taken
            self._tally(mentions)
        return taken

    def cut(self) -> dict[int, Frame]:
        """Frames with all that changed since the last cut, by partition of `tallies`."""
        if not (self._dirty or self._tell_all):
            return {}
        entries: dict[int, list[Entry]] = {}
        for brand, bucket in sorted(self._dirty):
            entry = Entry(self._brands.ids[brand], bucket, self._cells[brand, bucket].tally)
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
        self._dirty = set()
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
        if known != block:
            self._seen[identity] = block
            self._seen_in[-1][1].append(identity)
        return known is not None and known >= block - self._settings.duplicate_window_blocks

    def _take_heartbeat(self, row: HeartbeatRow) -> None:
        self.counts.heartbeats += 1
        close = self._watermark.beat(row.source, row.until_ms, row.sent_ms, row.final)
        if close is not None:
            self._closes.append(close)
            self._tell_all = True

    def _take_post(
        self, offset: int, key: bytes | None, value: bytes, row: PostRow, mentions: _Mentions
    ) -> None:
        self.counts.posts[row.op.value] += 1
        # Before anything else is asked: whoever takes over sees the ids before it, and no more.
        if self._remember(_identity(key, row), self.block):
            self.counts.duplicates += 1
            return
        event_ms = row.created_ms
        if event_ms > row.observed_ms + FUTURE_TOLERANCE_MS:
            self.counts.clock_ahead += 1
            event_ms = row.observed_ms
        latest_ms = self._watermark.latest_ms()
        if latest_ms is not None and event_ms > latest_ms + FUTURE_LIMIT_MS:
            detail = f"created_ms and observed_ms are more than a day ahead of {latest_ms}"
            self._refuse(offset, Bad("future", detail), value)
            return
        bucket = event_ms // BUCKET_MS
        late = self._watermark.is_late(bucket)
        if late:
            self.counts.late += 1
            bucket = (self._watermark.complete or 0) + 1
        mentions.posts.append(row)
        mentions.keys.append(f"{row.platform}:{row.native_id}")
        mentions.buckets.append(bucket)
        mentions.late.append(late)

    def _take_change(self, row: PostRow) -> None:
        """A delete or an edit takes the old text out of the exhibits; counts stay."""
        self.counts.posts[row.op.value] += 1
        complete = self._watermark.complete
        bucket = 0 if complete is None else complete + 1
        if row.op == "author-delete":
            erasure = Erasure(bucket, author=row.author or row.native_id)
        else:
            erasure = Erasure(bucket, post=f"{row.platform}:{row.native_id}")
        self._erased[erasure] = None
        self._tell_all = True
        for place, cell in self._cells.items():
            # What is complete was told so, maybe in an earlier frame: it stays as it was.
            if place[1] >= bucket and erase(cell.tally, [erasure]):
                self._dirty.add(place)

    def _tally(self, mentions: _Mentions) -> None:
        matches = self._brands.matcher.match([row.text for row in mentions.posts])
        posts = [i for i, brands in enumerate(matches) if brands]
        if not posts:
            return
        texts = [mentions.posts[i].text for i in posts]
        scores = self._scorer.score(texts, [mentions.posts[i].language for i in posts])
        negative_milli = np.rint(scores[:, NEGATIVE].astype(np.float64) * 1000).astype(np.int64)
        positive_milli = np.rint(scores[:, POSITIVE].astype(np.float64) * 1000).astype(np.int64)
        bins = bin_of(scores[:, NEGATIVE])
        authors = _mix(np.array([_author_crc(mentions.posts[i], mentions.keys[i]) for i in posts]))
        hashes = _mix(np.array([zlib.crc32(mentions.keys[i].encode()) for i in posts]))
        for at, i in enumerate(posts):
            row = mentions.posts[i]
            fingerprint = _fingerprint(row.text)
            for brand in matches[i]:
                self.counts.mentions += 1
                place = (brand, mentions.buckets[i])
                cell = self._cells.get(place)
                if cell is None:
                    cell = self._cells[place] = _Cell()
                self._dirty.add(place)
                _add_mention(
                    cell,
                    row,
                    mentions.keys[i],
                    mentions.late[i],
                    int(bins[at]),
                    int(negative_milli[at]),
                    int(positive_milli[at]),
                    int(authors[at]),
                    fingerprint,
                )
                _consider_sample(
                    cell.tally,
                    row,
                    mentions.keys[i],
                    int(hashes[at]),
                    int(positive_milli[at] - negative_milli[at]),
                )


def _add_mention(
    cell: _Cell,
    row: PostRow,
    key: str,
    late: bool,
    bin_index: int,
    negative_milli: int,
    positive_milli: int,
    author: int,
    fingerprint: int | None,
) -> None:
    tally = cell.tally
    cell.by_author[author] += 1
    counts = cell.by_author[author] <= POSTS_OF_AN_AUTHOR_THAT_COUNT
    if fingerprint is not None:
        cell.by_text[fingerprint] += 1
        counts = counts and cell.by_text[fingerprint] <= COPIES_THAT_COUNT
    tally.mentions += 1
    if late:
        tally.late += 1
    if not counts:
        tally.copies += 1
    elif late:
        tally.late_histogram[bin_index] += 1
    else:
        tally.histogram[bin_index] += 1
    tally.negative_milli += negative_milli
    tally.positive_milli += positive_milli
    tally.reach += row.reach
    tally.platforms[row.platform] = tally.platforms.get(row.platform, 0) + 1
    language = row.language or "und"
    tally.languages[language] = tally.languages.get(language, 0) + 1
    _insert(tally.authors, author)
    if negative_milli >= NEGATIVE_FROM * 1000:
        tally.negative_reach += row.reach
        _insert(tally.negative_authors, author)
        if counts:
            _consider_exhibit(tally, row, key, negative_milli)


def _insert(sketch: Sketch, value: int) -> None:
    at = bisect_left(sketch, value)
    if at == SKETCH_SIZE or (at < len(sketch) and sketch[at] == value):
        return
    sketch.insert(at, value)
    if len(sketch) > SKETCH_SIZE:
        sketch.pop()


def _consider_exhibit(tally: Tally, row: PostRow, key: str, negative_milli: int) -> None:
    """Ranks by negativity x (1 + log2 of reach): a loud voice counts, but does not drown all."""
    rank = negative_milli * (1 + (row.reach + 1).bit_length())
    rows, first = tally.exhibits, tally.first
    is_best = len(rows) < MAX_EXHIBITS or rank >= rows[-1].rank
    is_first = len(first) < MAX_FIRST or row.created_ms <= first[-1].created_ms
    if not is_best and not is_first:
        return
    exhibit = ExhibitRow(
        rank=rank,
        post=key,
        created_ms=row.created_ms,
        platform=row.platform,
        author=row.author,
        reach=row.reach,
        text=row.text[:MAX_EXHIBIT_CHARS],
        language=row.language,
        url=row.url,
        p_negative_milli=negative_milli,
    )
    if is_best:
        tally.exhibits = best_exhibits([*rows, exhibit])
    if is_first:
        tally.first = earliest([*first, exhibit])


def _consider_sample(tally: Tally, row: PostRow, key: str, hashed: int, tone_milli: int) -> None:
    sample = tally.sample
    if len(sample) == MAX_SAMPLED and hashed > sample[-1].hash:
        return
    sampled = SampleRow(
        hash=hashed,
        post=key,
        created_ms=row.created_ms,
        author=row.author or "",
        reach=row.reach,
        tone_milli=tone_milli,
        text=row.text[:MAX_SAMPLED_CHARS],
    )
    tally.sample = smallest([*sample, sampled])


def _identity(key: bytes | None, row: PostRow) -> bytes:
    return key if key is not None else f"{row.platform}:{row.native_id}".encode()


def _author_crc(row: PostRow, key: str) -> int:
    return zlib.crc32((row.author or key).encode("utf-8", "surrogatepass"))


def _mix(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Spreads 32-bit hashes over 64 bits, evenly (the finaliser of SplitMix64)."""
    with np.errstate(over="ignore"):
        z = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _fingerprint(text: str) -> int | None:
    """Hash of the letters of a text without links, handles and tags; None if it is short."""
    letters = _NOT_THE_MESSAGE.sub("", text[:MAX_EXHIBIT_CHARS].lower())
    if len(letters) < SHORT_TEXT_CHARS:
        return None
    return zlib.crc32(letters.encode("utf-8", "surrogatepass"))


def _count_below(offsets: Sequence[int], end: int) -> int:
    if offsets and offsets[-1] < end:
        return len(offsets)
    return bisect_left(offsets, end)
