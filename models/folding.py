"""Folding: how a text is made comparable with a term, and the way back to its positions.

Case, diacritics, width, styled letters (mathematical bold and the like), typographic quotes and
hyphens, and the length of white space do not matter: ``"ORZEŁ  Air"`` and ``"orzel air"`` fold
alike. Unicode's compatibility decomposition (NFKD) alone misses the letters with a stroke (ł, ø,
đ), so those are listed here. `fold_char` is the definition; `fold` does the same to a long text
with a table, one look-up a character.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.int64]

_LETTERS = {
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "ƀ": "b", "ɨ": "i",
    "ŋ": "n", "ĸ": "k", "æ": "ae", "œ": "oe", "þ": "th", "ə": "e", "ʼ": "'",
}  # fmt: skip
_SIGNS = {"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "‐": "-", "‑": "-", "–": "-", "−": "-"}
_MARKS = (  # diacritics; the vowel signs of Indic scripts are letters to their readers and stay
    (0x0300, 0x036F), (0x0591, 0x05BD), (0x064B, 0x065F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xE0100, 0xE01EF),
)  # fmt: skip
_REPLACEMENT = "\ufffd"
_FIRST_SPECIAL = sys.maxunicode + 1
_LAST_CASED = 0x20000  # from here on no character has case; these alone decompose:
_COMPATIBILITY_IDEOGRAPHS = range(0x2F800, 0x2FA20)
_LAST_LETTER = 0x40000  # no letter nor digit is assigned from here on


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text.

    Attributes:
        text: what terms are compared with.
        codes: its code points, shape (len(text),).
        origin: for each character of `text`, the index in the original of the character it came
            from, ascending, shape (len(text),); None where they are the same.
    """

    text: str
    codes: npt.NDArray[np.uint32]
    origin: Indexes | None

    def original(self, index: int) -> int:
        """Index in the original text of a character of the folded one."""
        return index if self.origin is None else int(self.origin[index])


def ignored(char: str) -> bool:
    """Whether a character does not count: a diacritic, a joiner, a direction mark."""
    code = ord(char)
    return any(low <= code <= high for low, high in _MARKS) or unicodedata.category(char) == "Cf"


def fold_char(char: str) -> str:
    """What one character folds to: nothing, one or several characters.

    Example:
        >>> [fold_char(char) for char in "ŁéßA"]
        ['l', 'e', 'ss', 'a']
    """
    if char.isspace():
        return " "
    category = unicodedata.category(char)
    if category == "Cs":
        return _REPLACEMENT
    if ignored(char):
        return ""
    if char in _SIGNS:
        return _SIGNS[char]
    folded = unicodedata.normalize("NFKD", char.casefold()).casefold()
    if category[0] not in "LMN" and len(folded) != 1:
        return char  # ™ and … are no letters
    kept = "".join(_LETTERS.get(part, part) for part in folded if not ignored(part))
    return kept.replace(" ", "")  # spacing accents decompose into a space and a mark


@dataclass(frozen=True, slots=True)
class _Tables:
    """For the characters that fold to one: `single`. For others it names a row of `several`."""

    single: npt.NDArray[np.uint32]
    lengths: Indexes
    several: npt.NDArray[np.uint32]


@cache
def _tables() -> _Tables:
    single = np.arange(_FIRST_SPECIAL, dtype=np.uint32)
    rows: dict[str, int] = {}
    codes = [*range(_LAST_CASED), *_COMPATIBILITY_IDEOGRAPHS, *range(0xE0000, 0xE01F0)]
    for code in codes:
        char = chr(code)
        folded = fold_char(char)
        if len(folded) == 1:
            single[code] = ord(folded)
        else:
            single[code] = _FIRST_SPECIAL + rows.setdefault(folded, len(rows))
    several = np.zeros((len(rows), max(map(len, rows))), dtype=np.uint32)
    for folded, row in rows.items():
        several[row, : len(folded)] = [ord(char) for char in folded]
    return _Tables(single, np.array([len(folded) for folded in rows], dtype=np.int64), several)


@cache
def folded_letters() -> npt.NDArray[np.uint32]:
    """For each code point: its letter, folded; ``" "`` for white space; 0 for all else.

    Returns:
        Shape (0x110000,). Letters that fold to several or to none stand for themselves.
    """
    single = _tables().single
    letters = np.zeros(_FIRST_SPECIAL, dtype=np.uint32)
    for code in range(_LAST_LETTER):
        char = chr(code)
        if char.isalpha():
            letters[code] = single[code] if single[code] < _FIRST_SPECIAL else code
        elif char.isspace():
            letters[code] = ord(" ")
    return letters


@cache
def word_characters() -> npt.NDArray[np.bool_]:
    """Whether each code point is a letter or a digit, as `str.isalnum` says; shape (0x110000,)."""
    words = np.zeros(_FIRST_SPECIAL, dtype=np.bool_)
    words[:_LAST_LETTER] = [chr(code).isalnum() for code in range(_LAST_LETTER)]
    return words


def fold(text: str) -> Folded:
    r"""Folds a text; runs of white space become one space.

    Example:
        >>> fold("Orzeł \n AIR").text
        'orzel air'
    """
    tables = _tables()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    folded = tables.single[codes]
    origin: Indexes | None = None
    if folded.max(initial=0) >= _FIRST_SPECIAL:
        folded, origin = _resize(folded, tables)
    space = folded == ord(" ")
    repeated = space[1:] & space[:-1]
    if repeated.any():
        keep = np.concatenate(([True], ~repeated))
        origin = np.flatnonzero(keep) if origin is None else origin[keep]
        folded = folded[keep]
    return Folded(folded.tobytes().decode("utf-32-le"), folded, origin)


def _resize(
    folded: npt.NDArray[np.uint32], tables: _Tables
) -> tuple[npt.NDArray[np.uint32], Indexes]:
    """Puts in what folds to several characters, and leaves out what folds to none."""
    places = np.flatnonzero(folded >= _FIRST_SPECIAL)
    rows = folded[places] - _FIRST_SPECIAL
    counts = np.ones(len(folded), dtype=np.int64)
    counts[places] = tables.lengths[rows]
    origin = np.repeat(np.arange(len(folded), dtype=np.int64), counts)
    out = folded[origin]
    starts = (np.cumsum(counts) - counts)[places]
    for offset in range(int(counts[places].max(initial=0))):
        reaching = counts[places] > offset
        out[starts[reaching] + offset] = tables.several[rows[reaching], offset]
    return out, origin


def fold_term(term: str) -> str:
    """Folds a term of the watchlist.

    Raises:
        ValueError: it has control characters, or neither letter nor digit.
    """
    if any(unicodedata.category(char) == "Cc" and not char.isspace() for char in term):
        raise ValueError("has a control character")
    folded = fold(term).text.strip()
    if not any(char.isalnum() for char in folded):
        raise ValueError("has neither letter nor digit, and would match nothing or everything")
    return folded
