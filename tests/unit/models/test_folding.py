"""Folding: what does not matter when a term is compared with a text."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.folding import fold, fold_char, fold_term

any_text = st.text(st.characters(codec=None), max_size=60)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Orzeł AIR", "orzel air"),
        ("ZAŻÓŁĆ GĘŚLĄ JAŹŃ", "zazolc gesla jazn"),
        ("Øresund Đà", "oresund da"),
        ("GROẞ groß", "gross gross"),
        ("Ａｉｒ ＃ｏｒｚｅｌ", "air #orzel"),
        ("𝐎𝐫𝐳𝐞𝐥", "orzel"),
        ("ﬁt", "fit"),
        ("İstanbul ılık", "istanbul ilik"),
        ("JetBlue™", "jetblue™"),
        ("Macy’s", "macy's"),
        ("a \t\n\u00a0\u2003 b", "a b"),
        ("or\u00adzel\u200b\ufe0f", "orzel"),
        ("\ud800", "\ufffd"),
        ("", ""),
    ],
)
def test_case_diacritics_width_and_white_space_do_not_matter(written: str, folded: str) -> None:
    assert fold(written).text == folded


@given(any_text)
@example("ß\u0301ﷺ  \ud800a")
@example("\U0002f800")
def test_the_table_folds_as_the_definition_does_and_knows_where_all_came_from(text: str) -> None:
    folded, origin = "", []
    for index, char in enumerate(text):
        for part in fold_char(char):
            if part == " " and folded.endswith(" "):
                continue
            folded += part
            origin.append(index)
    result = fold(text)
    assert result.text == folded
    assert [result.original(index) for index in range(len(folded))] == origin
    if result.origin is not None:
        assert np.all(np.diff(result.origin) >= 0)


@given(any_text)
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text).text
    assert fold(once).text == once


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F), max_size=40))
def test_composed_and_decomposed_letters_fold_alike(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert fold(unicodedata.normalize("NFD", composed)).text == fold(composed).text


@pytest.mark.parametrize("term", ["", "  ", "!?", "™", "\u0301"])
def test_a_term_without_letter_or_digit_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match="neither letter nor digit"):
        fold_term(term)


def test_a_term_with_a_control_character_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        fold_term("orzel\0air")
