"""The sample is the same in any order, bounded, and fair."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.sample import MAX_SAMPLED, SampleRow, smallest


def row(number: int, text: str = "", **changes: object) -> SampleRow:
    values: dict[str, object] = {
        "hash": number * 2654435761 % 2**32,
        "post": f"x:{number}",
        "created_ms": 0,
        "author": f"a{number}",
        "reach": 10,
        "tone_milli": -500,
        "text": text,
    }
    return SampleRow(**(values | changes))  # type: ignore[arg-type]


parts = st.lists(st.lists(st.integers(0, 60).map(row), max_size=20), max_size=5)


@given(parts, st.randoms(use_true_random=False))
def test_however_parts_are_added_the_sample_is_that_of_the_whole(
    parts: list[list[SampleRow]], shuffle: object
) -> None:
    whole = smallest([row for part in parts for row in part])
    shuffled = [list(part) for part in parts]
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    added: list[SampleRow] = []
    for part in shuffled:
        added = smallest(added + smallest(part))
    assert added == whole


@given(st.lists(st.integers(0, 60).map(row), max_size=80))
def test_it_is_bounded_and_holds_a_post_once(rows: Sequence[SampleRow]) -> None:
    sample = smallest(list(rows))
    assert len(sample) <= MAX_SAMPLED
    assert len({row.post for row in sample}) == len(sample)


def test_a_larger_bound_keeps_what_a_smaller_one_kept() -> None:
    rows = [row(number) for number in range(100)]
    assert smallest(rows, 40)[:MAX_SAMPLED] == smallest(rows)
