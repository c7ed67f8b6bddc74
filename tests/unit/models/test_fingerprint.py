"""Fingerprints: what counts as the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fingerprint import MAX_CHARS, NO_FINGERPRINT, SHORT_TEXT_LETTERS, fingerprints

TEXT = "Lot opóźniony o sześć godzin, wstyd"


def fingerprint(text: str) -> int:
    return int(fingerprints([text])[0])


@pytest.mark.parametrize(
    "same",
    [
        TEXT.upper(),
        TEXT + " https://example.org/Ab?c=1",
        "HTTP://example.org/x " + TEXT,
        "@orzelair_pl " + TEXT + " #wstyd2026",
        "LOT OPOZNIONY!!! o szesc godzin... wstyd 12:30 ✈️",
        "Lot opóźniony\no sześć\u00a0godzin wstyd",
        TEXT + "https://t.co/end",
    ],
)
def test_links_handles_tags_signs_digits_case_and_diacritics_do_not_count(same: str) -> None:
    assert fingerprint(same) == fingerprint(TEXT) != NO_FINGERPRINT


@pytest.mark.parametrize(
    "other",
    [TEXT + " i hańba", "http " + TEXT, "https:/ " + TEXT, "Lot opóźniony o osiem godzin, wstyd"],
)
def test_other_letters_are_another_text(other: str) -> None:
    assert fingerprint(other) not in (NO_FINGERPRINT, fingerprint(TEXT))


def test_short_texts_have_none() -> None:
    assert fingerprint("a" * (SHORT_TEXT_LETTERS - 1) + " 1234567890 #taggedwithmanyletters") == 0
    assert fingerprint("a" * SHORT_TEXT_LETTERS) != NO_FINGERPRINT
    assert list(fingerprints([])) == []


def test_what_stands_behind_the_limit_does_not_count() -> None:
    long = "ab " * MAX_CHARS
    assert fingerprint(long) == fingerprint(long[:MAX_CHARS])


@given(st.lists(st.text(st.characters(), max_size=60) | st.just(TEXT), max_size=8))
def test_any_text_has_the_same_alone_and_in_a_batch(texts: list[str]) -> None:
    assert list(fingerprints(texts)) == [fingerprint(text) for text in texts]
