"""Order in time, and pages."""

import logging
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Page, Reject
from connectors.ordering import MAX_PAGE_RECORDS, in_time_order, paginate
from models.post import Post

MINUTE_MS = 60_000


def a_post(created_ms: int, native_id: str = "1", text: str = "x") -> Post:
    return Post(
        platform="file",
        native_id=native_id,
        text=text,
        created_ms=created_ms,
        observed_ms=created_ms,
        source="file",
    )


def ordered(items: list[Post | Reject], limit: int = 100) -> list[Post | Reject]:
    return list(in_time_order(items, place="posts.csv", limit=limit))


def pages_of(items: list[Post | Reject], skip: int = 0) -> list[Page]:
    return list(paginate(items, str, skip))


@given(st.lists(st.integers(0, 10**7), max_size=60))
def test_what_fits_the_buffer_comes_out_sorted_and_ties_keep_their_order(times: list[int]) -> None:
    posts = [a_post(time, str(n)) for n, time in enumerate(times)]
    assert ordered(list(posts)) == sorted(posts, key=lambda post: post.created_ms)


@given(st.lists(st.integers(0, 10**7), max_size=60), st.integers(1, 10))
def test_nothing_is_lost_nor_repeated_however_small_the_buffer(
    times: list[int], limit: int
) -> None:
    posts: list[Post | Reject] = [a_post(time, str(n)) for n, time in enumerate(times)]
    out = ordered(posts, limit)
    assert sorted(p.key for p in out if isinstance(p, Post)) == sorted(
        p.key for p in posts if isinstance(p, Post)
    )


def test_posts_beyond_the_buffer_come_late_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    descending: list[Post | Reject] = [a_post(1_000 - n, str(n)) for n in range(50)]
    late: list[Post] = []
    with caplog.at_level(logging.WARNING):
        out = list(in_time_order(descending, place="posts.csv", limit=10, on_late=late.append))
    assert len(out) == 50
    assert len(late) == 39
    assert [record.message for record in caplog.records if "posts.csv" in record.message] == [
        caplog.records[0].message
    ]


def test_one_post_from_the_far_future_makes_no_other_post_late() -> None:
    late: list[Post] = []
    times = [10**12, *range(200)]
    items: list[Post | Reject] = [a_post(time, str(n)) for n, time in enumerate(times)]
    out = list(in_time_order(items, place="f", limit=10, on_late=late.append))
    assert [p.created_ms for p in out if isinstance(p, Post)] == [*range(200), 10**12]
    assert late == []


def test_large_texts_fill_the_buffer_before_many_records_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.ordering.REORDER_CHARS", 1_000)
    items: list[Post | Reject] = [a_post(n, str(n), "y" * 400) for n in range(10)]
    source = iter(items)
    first = next(in_time_order(source, place="f"))
    assert first == items[0]
    assert len(list(source)) == 7  # three were read to give the first


@given(st.lists(st.integers(0, 20 * MINUTE_MS), min_size=1, max_size=80))
def test_each_heartbeat_tells_the_truth_and_pages_keep_to_one_minute(times: list[int]) -> None:
    posts: list[Post | Reject] = [a_post(time, str(n)) for n, time in enumerate(sorted(times))]
    pages = pages_of(posts)
    seen: list[Post] = []
    for number, page in enumerate(pages):
        assert len({post.created_ms // MINUTE_MS for post in page.posts}) <= 1
        seen.extend(page.posts)
        assert page.until_ms is not None
        assert all(post.created_ms < page.until_ms for post in seen)
        rest = [post for later in pages[number + 1 :] for post in later.posts]
        assert all(post.created_ms >= page.until_ms for post in rest)
    assert seen == posts
    assert [page.final for page in pages] == [False] * (len(pages) - 1) + [True]


def test_empty_minutes_make_no_pages() -> None:
    year_ms = 365 * 24 * 60 * MINUTE_MS
    pages = pages_of([a_post(0), a_post(year_ms)])
    assert [page.until_ms for page in pages] == [year_ms, year_ms + MINUTE_MS]


def test_a_minute_with_very_many_posts_is_cut_and_not_called_complete_too_early() -> None:
    pages = pages_of([a_post(61_000, str(n)) for n in range(MAX_PAGE_RECORDS + 1)])
    assert [len(page.posts) for page in pages] == [MAX_PAGE_RECORDS, 1]
    assert [page.until_ms for page in pages] == [MINUTE_MS, 2 * MINUTE_MS]


def test_rejects_travel_with_the_page_at_hand_and_are_cut_into_pages_too() -> None:
    bad: Post | Reject = Reject(b"?", "no time", "posts.csv:2")
    pages = pages_of([a_post(0), bad, a_post(MINUTE_MS)])
    assert pages[0].rejects == (bad,)
    only_bad = pages_of([bad] * (MAX_PAGE_RECORDS + 1))
    assert [len(page.rejects) for page in only_bad] == [MAX_PAGE_RECORDS, 1]
    assert [page.until_ms for page in only_bad] == [None, None]


def test_nothing_at_all_is_one_final_page() -> None:
    assert pages_of([]) == [Page(cursor="1", final=True)]


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_skipping_leaves_exactly_the_pages_behind_the_cursor(seed: int, skip: int) -> None:
    rng = Random(seed)
    posts: list[Post | Reject] = [
        a_post(n * 20_000 + rng.randrange(20_000), str(n)) for n in range(60)
    ]
    pages = pages_of(posts)
    rest = pages_of(posts, skip)
    assert [page.posts for page in rest if page.posts] == [
        page.posts for page in pages[skip:] if page.posts
    ]
    assert rest[-1].final
