"""What tells a person apart does not leave the edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.masking import CARD, E_MAIL, PESEL, PHONE, is_card, is_pesel, mask


def a_pesel(year: int, month: int, day: int, serial: int) -> str:
    shift = {18: 80, 19: 0, 20: 20, 21: 40, 22: 60}[year // 100]
    body = f"{year % 100:02}{month + shift:02}{day:02}{serial:04}"
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    return body + str(-sum(w * int(d) for w, d in zip(weights, body, strict=True)) % 10)


def with_luhn_digit(body: str) -> str:
    return next(body + str(last) for last in range(10) if is_card(body + str(last)))


pesels = st.builds(
    a_pesel, st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 28), st.integers(0, 9999)
)
card_bodies = st.from_regex(r"\A[3-5][0-9]{14}\Z")
words = st.text(st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=8)
digits = st.from_regex(r"\A[0-9]{11}\Z")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("pisz: jan.kowalski+x@poczta.example.pl.", f"pisz: {E_MAIL}."),
        ("<a@b.pl> i A_B@Ć.example", f"<{E_MAIL}> i {E_MAIL}"),
        ("tel. 600700800", f"tel. {PHONE}"),
        ("tel.: 600 700 800, wieczorem", f"tel.: {PHONE}, wieczorem"),
        ("600-700-800", PHONE),
        ("+48 600 700 800", PHONE),
        ("+48600700800", PHONE),
        ("48 600 700 800", PHONE),
        ("0048 600 700 800", PHONE),
        ("(22) 123-45-67", PHONE),
        ("22 123 45 67", PHONE),
        ("biuro: +44 (0)20 7946 0958", f"biuro: {PHONE}"),
        ("call 555-123-4567 now", f"call {PHONE} now"),
        ("06 12 34 56 78", PHONE),
        ("600 700 800 lub 601 701 801", f"{PHONE} lub {PHONE}"),
        ("moja karta 4111 1111 1111 1111!", f"moja karta {CARD}!"),
        ("karta 4111-1111-1111-1111", f"karta {CARD}"),
        ("amex 3782 822463 10005", f"amex {CARD}"),
        ("PESEL 44051401359", f"PESEL {PESEL}"),
    ],
)
def test_what_names_a_person_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Zażółć gęślą jaźń 😡",
        "lot LO 3941 o 12:30 dnia 2024-11-22",
        "22.11.2024 12:30:15",
        "strata 500 000 000 zł",
        "https://example.com/status/4111111111111111?id=600700800",
        "@jan@mastodon.example pisze do @orzelair",
        "@orzelair.example",
        "PESEL 44051401358",  # the check digit is wrong
        "zamówienie 4111111111111112",  # Luhn's test fails
        "1700000000000",
        "v1.22.333.4444.55555",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert mask(text) == text


@given(pesels, words, words)
def test_every_pesel_is_masked_wherever_it_stands(pesel: str, before: str, after: str) -> None:
    assert is_pesel(pesel)
    assert mask(f"{before} {pesel}, {after}") == f"{before} {PESEL}, {after}"


@given(digits)
def test_a_pesel_with_a_wrong_digit_is_none(number: str) -> None:
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not (is_pesel(number) and is_pesel(wrong))


@given(card_bodies, words)
def test_every_card_number_is_masked_with_and_without_spaces(body: str, word: str) -> None:
    number = with_luhn_digit(body)
    spaced = " ".join(number[n : n + 4] for n in range(0, 16, 4))
    assert mask(f"{word} {number}") == f"{word} {CARD}"
    assert mask(f"{word} {spaced} {word}") == f"{word} {CARD} {word}"


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(st.text(st.characters(exclude_categories=["Nd"], exclude_characters="@"), max_size=200))
def test_a_text_without_digits_and_addresses_stays_as_it_is(text: str) -> None:
    assert mask(text) == text
