"""How texts are brought to one form before they are hashed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment.features import MAX_FEATURES, ROW_BITS, extract
from models.sentiment.scorer import pack
from models.sentiment.tokens import (
    BREAK,
    MAX_BYTES,
    MAX_TOKENS,
    SHOUTED,
    STRETCHED,
    tokenise,
)

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=400)
URL, HANDLE = "\x01", "\x02"


def tokens_of(text: str) -> list[tuple[str, int]]:
    """Normalised tokens with their flags."""
    data, offsets = pack([text])
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    table = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    count = tokenise(data, 0, int(offsets[1]), normalised, table)
    return [(normalised[row[0] : row[1]].tobytes().decode(), int(row[3])) for row in table[:count]]


def words(text: str) -> list[str]:
    return [token for token, _ in tokens_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zażółć GĘŚLĄ jaźń", ["zazolc", "gesla", "jazn"]),
        ("Straße Façade œuvre", ["strasse", "facade", "oeuvre"]),
        ("Привет МИР Ёж", ["привет", "мир", "ёж"]),
        ("don't don’t dont", ["dont", "dont", "dont"]),
        ("see https://t.co/x?a=1 and www.a.pl", ["see", URL, "and", URL]),
        ("http @user", [URL, HANDLE]),
        ("httpd", ["httpd"]),
        ("@JetBlue hi a@b", [HANDLE, "hi", "a", "b"]),
        ("#FailWhale", ["failwhale"]),
        ("R&amp;D &lt;3 &quot;x&quot;", ["r", "d", "<3", "x"]),
        (r"it\u2019s \u0141\u00f3d\u017a", ["its", "lodz"]),
        ("12345 10 v2", ["000", "10", "v2"]),
        ("no!!!!! why??? ok.", ["no", "!!", "why", "??", "ok"]),
        (":) :-( :D ;-P <3 :/", [":)", ":-(", ":d", ";-p", "<3", ":/"]),
        ("😡😡😡😡 👍🏽", ["😡", "😡", "👍"]),
        ("ｇｒｅａｔ！", ["great", "!"]),
        ("wait…", ["wait", ".."]),
        ("a\u200bb", ["ab"]),
    ],
)
def test_spellings_of_one_thing_give_the_same_tokens(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert words("za\u017co\u0301\u0142c\u0301") == words("zażółć") == ["zazolc"]


def test_shouting_stretching_and_clause_ends_are_marked() -> None:
    assert tokens_of("NEVER again") == [("never", SHOUTED), ("again", 0)]
    assert tokens_of("sooooo bad") == [("soo", STRETCHED), ("bad", 0)]
    assert tokens_of("good, bad") == [("good", 0), ("bad", BREAK)]


@settings(deadline=None, max_examples=400)
@given(ANY_TEXT)
def test_tokens_are_bounded_ordered_and_point_into_the_text(text: str) -> None:
    data, offsets = pack([text])
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    table = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    count = tokenise(data, 0, int(offsets[1]), normalised, table)
    found = table[:count]
    assert count < MAX_TOKENS
    assert (found[:, 0] < found[:, 1]).all()
    assert (found[1:, 0] == found[:-1, 1]).all()
    assert (found[:, 4] < found[:, 5]).all()
    assert (found[1:, 4] >= found[:-1, 5]).all()
    assert found[:, 5].max(initial=0) <= len(data)


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT)
def test_features_are_rows_of_the_table_and_each_belongs_to_a_token(text: str) -> None:
    data, offsets = pack([text])
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    table = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    count = tokenise(data, 0, int(offsets[1]), normalised, table)
    rows = np.empty(MAX_FEATURES, dtype=np.int32)
    owners = np.empty(MAX_FEATURES, dtype=np.int32)
    size = extract(normalised, table, count, rows, owners)
    assert 3 * count <= size <= MAX_FEATURES
    assert ((rows[:size] >= 0) & (rows[:size] < 1 << ROW_BITS)).all()
    assert set(owners[:size].tolist()) == set(range(count))


@pytest.mark.parametrize(
    "text",
    [
        "é" * 5_000,
        "ß" * 5_000,
        "æß" * 3_000,
        "a\n" * 50_000,
        "😀😡" * 5_000,
        "!a" * 9_000,
        "ŉ" * 9_000,
    ],
    ids=lambda text: ascii(text[:2]),
)
def test_the_longest_texts_fit_the_buffers(text: str) -> None:
    data, offsets = pack([text])
    guard = 64
    normalised = np.full(2 * MAX_BYTES + 16 + guard, 0xAA, dtype=np.uint8)
    table = np.full((MAX_TOKENS + guard, 6), -7, dtype=np.int32)
    rows = np.full(MAX_FEATURES + guard, -7, dtype=np.int32)
    count = tokenise(data, 0, int(offsets[1]), normalised, table)
    extract(normalised, table, count, rows, np.empty(0, dtype=np.int32))
    assert (normalised[-guard:] == 0xAA).all()
    assert (table[-guard:] == -7).all()
    assert (rows[-guard:] == -7).all()
