"""Columns of mentions add up to the same tallies as a count by hand, in whatever portions."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from models.decoding import PostRow
from models.mentions import (
    COLUMNS,
    COPIES_THAT_COUNT,
    POSTS_OF_AN_AUTHOR_THAT_COUNT,
    Mentions,
    hash_of,
    place_of,
)
from models.sample import MAX_SAMPLED
from models.sentiment.bins import NEGATIVE_FROM, bin_of
from models.tally import (
    CALM_TONE_MILLI,
    MAX_CALM,
    MAX_EXHIBITS,
    MAX_FIRST,
    SKETCH_SIZE,
    Erasure,
    Tally,
)


class Mention(NamedTuple):
    """One mention, as drawn."""

    brand: int
    bucket: int
    author: str | None
    negative_milli: int
    reach: int
    created_ms: int
    fingerprint: int
    platform: str
    language: str
    late: bool


mentions = st.builds(
    Mention,
    brand=st.integers(0, 2),
    bucket=st.integers(10, 12),
    author=st.sampled_from(["ann", "bob", "cid", None]),
    negative_milli=st.sampled_from([0, 100, 499, 500, 700, 990]),
    reach=st.sampled_from([0, 1, 2, 1000, 10**12]),
    created_ms=st.integers(0, 3),
    fingerprint=st.sampled_from([0, 0, 7, 8]),
    platform=st.sampled_from(["x", "y"]),
    language=st.sampled_from(["pl", "en", "und"]),
    late=st.booleans(),
)
LOUD = Mention(0, 10, "ann", 990, 5, 1, 0, "x", "pl", False)


def row_of(number: int, mention: Mention) -> PostRow:
    return PostRow(
        platform=mention.platform,
        native_id=str(number),
        author=mention.author,
        reach=mention.reach,
        text=f"text {number}",
        language=mention.language,
        created_ms=mention.created_ms,
        observed_ms=mention.created_ms,
        source="one",
    )


def add(block: Mentions, first: int, some: list[Mention]) -> None:
    rows = [row_of(first + i, mention) for i, mention in enumerate(some)]
    columns = np.zeros(len(some), dtype=COLUMNS)
    columns["place"] = place_of(
        np.array([m.brand for m in some], dtype=np.int64),
        np.array([m.bucket for m in some], dtype=np.int64),
    )
    columns["number"] = columns["post"] = np.arange(first, first + len(some))
    columns["bin"] = bin_of(np.array([m.negative_milli / 1000 for m in some], dtype=np.float32))
    columns["negative_milli"] = [m.negative_milli for m in some]
    columns["positive_milli"] = [999 - m.negative_milli for m in some]
    for name in ("reach", "created_ms", "fingerprint", "late"):
        columns[name] = [getattr(m, name) for m in some]
    columns["author"] = hash_of([(row.author or row.key).encode() for row in rows])
    columns["key"] = hash_of([row.key.encode() for row in rows])
    columns["platform"] = block.platforms.number([m.platform for m in some])
    columns["language"] = block.languages.number([m.language for m in some])
    block.posts.extend(rows)
    block.add(columns)


def by_hand(own: list[tuple[int, Mention]], hidden: set[int]) -> Tally:
    """The tally of the mentions of one place, one after the other."""
    tally = Tally()
    authors: Counter[str] = Counter()
    texts: Counter[int] = Counter()
    shown = []
    for number, m in own:
        row = row_of(number, m)
        author = m.author or row.key
        authors[author] += 1
        texts[m.fingerprint] += 1
        counts = authors[author] <= POSTS_OF_AN_AUTHOR_THAT_COUNT and (
            m.fingerprint == 0 or texts[m.fingerprint] <= COPIES_THAT_COUNT
        )
        negative = m.negative_milli >= 1000 * NEGATIVE_FROM
        tally.mentions += 1
        tally.late += m.late
        tally.copies += not counts
        if counts:
            histogram = tally.late_histogram if m.late else tally.histogram
            histogram[bin_of(np.array([m.negative_milli / 1000], dtype=np.float32))[0]] += 1
        tally.negative_milli += m.negative_milli
        tally.positive_milli += 999 - m.negative_milli
        tally.reach += m.reach
        tally.negative_reach += m.reach * negative
        tally.platforms[m.platform] = tally.platforms.get(m.platform, 0) + 1
        tally.languages[m.language] = tally.languages.get(m.language, 0) + 1
        if negative and counts and number not in hidden:
            rank = m.negative_milli * (1 + (m.reach + 1).bit_length())
            shown.append((rank, m.created_ms, row.key))
    hashes = {int(hash_of([(m.author or row_of(n, m).key).encode()])[0]): m for n, m in own}
    tally.authors = sorted(hashes)[:SKETCH_SIZE]
    negative_hashes = {
        int(hash_of([(m.author or row_of(n, m).key).encode()])[0])
        for n, m in own
        if m.negative_milli >= 1000 * NEGATIVE_FROM
    }
    tally.negative_authors = sorted(negative_hashes)[:SKETCH_SIZE]
    best = sorted(shown, key=lambda s: (-s[0], s[1], s[2]))[:MAX_EXHIBITS]
    first = sorted(shown, key=lambda s: (s[1], -s[0], s[2]))[:MAX_FIRST]
    sampled = sorted(
        (int(hash_of([row_of(n, m).key.encode()])[0]), row_of(n, m).key)
        for n, m in own
        if n not in hidden
    )[:MAX_SAMPLED]
    tally.exhibits, tally.first, tally.sample = best, first, sampled  # type: ignore[assignment]
    calm: dict[str, tuple[int, int, str]] = {}
    for n, m in own:
        if (
            m.author
            and m.reach
            and 999 - 2 * m.negative_milli >= CALM_TONE_MILLI
            and n not in hidden
        ):
            row = row_of(n, m)
            said = (-m.reach, int(hash_of([row.key.encode()])[0]), row.key)
            calm[m.author] = min(calm.get(m.author, said), said)
    tally.calm = sorted(calm.values())[:MAX_CALM]  # type: ignore[assignment]
    return tally


def plain(tally: Tally) -> Tally:
    """What `by_hand` has of exhibits and sample."""
    tally.exhibits = [(r.rank, r.created_ms, r.post) for r in tally.exhibits]  # type: ignore[misc]
    tally.first = [(r.rank, r.created_ms, r.post) for r in tally.first]  # type: ignore[misc]
    tally.sample = [(r.hash, r.post) for r in tally.sample]  # type: ignore[misc]
    assert not any(r.text for r in tally.calm)
    tally.calm = [(-r.reach, r.hash, r.post) for r in tally.calm]  # type: ignore[misc]
    return tally


@given(
    some=st.lists(mentions, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    erased=st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans(), st.integers(9, 13)),
        max_size=4,
    ),
)
@example(some=[LOUD] * 40, cuts=[20], erased=[])
@example(some=[LOUD] * 9, cuts=[], erased=[(5, 4, False, 10), (5, 4, True, 10)])
def test_what_is_told_last_of_each_place_is_what_a_count_by_hand_gives(
    some: list[Mention],
    cuts: list[int],
    erased: list[tuple[int, int, bool, int]],
) -> None:
    block = Mentions()
    told: dict[tuple[int, int], Tally] = {}
    hidden: dict[tuple[int, int], set[int]] = {}
    erased = [e for e in erased if e[1] < len(some)]
    places = sorted({0, len(some), *(c for c in cuts if c <= len(some)), *(e[0] for e in erased)})
    for start, end in pairwise([*[p for p in places if p <= len(some)], len(some)]):
        for before, number, whole_author, bucket in erased:
            if before != start:
                continue
            target = row_of(number, some[number])
            if whole_author and target.author is None:
                continue
            by = {"author": target.author} if whole_author else {"post": target.key}
            block.erase(Erasure(bucket, **by), before)
            for n, m in enumerate(some[:before]):
                same = m.author == target.author if whole_author else n == number
                if same and m.bucket >= bucket:
                    hidden.setdefault((m.brand, m.bucket), set()).add(n)
        add(block, start, some[start:end])
        if end in cuts:
            told |= {(brand, bucket): tally for brand, bucket, tally in block.take_changed()}
    told |= {(brand, bucket): tally for brand, bucket, tally in block.take_changed()}
    assert not block.changed
    expected = {
        place: by_hand(
            [(n, m) for n, m in enumerate(some) if (m.brand, m.bucket) == place],
            hidden.get(place, set()),
        )
        for place in {(m.brand, m.bucket) for m in some}
    }
    assert {place: plain(tally) for place, tally in told.items()} == expected


def test_a_place_is_told_only_when_it_changed() -> None:
    block = Mentions()
    add(block, 0, [LOUD, LOUD._replace(brand=1)])
    assert [(b, m) for b, m, _ in block.take_changed()] == [(0, 10), (1, 10)]
    assert not block.changed and block.take_changed() == []
    add(block, 2, [LOUD])
    [(brand, _, tally)] = block.take_changed()
    assert (brand, tally.mentions) == (0, 2)
    block.erase(Erasure(10, post="x:1"), before=3)
    assert [brand for brand, _, _ in block.take_changed()] == [1]
