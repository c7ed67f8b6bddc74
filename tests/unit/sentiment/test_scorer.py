"""What a scorer promises for any text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment import load_scorer
from models.sentiment.base import NEGATIVE, POSITIVE, Scorer
from models.sentiment.tokens import MAX_BYTES

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=300)
SCORER: Scorer = load_scorer()


@settings(deadline=None, max_examples=300)
@given(st.lists(ANY_TEXT, max_size=8))
def test_any_texts_give_one_row_of_probabilities_each(texts: list[str]) -> None:
    scores = SCORER.score(texts)
    assert scores.shape == (len(texts), 3)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


@settings(deadline=None)
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=5))
def test_a_score_does_not_depend_on_the_rest_of_the_batch(text: str, others: list[str]) -> None:
    alone = SCORER.score([text])[0]
    np.testing.assert_array_equal(SCORER.score([*others, text])[-1], alone)
    np.testing.assert_array_equal(SCORER.score([text, *others])[0], alone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x01\x1f\x7f",
        "\ud800\udfff",
        "😡" * 500,
        "a" * 100_000,
        "word " * 1_000,
        "!?" * 50_000,
        "#" * 100_000,
        "😀😡" * 50_000,
        "\u202e مرحبا بالعالم \u202c hello Привет 你好",
        "&" * 10_000,
        "&amp;#39;&lt;&nope;&",
        "\\u12" + "\\u2019" * 4_000,
        "http",
        "@",
        "é" * 4_097,
        "a\u0301" * 3_000,
        "\U0010ffff" * 2_000,
        ":" * 5_000 + "D",
        "ß" * 5_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_hostile_texts_are_scored(text: str) -> None:
    score = SCORER.score([text])[0]
    assert np.isfinite(score).all()
    assert score.sum() == pytest.approx(1, abs=1e-5)


BAD_PIECES = (
    "",
    " ",
    "\n",
    "word ",
    "słowo ",
    "😡",
    "👩‍👩‍👧",
    "Привет ",
    "مرحبا ",
    "\u202e",
    "你好",
    "\ud800",
    "\udfff",
    "\x00",
    "\x1b",
    "&amp;",
    "http://",
    "@",
    "#",
    "a\u0301",
    "!?",
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(BAD_PIECES), st.sampled_from([1, 2, 1_000]))))
def test_repeated_and_mixed_pieces_up_to_a_hundred_kilobytes_are_scored(
    parts: list[tuple[str, int]],
) -> None:
    text = "".join(piece * count for piece, count in parts)
    text = text if len(text) < 2_000 else text * (100_000 // len(text) + 1)
    score = SCORER.score([text], ["pl"])[0]
    assert np.isfinite(score).all()
    assert score.sum() == pytest.approx(1, abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=st.characters(codec=None), max_size=50), st.sampled_from(BAD_PIECES))
def test_the_time_of_a_text_is_bounded_for_what_follows_its_first_bytes_is_not_read(
    text: str, piece: str
) -> None:
    beginning = (text + " ").ljust(MAX_BYTES, "a")
    np.testing.assert_array_equal(
        SCORER.score([beginning + piece * 10_000]), SCORER.score([beginning])
    )


@pytest.mark.parametrize("tag", [None, "", "e", "en", "en-GB", "PL", "pl_PL", "tlh", "xx-\ud800"])
def test_any_language_tag_is_taken(tag: str | None) -> None:
    assert SCORER.score(["ok"], [tag]).shape == (1, 3)


def test_a_regional_tag_is_its_language_and_an_unknown_one_is_no_language() -> None:
    text = ["nie polecam"]
    np.testing.assert_array_equal(SCORER.score(text, ["pl-PL"]), SCORER.score(text, ["pl"]))
    np.testing.assert_array_equal(SCORER.score(text, ["tlh"]), SCORER.score(text))


def test_as_many_languages_as_texts_are_asked_for() -> None:
    with pytest.raises(ValueError, match="2 languages for 1 texts"):
        SCORER.score(["a"], ["en", "pl"])


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("I love it, great service!", "en", POSITIVE),
        ("worst service ever, never again", "en", NEGATIVE),
        ("Bardzo polecam, świetna obsługa", "pl", POSITIVE),
        ("Nie polecam, dramat", "pl", NEGATIVE),
        ("nie polecam, obsluga straszna", "pl", NEGATIVE),
        ("J'adore, c'est magnifique", "fr", POSITIVE),
        ("Das ist schrecklich und schlecht", "de", NEGATIVE),
    ],
)
def test_plain_opinions_are_told_apart(text: str, language: str, expected: int) -> None:
    assert int(SCORER.score([text], [language]).argmax()) == expected
