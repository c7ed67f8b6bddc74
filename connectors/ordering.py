"""From records in any order to pages in the order of time."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator

from connectors.base import Page, Reject
from models.post import LATEST_MS, Post

log = logging.getLogger(__name__)

MINUTE_MS = 60_000
MAX_PAGE_RECORDS = 5_000
"""A page has no more posts, nor more rejects."""

REORDER_RECORDS = 100_000
REORDER_CHARS = 64_000_000
"""What the reorder buffer holds at most: records, and characters of their texts."""


def in_time_order(
    items: Iterable[Post | Reject],
    *,
    place: str,
    limit: int = REORDER_RECORDS,
    on_late: Callable[[Post], None] | None = None,
) -> Iterator[Post | Reject]:
    """Posts by time of creation, as far as a bounded buffer can put them in order.

    A file of at most `limit` records comes out sorted, whatever its order (ascending, descending,
    shuffled); posts of the same millisecond stay in the order of the file. Of a larger file, a
    post that stands more than `limit` records too late comes late; that is logged once. Rejects
    pass at once.

    Args:
        items: posts and rejects as they are read.
        place: what to call the file in the log.
        limit: records that the buffer holds.
        on_late: is told of each late post.
    """
    heap: list[tuple[int, int, Post]] = []
    chars = 0
    newest_ms = -1
    late = 0

    def leave() -> Post:
        nonlocal chars, newest_ms, late
        created_ms, _, post = heapq.heappop(heap)
        chars -= len(post.text)
        if created_ms >= newest_ms:
            newest_ms = created_ms
            return post
        late += 1
        if late == 1:
            log.warning(
                "%s is not sorted by time, and a post stands more than %d records too late: "
                "such posts come late. Sort the file, or raise --reorder",
                place,
                len(heap),
            )
        if on_late is not None:
            on_late(post)
        return post

    for number, item in enumerate(items):
        if isinstance(item, Reject):
            yield item
            continue
        heapq.heappush(heap, (item.created_ms, number, item))
        chars += len(item.text)
        while len(heap) > limit or chars > REORDER_CHARS:
            yield leave()
    while heap:
        yield leave()


def paginate(
    items: Iterable[Post | Reject], cursor: Callable[[int], str], skip: int = 0
) -> Iterator[Page]:
    """Pages of at most one minute of observation each, the last one final.

    A page ends with the word that everything before the next minute with posts was seen, so that
    the heartbeats depend on the posts alone and not on when they are read.

    Args:
        items: posts by time of observation (one that comes late joins the page at hand), rejects.
        cursor: the cursor behind the page of this number, counted from 1.
        skip: this many pages were published before and are left out.
    """
    posts: list[Post] = []
    rejects: list[Reject] = []
    minute: int | None = None
    number = 0

    def page(until_ms: int | None, final: bool = False) -> Page | None:
        nonlocal number
        number += 1
        made = Page(tuple(posts), cursor(number), until_ms, final, tuple(rejects))
        posts.clear()
        rejects.clear()
        return made if number > skip else None

    for item in items:
        if isinstance(item, Reject):
            rejects.append(item)
            if len(rejects) >= MAX_PAGE_RECORDS and (
                ready := page(None if minute is None else minute * MINUTE_MS)
            ):
                yield ready
            continue
        at = item.observed_ms // MINUTE_MS
        if minute is None:
            minute = at
        elif at > minute:
            minute = at
            if ready := page(minute * MINUTE_MS):
                yield ready
        elif len(posts) >= MAX_PAGE_RECORDS and (ready := page(minute * MINUTE_MS)):
            yield ready
        posts.append(item)
    until_ms = None if minute is None else min((minute + 1) * MINUTE_MS, LATEST_MS)
    yield page(until_ms, final=True) or Page(cursor=cursor(number), until_ms=until_ms, final=True)
