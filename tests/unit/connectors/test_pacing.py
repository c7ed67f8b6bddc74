"""Replaying time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Page
from connectors.errors import ConfigurationError
from connectors.ordering import MINUTE_MS, paginate
from connectors.pacing import STEP_S, PacedSource, parse_speed
from connectors.testing import ManualClock, collect
from models.post import Post


class Recorded:
    """Pages as a file would give them."""

    name = "recorded"

    def __init__(self, times: list[int]) -> None:
        self._posts = [
            Post(platform="x", native_id=str(n), created_ms=t, observed_ms=t, source=self.name)
            for n, t in enumerate(sorted(times))
        ]

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        for page in paginate(self._posts, str, int(cursor or 0)):
            yield page


async def played(times: list[int], speed: float) -> list[tuple[float, Page]]:
    clock = ManualClock(now_ms=0)
    source = PacedSource(Recorded(times), speed, clock)
    return [(clock.monotonic_s(), page) async for page in source.pages(None)]


times_ms = st.lists(st.integers(0, 30 * MINUTE_MS), min_size=1, max_size=40)


@settings(deadline=None)
@given(times_ms, st.sampled_from([0.5, 1.0, 60.0, 600.0, 10_000.0]))
def test_no_post_comes_before_its_time_and_none_much_later(times: list[int], speed: float) -> None:
    start_ms = min(times)
    for at_s, page in asyncio.run(played(times, speed)):
        for post in page.posts:
            due_s = (post.observed_ms - start_ms) / 1000 / speed
            assert at_s >= due_s - 1e-6
            assert at_s <= due_s + max(STEP_S, 60 / speed) + 1e-6


@settings(deadline=None)
@given(times_ms, st.sampled_from([1.0, 600.0, 10_000.0]))
def test_pace_changes_neither_the_posts_nor_the_last_word(times: list[int], speed: float) -> None:
    plain = asyncio.run(collect(Recorded(times)))
    paced = [page for _, page in asyncio.run(played(times, speed))]
    assert [p for page in paced for p in page.posts] == [p for page in plain for p in page.posts]
    assert (paced[-1].until_ms, paced[-1].final) == (plain[-1].until_ms, True)
    assert [page.final for page in paced[:-1]] == [False] * (len(paced) - 1)
    assert {page.cursor for page in plain} == {page.cursor for page in paced if page.cursor}


@settings(deadline=None)
@given(times_ms, st.sampled_from([1.0, 600.0]))
def test_heartbeats_stay_true(times: list[int], speed: float) -> None:
    until_ms = -1
    for _, page in asyncio.run(played(times, speed)):
        assert all(post.created_ms >= until_ms for post in page.posts)
        if page.until_ms is not None:
            assert page.until_ms >= until_ms
            until_ms = page.until_ms


def test_in_a_long_silence_each_minute_is_told_as_it_goes_by() -> None:
    pages = asyncio.run(played([0, 10 * MINUTE_MS], speed=60.0))
    told = [(round(at_s, 3), page.until_ms) for at_s, page in pages if page.until_ms is not None]
    assert told[:10] == [(float(n), n * MINUTE_MS) for n in range(1, 11)]


def test_a_very_fast_replay_does_not_tell_every_minute_of_a_year_of_silence() -> None:
    year_ms = 365 * 24 * 60 * MINUTE_MS
    assert len(asyncio.run(played([0, year_ms], speed=10.0**8))) < 10


def test_the_name_is_that_of_the_source() -> None:
    assert PacedSource(Recorded([0]), 1.0).name == "recorded"


@pytest.mark.parametrize(
    ("written", "speed"), [("1", 1.0), ("600x", 600.0), ("0.5", 0.5), ("max", 0.0), ("0", 0.0)]
)
def test_a_speed_is_a_number_or_max(written: str, speed: float) -> None:
    assert parse_speed(written) == speed


@pytest.mark.parametrize("written", ["", "fast", "-1", "inf", "nan", "maxx"])
def test_other_speeds_are_refused_with_examples(written: str) -> None:
    with pytest.raises(ConfigurationError, match="write for example 1, 600 or max"):
        parse_speed(written)
