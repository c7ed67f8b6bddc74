from __future__ import annotations

import doctest
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline import plaintext
from pipeline.console import wording
from pipeline.plaintext import one_line, printable


@given(st.text())
def test_no_control_character_and_no_override_is_left(text: str) -> None:
    left = printable(text)
    assert all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in left)
    assert not set(left) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@given(st.text(), st.integers(1, 50))
def test_a_line_is_one_line_and_no_longer_than_asked(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (plaintext, wording):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0
