"""Event time of a partition: what is complete, and what share of the connectors said so."""

from __future__ import annotations

import random

import pytest

from models.detection.base import BUCKET_MS
from models.tally import Close
from models.watermark import FORGET_AFTER_MS, MAX_MEMO_BYTES, Watermark

LATENESS_MS = 30_000
BLIND_MS = 180_000
T = 29_000_000 * BUCKET_MS


def beats(mark: Watermark, *told: tuple[str, int]) -> list[Close | None]:
    """What each word completes; without gaps that is one stretch at most."""
    closes = [mark.beat(source, T + until_ms, 0, False) for source, until_ms in told]
    assert all(len(close) <= 1 for close in closes)
    return [close[0] if close else None for close in closes]


def make(memo: str = "") -> Watermark:
    return Watermark(LATENESS_MS, BLIND_MS, memo)


def bucket(ms: int) -> int:
    return (T + ms) // BUCKET_MS


def test_a_bucket_is_complete_when_the_slowest_connector_is_past_it_and_the_lateness() -> None:
    mark = make()
    beats(mark, ("a", 0), ("b", 0))
    assert beats(mark, ("a", 90_000)) == [None]
    [close] = beats(mark, ("b", 89_999))
    assert close == Close(bucket(0) - 1, 2, 2, 0)
    [close] = beats(mark, ("b", 90_000))
    assert close == Close(bucket(0), 2, 2, 0)


def test_a_connector_far_behind_the_others_is_not_waited_for_and_is_missed() -> None:
    mark = make()
    beats(mark, ("a", 0), ("b", 0))
    [close] = beats(mark, ("a", BLIND_MS + 1))
    assert close is not None and (close.live, close.known) == (1, 2)
    [_, close] = beats(mark, ("b", BLIND_MS + 1), ("a", BLIND_MS + 2 * BUCKET_MS))
    assert close is None or (close.live, close.known) == (2, 2)


def test_a_connector_silent_for_a_week_is_forgotten() -> None:
    mark = make()
    beats(mark, ("a", 0), ("b", 0))
    [close] = beats(mark, ("a", FORGET_AFTER_MS + 1))
    assert close is not None and (close.live, close.known) == (1, 1)


def test_a_heartbeat_that_goes_back_changes_nothing() -> None:
    mark = make()
    beats(mark, ("a", 10 * BUCKET_MS))
    complete = mark.complete
    assert beats(mark, ("a", 0)) == [None]
    assert mark.complete == complete
    [close] = beats(mark, ("a", 11 * BUCKET_MS))
    assert close is not None


def test_what_a_source_spoke_of_is_complete_at_once_when_it_was_the_last_to_end() -> None:
    mark = make()
    beats(mark, ("a", 60_000), ("b", 60_000))
    assert mark.beat("a", T + 3 * BUCKET_MS, 0, True) == []
    [close] = mark.beat("b", T + 2 * BUCKET_MS, 7, True)
    assert close == Close(bucket(3 * BUCKET_MS), 2, 2, 7)


def test_a_source_that_ended_is_neither_waited_for_nor_missed() -> None:
    mark = make()
    beats(mark, ("a", 0), ("b", 0))
    mark.beat("b", T, 0, True)
    [close] = beats(mark, ("a", 5 * BUCKET_MS))
    assert close is not None and (close.live, close.known) == (1, 1)


def test_a_source_that_begins_again_is_waited_for_again() -> None:
    mark = make()
    mark.beat("a", T, 0, True)
    beats(mark, ("b", 4 * BUCKET_MS), ("a", 4 * BUCKET_MS))
    assert beats(mark, ("b", 6 * BUCKET_MS)) == [None]


def gap(first: int, last: int) -> tuple[int, int]:
    """Posts lost from the beginning of a minute to the end of another."""
    return T + first * BUCKET_MS, T + (last + 1) * BUCKET_MS


def live_by_bucket(closes: list[Close], start_ms: int) -> list[int]:
    """How many sources were live in each bucket, from one on."""
    found: list[int] = []
    for close in closes:
        found += [close.live] * (close.bucket - bucket(start_ms) + 1 - len(found))
    return found


def test_a_source_that_lost_posts_does_not_count_in_those_minutes_and_in_no_other() -> None:
    mark = make()
    beats(mark, ("a", 90_000), ("b", 90_000))  # minute 0 is complete
    closes = mark.beat("b", T + 90_000, 0, False, gap(3, 5))
    for until in range(2, 11):
        for source in "ab":
            closes += mark.beat(source, T + until * BUCKET_MS + LATENESS_MS, 0, False)
    assert live_by_bucket(closes, BUCKET_MS) == [2, 2, 1, 1, 1, 2, 2, 2, 2]
    assert {close.known for close in closes} == {2}


def test_the_only_source_has_no_coverage_where_it_lost_posts() -> None:
    mark = make()
    beats(mark, ("a", 90_000))
    closes = mark.beat("a", T + 6 * BUCKET_MS + LATENESS_MS, 0, False, gap(1, 4))
    assert live_by_bucket(closes, BUCKET_MS) == [0, 0, 0, 0, 1]


def test_minutes_that_are_complete_keep_what_was_said_of_them() -> None:
    mark = make()
    beats(mark, ("a", 5 * BUCKET_MS + LATENESS_MS))
    [close] = mark.beat("a", T + 7 * BUCKET_MS + LATENESS_MS, 0, False, gap(1, 4))
    assert (close.live, close.known) == (1, 1)


def test_a_blind_source_that_comes_back_with_a_gap_is_not_missed_twice() -> None:
    mark = make()
    beats(mark, ("a", 90_000), ("b", 90_000))
    mark.beat("b", T + 90_000, 0, False, gap(2, 8))
    closes = mark.beat("a", T + 10 * BUCKET_MS, 0, False)  # b is blind by now
    assert {(close.live, close.known) for close in closes} == {(1, 2)}


def test_many_gaps_and_gaps_that_overlap_are_kept_and_the_memo_stays_small() -> None:
    mark = make()
    beats(mark, ("a", 90_000))
    for minute in range(2, 200, 2):
        mark.beat("a", T + 90_000, 0, False, gap(minute, minute))
    assert len(mark.memo()) < 200
    closes = mark.beat("a", T + 300 * BUCKET_MS, 0, False)
    lost = live_by_bucket(closes, BUCKET_MS)
    assert not any(lost[minute - 1] for minute in range(2, 200, 2))
    assert all(lost[199:])


@pytest.mark.parametrize("seed", range(20))
def test_with_gaps_too_the_memo_resumes_exactly_and_each_minute_is_told_right(seed: int) -> None:
    rng = random.Random(seed)
    whole, resumed = make(), make()
    until: dict[str, int] = {}
    lost: dict[str, set[int]] = {"a": set(), "b": set(), "c": set()}
    now_ms, told = 0, 0
    for _ in range(80):
        now_ms += rng.randrange(60_000)
        source = rng.choice("aabbc")
        first = max(0, now_ms // BUCKET_MS - rng.randrange(4))
        stretch = gap(first, first + rng.randrange(3)) if rng.random() < 0.1 else None
        before = whole.complete
        closes = whole.beat(source, T + now_ms, 0, False, stretch)
        if rng.random() < 0.5:
            resumed = make(resumed.memo())
        assert resumed.beat(source, T + now_ms, 0, False, stretch) == closes
        until[source] = now_ms
        if stretch is not None:
            lost[source].update(range(stretch[0] // BUCKET_MS, stretch[1] // BUCKET_MS))
        live = {name for name, ms in until.items() if now_ms - ms <= BLIND_MS}
        if before is None:
            continue
        found = live_by_bucket(closes, (before + 1) * BUCKET_MS - T)
        assert found == [
            sum(at not in lost[name] for name in live)
            for at in range(before + 1, before + 1 + len(found))
        ]
        told += len(found)
    assert told > 10


def test_late_is_what_belongs_to_a_complete_bucket() -> None:
    mark = make()
    assert not mark.is_late(0)
    beats(mark, ("a", 90_000))
    assert mark.complete is not None
    assert mark.is_late(mark.complete)
    assert not mark.is_late(mark.complete + 1)


@pytest.mark.parametrize("sources", [1, 3, 60])
@pytest.mark.parametrize("seed", range(5))
def test_the_memo_resumes_exactly_where_it_was_taken(seed: int, sources: int) -> None:
    rng = random.Random(seed)
    told = [
        (
            f"connector-{rng.randrange(sources)}",
            step * 20_000 + rng.randrange(60_000),
            rng.random() < 0.02,
        )
        for step in range(300)
    ]
    whole, resumed = make(), make()
    for source, until_ms, final in told:
        if rng.random() < 0.2:
            assert len(resumed.memo()) <= MAX_MEMO_BYTES
            resumed = make(resumed.memo())
        expected = whole.beat(source, T + until_ms, until_ms, final)
        assert resumed.beat(source, T + until_ms, until_ms, final) == expected
        assert resumed.latest_ms == whole.latest_ms


def test_the_memo_of_three_hundred_sources_is_exact_too() -> None:
    rng = random.Random(1)
    whole = make()
    names = [f"mastodon-instance-{number}" for number in range(300)]
    beats(whole, *((name, rng.randrange(100_000)) for name in names))
    assert len(whole.memo()) <= MAX_MEMO_BYTES
    resumed = make(whole.memo())
    for name in names:
        beat = (name, 200_000 + rng.randrange(100_000))
        assert beats(resumed, beat) == beats(whole, beat)


def test_the_memo_of_very_many_sources_fits_and_keeps_what_is_complete_and_who_is_blind() -> None:
    rng = random.Random(1)
    whole = make()
    names = [f"a-connector-with-a-long-name-{number}" for number in range(2000)]
    beats(whole, ("blind", 0), *((n, 5 * BUCKET_MS + rng.randrange(60_000)) for n in names))
    assert len(whole.memo()) <= MAX_MEMO_BYTES
    resumed = make(whole.memo())
    assert resumed.complete == whole.complete
    [close] = beats(resumed, (names[0], 9 * BUCKET_MS))
    assert close is not None and (close.live, close.known) == (1, 2)


@pytest.mark.parametrize("memo", ["committed by hand", "z:", "z:garbage", "[1]"])
def test_what_is_no_memo_is_told(memo: str) -> None:
    with pytest.raises(ValueError, match="not a watermark's memo"):
        make(memo)
