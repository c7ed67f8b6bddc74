"""The weights file: what it keeps and what it refuses."""

from __future__ import annotations

import dataclasses
import re
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment.scorer import SHIPPED, load_scorer
from models.sentiment.weights import FORMAT, WeightsError, dump, load

CONTENT = resources.files("models.sentiment").joinpath(SHIPPED).read_bytes()


def test_the_shipped_file_is_small_enough() -> None:
    assert len(CONTENT) <= 12_000_000


def test_a_model_survives_the_file_and_gives_the_same_bytes_again() -> None:
    weights = load(CONTENT, "shipped")
    again = load(dump(weights), "again")
    for field in dataclasses.fields(weights):
        np.testing.assert_array_equal(getattr(weights, field.name), getattr(again, field.name))
    assert dump(weights) == dump(again)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"CZUJKA-SENTIMENT\n\x01"])
def test_a_foreign_file_is_refused_with_what_to_do(content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"x\.bin is no sentiment weights file; `czujka train`"):
        load(content, "x.bin")


@settings(max_examples=30, deadline=None)
@given(st.integers(21, len(CONTENT) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found(position: int, change: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[position] ^= change
    try:
        weights = load(bytes(damaged), "x.bin")
    except WeightsError:
        return
    # Only the names in the header can change without harm to the arrays.
    sound = load(CONTENT, "shipped")
    assert (weights.version, weights.languages) != (sound.version, sound.languages)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(CONTENT) - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(WeightsError):
        load(CONTENT[:length], "x.bin")


def test_another_format_is_refused_with_both_numbers() -> None:
    other = CONTENT.replace(f'"format":{FORMAT}'.encode(), b'"format":9')
    with pytest.raises(WeightsError, match=re.escape("has format 9 with 2^19 rows, this release")):
        load(other, "x.bin")


def test_a_file_of_ones_own_is_loaded_by_its_path(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "own.bin"
    path.write_bytes(CONTENT)
    assert load_scorer(path).version == load_scorer().version
