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
    return [mark.beat(source, T + until_ms, 0, False) for source, until_ms in told]


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
    assert mark.beat("a", T + 3 * BUCKET_MS, 0, True) is None
    close = mark.beat("b", T + 2 * BUCKET_MS, 7, True)
    assert close == Close(bucket(3 * BUCKET_MS), 1, 1, 7)


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
