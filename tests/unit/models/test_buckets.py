"""From frames to closed buckets: when a bucket closes, and what it then holds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.buckets import LONGEST_SILENCE_BUCKETS, ClosedBucket, Folder, HeldFrames
from models.tally import (
    FRAME_VERSION,
    Close,
    Entry,
    Erasure,
    ExhibitRow,
    Frame,
    Tally,
    decode_frame,
    encode_frame,
)


def tally(mentions: int, *exhibits: str, author: str | None = None) -> Tally:
    made = Tally(mentions=mentions)
    made.exhibits = [
        ExhibitRow(5, post, 0, "x", author, 1, "text", None, None, 900) for post in exhibits
    ]
    return made


def frame(
    partition: int,
    block: int,
    upto: int,
    entries: dict[int, Tally] | None = None,
    closes: tuple[int, ...] = (),
    partitions: int = 2,
    erased: tuple[Erasure, ...] = (),
    live: int = 1,
) -> Frame:
    return Frame(
        FRAME_VERSION,
        partition,
        partitions,
        block,
        upto,
        [Close(bucket, live, 1, sent_ms=bucket) for bucket in closes],
        [Entry("ash", bucket, entry) for bucket, entry in (entries or {}).items()],
        list(erased),
    )


def close_all(folder: Folder, *frames: Frame) -> list[ClosedBucket]:
    closed = []
    for one in frames:
        folder.add(one)
        closed += folder.close()
    return closed


def mentions(closed: list[ClosedBucket]) -> dict[int, int]:
    return {one.bucket: sum(t.mentions for t in one.tallies.values()) for one in closed}


def test_a_bucket_closes_when_every_partition_has_declared_it_complete() -> None:
    folder = Folder()
    assert not close_all(folder, frame(0, 0, 10, {5: tally(1)}, closes=(5,)))
    assert mentions(close_all(folder, frame(1, 0, 10, {5: tally(2)}, closes=(4, 6)))) == {5: 3}
    assert mentions(close_all(folder, frame(0, 0, 11, closes=(5, 6)))) == {6: 0}


def test_a_newer_frame_of_a_block_replaces_and_an_older_one_does_not() -> None:
    folder = Folder()
    closed = close_all(
        folder,
        frame(0, 0, 20, {5: tally(7)}, partitions=1),
        frame(0, 0, 10, {5: tally(3)}, partitions=1),
        frame(0, 0, 20, {5: tally(7)}, partitions=1),
        frame(0, 0, 21, closes=(5,), partitions=1),
    )
    assert mentions(closed) == {5: 7}


def test_blocks_add_up_and_a_frame_of_a_block_that_is_over_is_stale() -> None:
    folder = Folder()
    assert folder.add(frame(0, 0, 10, {5: tally(3)}, partitions=1))
    assert folder.add(frame(0, 1, 20, {5: tally(4)}, partitions=1))
    assert not folder.add(frame(0, 0, 16, {5: tally(9)}, partitions=1))
    assert mentions(close_all(folder, frame(0, 1, 21, closes=(5,), partitions=1))) == {5: 7}


def test_what_is_folded_is_not_taken_again_after_a_restart() -> None:
    folder = Folder(folded=5, declared={0: [Close(5, 1, 1, 0)]})
    closed = close_all(
        folder, frame(0, 0, 10, {5: tally(3), 6: tally(4)}, closes=(5, 6), partitions=1)
    )
    assert mentions(closed) == {6: 4}


def test_an_empty_minute_closes_too_and_the_first_minute_is_the_first_mention() -> None:
    closed = close_all(
        Folder(), frame(0, 0, 10, {3: tally(1), 6: tally(1)}, closes=(1, 6), partitions=1)
    )
    assert mentions(closed) == {3: 1, 4: 0, 5: 0, 6: 1}


def test_a_mention_of_the_year_1970_is_a_first_minute_like_any_other() -> None:
    closed = close_all(
        Folder(), frame(0, 0, 10, {0: tally(1), 2: tally(1)}, closes=(2,), partitions=1)
    )
    assert mentions(closed) == {0: 1, 1: 0, 2: 1}


def test_years_without_a_mention_are_skipped_and_what_stands_behind_them_counts() -> None:
    far = 10 * LONGEST_SILENCE_BUCKETS
    closed = close_all(
        Folder(), frame(0, 0, 10, {0: tally(1), far: tally(2)}, closes=(far,), partitions=1)
    )
    assert mentions(closed) == {0: 1, far: 2}


def test_coverage_is_the_least_over_the_partitions_and_the_time_the_last() -> None:
    folder = Folder()
    folder.add(frame(0, 0, 10, {5: tally(1)}, closes=(5,), live=1))
    half = frame(1, 0, 10, closes=(7,))
    half.closes = [Close(7, 1, 2, sent_ms=70)]
    [closed] = close_all(folder, half)
    assert (closed.coverage, closed.sent_ms) == (0.5, 70)


def test_erased_exhibits_of_earlier_blocks_are_gone_when_their_bucket_closes() -> None:
    [closed] = close_all(
        Folder(),
        frame(0, 0, 10, {5: tally(2, "x:1", "x:2")}, partitions=1),
        frame(0, 1, 20, erased=(Erasure(5, post="x:1"),), partitions=1),
        frame(0, 1, 21, closes=(5,), erased=(Erasure(5, post="x:1"),), partitions=1),
    )
    assert [row.post for row in closed.tallies["ash"].exhibits] == ["x:2"]
    assert closed.tallies["ash"].mentions == 2
    assert closed.erased == (Erasure(5, post="x:1"),)


def test_an_erasure_is_handed_on_once_and_with_its_bucket() -> None:
    folder = Folder()
    erasure = Erasure(6, author="a")
    closed = close_all(
        folder,
        frame(0, 0, 10, {5: tally(1, "x:1", author="a")}, closes=(5,), partitions=1),
        frame(0, 0, 12, erased=(erasure,), partitions=1),
        frame(0, 0, 13, erased=(erasure,), closes=(5, 7), partitions=1),
        frame(0, 0, 13, erased=(erasure,), closes=(5, 7), partitions=1),
    )
    assert {one.bucket: one.erased for one in closed} == {5: (), 6: (erasure,), 7: ()}


def test_a_frame_is_let_go_when_all_its_buckets_are_folded_and_those_before_it_were() -> None:
    held: HeldFrames[str] = HeldFrames()
    held.add("a", frame(0, 0, 10, {5: tally(1)}))
    held.add("b", frame(0, 0, 11, {4: tally(1), 7: tally(1)}, closes=(4,)))
    held.add("c", frame(1, 0, 11, closes=(9,)))
    assert held.settle(None) == []
    assert held.settle(5) == ["a"]
    assert held.settle(6) == []
    assert held.settle(7) == ["b", "c"]
    assert len(held) == 0


def test_a_frame_with_an_erasure_is_held_until_it_took_effect() -> None:
    held: HeldFrames[str] = HeldFrames()
    held.add("a", frame(0, 0, 10, erased=(Erasure(6, post="x:1"),)))
    assert held.settle(5) == []
    assert held.settle(6) == ["a"]


def test_what_is_no_frame_is_let_go_in_its_turn() -> None:
    held: HeldFrames[str] = HeldFrames()
    held.add("a", frame(0, 0, 10, {5: tally(1)}))
    held.add("garbage", None)
    assert held.settle(4) == []
    assert held.settle(5) == ["a", "garbage"]


def test_what_frames_declared_that_are_gone_is_known_after_a_restart() -> None:
    # A partition that has ended says nothing more: only what it declared lets buckets close.
    held: HeldFrames[str] = HeldFrames()
    held.add("last word of 1", frame(1, 0, 10, closes=(5, 9)))
    assert held.settle(3) == ["last word of 1"]
    folder = Folder(3, held.declared)
    closed = close_all(folder, frame(0, 0, 10, {5: tally(2)}, closes=(9,)))
    assert mentions(closed) == {4: 0, 5: 2, 6: 0, 7: 0, 8: 0, 9: 0}
    assert [one.sent_ms for one in closed][:2] == [9, 9]


@given(seed=st.integers(0, 10_000))
def test_no_order_nor_repetition_of_frames_changes_what_closes(seed: int) -> None:
    rng = random.Random(seed)
    logs = [make_frames(rng, partition) for partition in range(2)]
    expected = mentions(close_all(Folder(), *logs[0], *logs[1]))
    folder, found, at = Folder(), [], [0, 0]
    while at != [len(log) for log in logs]:
        partition = rng.choice([p for p in range(2) if at[p] < len(logs[p])])
        back = rng.randrange(3) if rng.random() < 0.3 else 0
        one = logs[partition][max(0, at[partition] - back)]
        at[partition] += not back
        found += close_all(folder, decode_frame(encode_frame(one)))
    assert mentions(found) == expected


def make_frames(rng: random.Random, partition: int) -> list[Frame]:
    """Cumulative frames of a few blocks; buckets close in order behind their tallies."""
    frames, upto, complete = [], 0, 99
    for block in range(4):
        counts: dict[int, int] = {}
        closes: tuple[int, ...] = ()
        for _ in range(rng.randrange(1, 4)):
            upto += rng.randrange(1, 9)
            changed = {complete + rng.randrange(1, 4) for _ in range(rng.randrange(3))}
            for bucket in changed:
                counts[bucket] = counts.get(bucket, 0) + 1
            if rng.random() < 0.6:
                complete += rng.randrange(1, 3)
                closes = (*closes, complete)
            entries = {bucket: tally(counts[bucket]) for bucket in changed}
            frames.append(frame(partition, block, upto, entries, closes))
    return [*frames, frame(partition, 4, upto + 1, {}, (complete + 1, 130))]


@pytest.mark.parametrize("damage", ["partition", "histogram"])
def test_a_frame_whose_parts_do_not_fit_is_refused_when_it_is_read(damage: str) -> None:
    bad = frame(0, 0, 10, {5: tally(1)})
    if damage == "partition":
        bad.partition = 2
    else:
        bad.entries[0].tally.histogram = [1, 2]
    with pytest.raises(ValueError, match="not a frame"):
        decode_frame(encode_frame(bad))
