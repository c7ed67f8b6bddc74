"""Masks what tells a person apart in texts: e-mail, telephone and card numbers, PESEL.

A text is changed only where something is found, so that brand and mood stay readable. Numbers are
judged by their digits, not by their look alone: a PESEL has a date and a check digit
(https://www.gov.pl/web/gov/czym-jest-numer-pesel), a card number passes Luhn's test (ISO/IEC
7812-1), a Polish telephone number begins as the national numbering plan says, any other has the
``+`` or the leading zeros of ITU-T E.164 and E.123, or the grouping of its country.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

E_MAIL = "[e-mail]"
PHONE = "[phone]"
PESEL = "[PESEL]"
CARD = "[card]"

_WORTH_A_LOOK = re.compile(r"@|\d[\d\s().+/-]{5,}\d")
_E_MAIL = re.compile(
    r"(?<![\w.+@-])[\w.+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])"
)
_NUMBER = re.compile(
    r"(?<![\w/=#&?.,-])(?:\+|\(\+)?\(?\d(?:[ \u00a0\u202f().-]{0,2}\d){6,40}+(?!\w)"
)
_GROUP = re.compile(r"\d+")
_POLISH_AREAS = re.compile(r"1[2-8]|2[2-59]|3[2-49]|4[1-8]|5[0-9]|6[0-35-9]|7[0-9]|8[1-9]|9[145]")
_POLISH_GROUPS = {(9,), (3, 3, 3), (2, 3, 2, 2), (3, 6), (2, 7), (3, 2, 2, 2), (1, 2, 3, 3)}
_NATIONAL_GROUPS = {(3, 3, 4), (4, 3, 3)}
_CARD_GROUPS = re.compile(r"\d{13,19}|(?:\d{4} ){3}\d{1,4}(?: \d{1,3})?|\d{4} \d{6} \d{4,5}")


def mask(text: str) -> str:
    """The text with addresses and numbers of persons replaced.

    Example:
        >>> mask("Pisz na jan.k@example.pl albo dzwoń +48 600 700 800!")
        'Pisz na [e-mail] albo dzwoń [phone]!'
    """
    if _WORTH_A_LOOK.search(text) is None:
        return text
    if "@" in text:
        text = _E_MAIL.sub(E_MAIL, text)
    return _NUMBER.sub(_mask_number, text)


def is_pesel(digits: str) -> bool:
    """Whether eleven digits are a PESEL: a date that exists and the right check digit."""
    if len(digits) != 11 or not digits.isdecimal():
        return False
    numbers = [int(digit) for digit in digits]
    month = (numbers[2] * 10 + numbers[3]) % 20
    day = numbers[4] * 10 + numbers[5]
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return False
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)
    total = sum(weight * number for weight, number in zip(weights, numbers, strict=False))
    return (10 - total % 10) % 10 == numbers[10]


def is_card(digits: str) -> bool:
    """Whether digits are a payment card's: 13 to 19, of a payment network, and Luhn's test."""
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    total = 0
    for position, digit in enumerate(reversed(digits)):
        number = int(digit)
        if position % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def is_phone(groups: Sequence[str], international: bool = False) -> bool:
    """Whether groups of digits, written apart, are a telephone number.

    Args:
        groups: as they were written.
        international: a ``+`` stands before them.
    """
    digits = "".join(groups)
    if international:
        return 8 <= len(digits) <= 15
    if digits.startswith("00"):
        return 10 <= len(digits) <= 17 and digits[2] != "0"
    if len(digits) == 11 and digits.startswith("48"):
        digits = digits[2:]
        groups = groups[1:] if groups[0] == "48" else [groups[0][2:], *groups[1:]]
    shape = tuple(len(group) for group in groups)
    if len(digits) == 9 and _POLISH_AREAS.match(digits) and shape in _POLISH_GROUPS:
        return not (len(groups) == 3 and set(digits[3:]) == {"0"})  # 500 000 000 is a sum
    if digits.startswith("0"):
        return len(groups) > 1 and 9 <= len(digits) <= 12
    return shape in _NATIONAL_GROUPS and len(digits) == 10


def _mask_number(found: re.Match[str]) -> str:
    """Masks what is within a run of digits and separators; what is not a person's stays."""
    run = found[0]
    groups = [(match[0], match.start(), match.end()) for match in _GROUP.finditer(run)]
    parts: list[str] = []
    done = 0
    first = 0
    while first < len(groups):
        for last in range(min(len(groups), first + 10), first, -1):
            taken = groups[first:last]
            before = run[: taken[0][1]].rstrip("(")
            kind = _kind_of([group for group, _, _ in taken], before.endswith("+"))
            if kind is None:
                continue
            begin = _start_of_sign(run, taken[0][1]) if kind is PHONE else taken[0][1]
            parts += [run[done:begin], kind]
            done = taken[-1][2]
            first = last
            break
        else:
            first += 1
    return "".join([*parts, run[done:]]) if parts else run


def _start_of_sign(run: str, start: int) -> int:
    """Where the plus or the bracket stands that belongs to the number."""
    while start > 0 and run[start - 1] in "+(":
        start -= 1
    return start


def _kind_of(groups: list[str], international: bool) -> str | None:
    digits = "".join(groups)
    if not international:
        if is_pesel(digits):
            return PESEL
        if _CARD_GROUPS.fullmatch(" ".join(groups)) and is_card(digits):
            return CARD
    return PHONE if is_phone(groups, international) else None
