"""Records of one partition in, frames out: what counts, what does not, and what is told of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.mentions import COPIES_THAT_COUNT, POSTS_OF_AN_AUTHOR_THAT_COUNT
from models.post import Heartbeat, Op, Post, encode
from models.scoring import (
    FUTURE_LIMIT_MS,
    FUTURE_TOLERANCE_MS,
    Brands,
    PartitionScorer,
    ScoreSettings,
)
from models.tally import Entry, Frame, Tally, decode_frame, split_frame
from tests.support.plain import WordMatcher, WordScorer

T = 29_000_000 * 60_000
MINUTE = 60_000
BUCKET = T // MINUTE
BRANDS = ("ash", "birch")


class Partition:
    """A partition of `posts` and the scorer that reads it."""

    def __init__(self, **settings: int) -> None:
        self.settings = ScoreSettings(
            **({"block_records": 16, "duplicate_window_blocks": 2} | settings)
        )
        self.log: list[bytes] = []
        self.scorer = self.open()
        self.numbers = iter(range(10**9))

    def open(self, start: int = 0, memo: str = "") -> PartitionScorer:
        brands = Brands(BRANDS, (0, 1), 2, WordMatcher(BRANDS))
        return PartitionScorer(0, 4, brands, WordScorer(), self.settings, start, memo)

    def put(self, *values: bytes) -> None:
        """Appends records, and lets the scorer read them."""
        self.log += values
        self.read(self.scorer)

    def read(self, scorer: PartitionScorer, end: int | None = None) -> list[dict[int, Frame]]:
        """Lets a scorer read on; returns the frames of the blocks that ended."""
        cuts = []
        offsets = list(range(scorer.position, len(self.log) if end is None else end))
        while offsets:
            taken = scorer.feed(offsets, [None] * len(offsets), [self.log[o] for o in offsets])
            if taken < len(offsets):
                cuts.append(scorer.cut())
                scorer.next_block(offsets[taken])
            offsets = offsets[taken:]
        return cuts

    def post(self, **fields: Any) -> bytes:
        number = next(self.numbers)
        given = {
            "platform": "x",
            "native_id": str(number),
            "author": f"author-{number}",
            "text": "ash is fine",
            "created_ms": T,
            "observed_ms": T,
            "source": "one",
        }
        return encode(Post(**(given | fields)))

    def tallies(self, brand: str = "ash") -> dict[int, Tally]:
        frame = self.scorer.cut().get(BRANDS.index(brand))
        return {e.bucket: e.tally for e in frame.entries if e.brand == brand} if frame else {}


def beat(until_ms: int, source: str = "one", final: bool = False) -> bytes:
    return encode(Heartbeat(source=source, until_ms=until_ms, sent_ms=until_ms, final=final))


@pytest.fixture
def partition() -> Partition:
    return Partition()


def test_a_post_counts_once_for_each_brand_it_names(partition: Partition) -> None:
    partition.put(partition.post(text="ash and birch", reach=7), partition.post(text="oak"))
    frames = partition.scorer.cut()
    assert [frames[o].entries[0].tally.mentions for o in (0, 1)] == [1, 1]
    assert frames[0].entries[0].tally.reach == 7
    assert partition.scorer.take_counts().mentions == 2


def test_a_frame_has_what_changed_and_is_cumulative_within_its_block(partition: Partition) -> None:
    partition.put(partition.post(), partition.post(created_ms=T + MINUTE))
    assert {b: t.mentions for b, t in partition.tallies().items()} == {BUCKET: 1, BUCKET + 1: 1}
    partition.put(partition.post())
    assert {b: t.mentions for b, t in partition.tallies().items()} == {BUCKET: 2}
    assert not partition.scorer.cut()


def test_a_new_block_begins_at_nothing(partition: Partition) -> None:
    partition.put(*(partition.post() for _ in range(16)))
    assert partition.tallies()[BUCKET].mentions == 16
    partition.put(partition.post())
    frame = partition.scorer.cut()[0]
    assert (frame.block, frame.entries[0].tally.mentions) == (1, 1)


def test_a_repeat_within_the_window_is_dropped_and_one_behind_it_counts() -> None:
    partition = Partition(block_records=16, duplicate_window_blocks=1)
    first = partition.post(native_id="seen")
    partition.put(first, first)
    partition.put(*(partition.post() for _ in range(20)), first)
    assert partition.scorer.take_counts().duplicates == 2
    # The repeat of block 1 extends its stay, for a window counts from the last sight of an id.
    partition.put(*(partition.post() for _ in range(16)), first)
    assert partition.scorer.take_counts().duplicates == 1
    partition.put(*(partition.post() for _ in range(32)), first)
    assert partition.scorer.take_counts().duplicates == 0


def test_a_post_of_a_complete_minute_counts_as_late_in_the_first_open_one(
    partition: Partition,
) -> None:
    partition.put(partition.post(), beat(T + 3 * MINUTE), partition.post(text="ash is bad"))
    late = partition.tallies()[BUCKET + 2]
    assert (late.mentions, late.late, sum(late.histogram), sum(late.late_histogram)) == (1, 1, 0, 1)


def test_a_post_dated_ahead_of_its_connector_counts_when_it_was_observed(
    partition: Partition,
) -> None:
    ahead = partition.post(created_ms=T + FUTURE_TOLERANCE_MS + 1)
    tolerated = partition.post(created_ms=T + FUTURE_TOLERANCE_MS)
    partition.put(ahead, tolerated)
    assert set(partition.tallies()) == {BUCKET, BUCKET + FUTURE_TOLERANCE_MS // MINUTE}
    assert partition.scorer.take_counts().clock_ahead == 1


def test_a_post_a_day_ahead_of_every_connector_is_a_dead_letter(partition: Partition) -> None:
    far = T + FUTURE_LIMIT_MS + MINUTE
    partition.put(beat(T), partition.post(created_ms=far, observed_ms=far), partition.post())
    [letter] = partition.scorer.take_dead_letters()
    assert (letter.offset, letter.reason) == (1, "future")
    assert sum(t.mentions for t in partition.tallies().values()) == 1


def test_a_post_from_years_ago_counts_as_late(partition: Partition) -> None:
    partition.put(beat(T), partition.post(created_ms=0, observed_ms=0))
    [(bucket, tally)] = partition.tallies().items()
    assert (bucket, tally.late) == (partition.scorer._watermark.complete + 1, 1)


def test_an_empty_text_and_a_text_of_a_megabyte_are_posts_like_others(partition: Partition) -> None:
    partition.put(partition.post(text=""), partition.post(text="ash " + "x" * 1_000_000))
    assert partition.scorer.take_counts().posts["create"] == 2
    assert partition.tallies()[BUCKET].mentions == 1


def test_bad_records_are_dead_letters_with_their_offset_and_the_others_count(
    partition: Partition,
) -> None:
    bad = [
        b"{",
        b"\xff\xfe",
        b"",
        b'{"type":"like"}',
        partition.post().replace(b'"version":1', b'"version":9'),
    ]
    for value in bad:
        partition.put(value, partition.post())
    letters = partition.scorer.take_dead_letters()
    assert [letter.offset for letter in letters] == [0, 2, 4, 6, 8]
    assert [letter.value for letter in letters] == bad
    assert len({letter.reason for letter in letters}) == len(bad)
    assert partition.tallies()[BUCKET].mentions == len(bad)


def test_of_one_text_only_so_many_copies_count(partition: Partition) -> None:
    text = "ash is a bad bad company, boycott them all"
    n = COPIES_THAT_COUNT + 3
    partition.put(*(partition.post(text=f"{text} https://t.co/{i} @you") for i in range(n)))
    tally = partition.tallies()[BUCKET]
    assert (tally.mentions, tally.copies, sum(tally.histogram)) == (n, 3, COPIES_THAT_COUNT)


def test_short_texts_are_never_copies(partition: Partition) -> None:
    partition.put(*(partition.post(text="ash bad") for _ in range(COPIES_THAT_COUNT + 3)))
    assert partition.tallies()[BUCKET].copies == 0


def test_of_one_author_only_so_many_posts_count(partition: Partition) -> None:
    n = POSTS_OF_AN_AUTHOR_THAT_COUNT + 4
    partition.put(*(partition.post(author="loud", text=f"ash bad {i}") for i in range(n)))
    tally = partition.tallies()[BUCKET]
    assert (tally.copies, sum(tally.histogram)) == (4, POSTS_OF_AN_AUTHOR_THAT_COUNT)
    assert len(tally.authors) == 1


@pytest.mark.parametrize("op", [Op.DELETE, Op.UPDATE])
def test_a_delete_or_an_edit_takes_the_exhibit_away_and_leaves_the_counts(
    partition: Partition, op: Op
) -> None:
    partition.put(
        partition.post(native_id="first", text="ash bad"), partition.post(text="ash bad too")
    )
    assert len(partition.tallies()[BUCKET].exhibits) == 2
    partition.put(partition.post(native_id="first", op=op, text="ash is good"))
    frames = partition.scorer.cut()
    [entry] = frames[0].entries
    assert [row.text for row in entry.tally.exhibits] == ["ash bad too"]
    assert entry.tally.mentions == 2
    assert all([e.post for e in frame.erased] == ["x:first"] for frame in frames.values())
    assert set(frames) == {0, 1}  # whoever watches another brand may have shown it too


def test_an_author_who_goes_takes_all_exhibits_along(partition: Partition) -> None:
    partition.put(
        *(partition.post(author="gone", text=f"ash bad {i}") for i in range(3)),
        partition.post(author="stays", text="ash bad"),
        partition.post(op=Op.AUTHOR_DELETE, native_id="gone", author="gone"),
    )
    [entry] = partition.scorer.cut()[0].entries
    assert [row.author for row in entry.tally.exhibits] == ["stays"]


def test_a_delete_takes_effect_in_the_first_open_minute_and_leaves_complete_ones_as_told(
    partition: Partition,
) -> None:
    partition.put(
        partition.post(native_id="first", text="ash bad"),
        beat(T + 3 * MINUTE),
        partition.post(native_id="first", op=Op.DELETE),
    )
    frame = partition.scorer.cut()[0]
    assert [e.bucket for e in frame.erased] == [BUCKET + 2]
    assert len(frame.entries[0].tally.exhibits) == 1


def test_a_close_is_told_to_every_partition_of_tallies_behind_its_tallies(
    partition: Partition,
) -> None:
    partition.put(partition.post(), beat(T + 3 * MINUTE), beat(T + 4 * MINUTE))
    frames = partition.scorer.cut()
    assert [[c.bucket for c in frames[o].closes] for o in (0, 1)] == [[BUCKET + 1, BUCKET + 2]] * 2
    assert frames[0].entries and not frames[1].entries


def test_a_frame_too_long_for_a_record_is_split_and_only_its_last_piece_declares() -> None:
    entries = [Entry(f"brand-{i}", BUCKET, Tally(mentions=i)) for i in range(40)]
    partition = Partition()
    partition.put(beat(T + 3 * MINUTE))
    frame = partition.scorer.cut()[0]
    frame.entries = entries
    pieces = [decode_frame(piece) for piece in split_frame(frame, 1000)]
    assert len(pieces) > 2
    assert [e for piece in pieces for e in piece.entries] == entries
    assert [bool(piece.closes) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert {(piece.block, piece.upto) for piece in pieces} == {(frame.block, frame.upto)}


def make_log(seed: int) -> list[bytes]:
    """Posts, repeats, late and far ones, deletes, garbage, heartbeats."""
    rng = random.Random(seed)
    partition = Partition()
    log: list[bytes] = []
    now = T
    for _ in range(rng.randrange(60, 160)):
        chance = rng.random()
        if chance < 0.1:
            now += rng.choice([0, 20_000, 60_000, 200_000])
            log.append(beat(now, rng.choice(["one", "two"])))
        elif chance < 0.15:
            log.append(b"garbage")
        elif chance < 0.25 and log:
            log.append(rng.choice(log))
        else:
            off = rng.choice([0, 0, 0, -200_000, FUTURE_LIMIT_MS + 10 * MINUTE])
            log.append(
                partition.post(
                    native_id=str(rng.randrange(40)),
                    author=f"a{rng.randrange(5)}",
                    op=rng.choice([*[Op.CREATE] * 8, Op.DELETE, Op.UPDATE, Op.AUTHOR_DELETE]),
                    text=f"{rng.choice(BRANDS)} {rng.choice(['bad', 'fine'])} {'y' * 30}",
                    created_ms=now + off,
                    observed_ms=now + off,
                )
            )
    return log


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(1, 8))
def test_a_worker_that_takes_over_at_a_block_says_what_the_first_one_says(
    seed: int, at: int
) -> None:
    first = Partition(block_records=16, duplicate_window_blocks=2)
    first.log = make_log(seed)
    start = at * 16
    if start >= len(first.log):
        return
    first.read(first.scorer, start)
    memo = first.scorer.memo()
    first.scorer.cut()
    first.scorer.next_block(start)
    expected = first.read(first.scorer)

    second = first.open(start, memo)
    window = range(max(0, start - 2 * 16), start)
    second.prime(list(window), [None] * len(window), [first.log[o] for o in window])
    assert first.read(second) == expected
    assert second.cut() == first.scorer.cut()
