"""A loud voice counts for more than a quiet one, and never for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.influence import weight_of, weighted_sentiment
from models.sample import SampleRow


def row(reach: int, tone_milli: int, number: int = 0) -> SampleRow:
    return SampleRow(number, f"x:{number}", 0, "a", reach, tone_milli, "")


def test_nobody_says_nothing() -> None:
    assert weighted_sentiment([]) is None


def test_an_angry_voice_with_reach_pulls_the_mood_down_and_does_not_drown_the_rest() -> None:
    quiet = [row(0, 500, number) for number in range(40)]
    plain = (40 * 0.5 - 1) / 41
    weighted = weighted_sentiment([*quiet, row(1_000_000, -1000, 40)])
    assert weighted is not None
    assert -0.5 < weighted < plain


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(-1000, 1000)), min_size=1))
def test_it_lies_between_the_extremes(said: list[tuple[int, int]]) -> None:
    found = weighted_sentiment([row(reach, tone, n) for n, (reach, tone) in enumerate(said)])
    tones = [tone / 1000 for _, tone in said]
    assert found is not None
    assert min(tones) - 1e-9 <= found <= max(tones) + 1e-9


def test_the_weight_grows_with_the_logarithm_of_reach() -> None:
    assert [round(weight_of(reach)) for reach in (-5, 0, 1_000, 1_000_000)] == [1, 1, 11, 21]
    assert weighted_sentiment([row(0, -200)]) == pytest.approx(-0.2)
