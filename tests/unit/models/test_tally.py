"""Tallies add up in any order; frames come back as they were sent."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sample import SampleRow, smallest
from models.sentiment.bins import N_BINS
from models.tally import (
    FRAME_VERSION,
    MAX_EXHIBITS,
    SKETCH_SIZE,
    Close,
    Entry,
    Erasure,
    ExhibitRow,
    Frame,
    Sketch,
    Tally,
    best_exhibits,
    calmest,
    decode_frame,
    distinct,
    earliest,
    encode_frame,
    union,
)


def sketch_of(hashes: Iterable[int]) -> Sketch:
    return sorted(set(hashes))[:SKETCH_SIZE]


counts = st.integers(0, 5)
bins = st.lists(counts, min_size=N_BINS, max_size=N_BINS)
hashes = st.lists(st.integers(0, 2**64 - 1), max_size=120).map(sketch_of)
shares = st.dictionaries(st.sampled_from(["x", "bluesky", "pl"]), st.integers(1, 5))
rows = st.builds(
    ExhibitRow,
    rank=st.integers(0, 3),
    post=st.sampled_from([f"x:{i}" for i in range(9)]),
    created_ms=st.integers(0, 2),
    platform=st.just("x"),
    author=st.sampled_from([None, "a"]),
    reach=counts,
    text=st.sampled_from(["", "one", "two"]),
    language=st.sampled_from([None, "pl"]),
    url=st.sampled_from([None, "u"]),
    p_negative_milli=st.integers(0, 2),
)
sampled = st.integers(0, 8).flatmap(
    lambda i: st.builds(
        SampleRow,
        hash=st.just(i * 7919 % 11),
        post=st.just(f"x:{i}"),
        created_ms=st.integers(0, 1),
        author=st.sampled_from(["", "a"]),
        reach=counts,
        tone_milli=st.integers(-1, 1),
        text=st.sampled_from(["", "one"]),
    )
)
tallies = st.builds(
    Tally,
    mentions=counts,
    histogram=bins,
    late_histogram=bins,
    late=counts,
    copies=counts,
    negative_milli=counts,
    positive_milli=counts,
    reach=counts,
    negative_reach=counts,
    authors=hashes,
    negative_authors=hashes,
    platforms=shares,
    languages=shares,
    exhibits=st.lists(rows, max_size=9).map(best_exhibits),
    first=st.lists(rows, max_size=4).map(earliest),
    sample=st.lists(sampled, max_size=15).map(smallest),
    calm=st.lists(sampled, max_size=6).map(calmest),
)


def total(*parts: Tally) -> bytes:
    added = Tally()
    for part in parts:
        added.add(part)
    return msgspec.msgpack.encode(added, order="sorted")


@settings(deadline=None)
@given(tallies, tallies, tallies)
def test_the_sum_does_not_depend_on_order_nor_on_grouping(a: Tally, b: Tally, c: Tally) -> None:
    pair = b.copy()
    pair.add(c)
    assert total(a, b, c) == total(c, a, b) == total(a, pair) == total(pair, a)


@settings(deadline=None)
@given(tallies)
def test_nothing_added_changes_nothing_and_a_copy_is_independent(tally: Tally) -> None:
    before = total(tally)
    copy = tally.copy()
    copy.add(Tally())
    assert total(copy) == before
    copy.add(Tally(mentions=1, platforms={"x": 1}, authors=[1]))
    assert total(tally) == before


@given(st.lists(rows, max_size=20))
def test_the_best_exhibits_are_one_a_post_and_few(some: list[ExhibitRow]) -> None:
    best = best_exhibits(some)
    assert len({row.post for row in best}) == len(best) <= MAX_EXHIBITS
    assert [row.order for row in best] == sorted(row.order for row in best)
    if some:
        assert best[0].rank == max(row.rank for row in some)


@given(st.sets(st.integers(0, 2**64 - 1), max_size=SKETCH_SIZE - 1))
def test_few_are_counted_exactly(some: set[int]) -> None:
    assert distinct(sketch_of(some)) == len(some)


def test_many_are_estimated_within_a_few_standard_errors() -> None:
    rng = random.Random(7)
    for size in (100, 1_000, 50_000):
        halves = [[rng.getrandbits(64) for _ in range(size // 2)] for _ in range(2)]
        sketch = union(sketch_of(halves[0]), sketch_of(halves[1]))
        assert distinct(sketch) == pytest.approx(size, rel=4 / SKETCH_SIZE**0.5)


@given(tallies)
@settings(deadline=None)
def test_a_frame_comes_back_as_it_was_sent(tally: Tally) -> None:
    frame = Frame(
        version=FRAME_VERSION, partition=1, partitions=4, block=7, upto=28_700,
        closes=[Close(bucket=5, live=2, known=3, sent_ms=9)],
        entries=[Entry("orzel-air", 5, tally)],
        erased=[Erasure(5, post="x:1"), Erasure(6, author="a")],
    )  # fmt: skip
    assert decode_frame(encode_frame(frame)) == frame


@pytest.mark.parametrize("value", [b"", b"\xc1", b"{}", msgspec.msgpack.encode([1, 2])])
def test_what_is_no_frame_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        decode_frame(value)


def test_a_frame_of_another_version_is_refused_with_the_way_to_mend_it() -> None:
    frame = Frame(FRAME_VERSION + 1, 0, 1, 0, 0, [], [], [])
    with pytest.raises(ValueError, match="upgrade watch"):
        decode_frame(encode_frame(frame))
