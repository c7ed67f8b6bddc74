"""Terms of the watchlist: what they say, and the rule that a place in a folded text must meet.

A plain term stands between word boundaries (Unicode letters and digits make words). A hashtag or
handle is exact: ``@orzelair`` is neither in ``@orzelair_pl`` nor in ``@orzelair.example``. In a
stem, ``*`` stands for an ending of letters and digits; where more letters follow directly, white
space may stand between: ``orzeł*air*`` finds "Orzeł Air", "Orzełair" and "Orzełka Airlines".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.folding import fold_term

MIN_STEM_CHARS = 2
"""Letters or digits that stand before the first ``*``."""
MAX_INNER_CHARS = 12
"""Longest ending before further letters; bounds the work on hostile texts."""
MAX_INNER_STARS = 3

_LETTER = r"[^\W_]"
_HANDLE_GOES_ON = re.compile(r"[.@][^\W_]")
HEAD_OF_TAG = "#@"
_ENDING = re.compile(rf"{_LETTER}*+")
_TAG_ENDING = re.compile(r"\w*+")


@dataclass(frozen=True, slots=True)
class Term:
    """A folded term.

    Attributes:
        literal: stands in the folded text as it is.
        rest: what follows the literal and is no mere ending; None where nothing does.
        open_end: the term ends in ``*``, so any ending will do.
    """

    literal: str
    rest: re.Pattern[str] | None = None
    open_end: bool = False

    @property
    def tag(self) -> bool:
        """Whether it is a hashtag or a handle."""
        return self.literal[0] in HEAD_OF_TAG

    def begins(self, text: str, start: int) -> bool:
        """Whether a literal found at `start` (≥ 1) of a folded text begins a word or a tag."""
        before = text[start - 1]
        if self.tag:
            return not (before.isalnum() or before == "_")
        return not (before.isalnum() and self.literal[0].isalnum())

    def end(self, text: str, end: int) -> int | None:
        """Where the term ends whose literal ends at `end` (< len(text)); None: it is not there."""
        if self.rest is not None:
            found = self.rest.match(text, end)
            if found is None:
                return None
            end = found.end()
        if self.open_end:
            ending = (_TAG_ENDING if self.tag else _ENDING).match(text, end)
            return ending.end() if ending else end
        after = text[end]
        if self.tag:
            if after.isalnum() or after == "_":
                return None
            if self.literal[0] == "@" and _HANDLE_GOES_ON.match(text, end):
                return None
        elif after.isalnum() and text[end - 1].isalnum():
            return None
        return end


def plain_term(term: str) -> Term:
    """Reads a word, several words, a hashtag or a handle.

    Raises:
        ValueError: it cannot be matched; the message says why.
    """
    if "*" in term:
        raise ValueError("has a *, so it belongs under `stems`")
    return Term(fold_term(term))


def stem_term(term: str) -> Term:
    """Reads a term that may have ``*``.

    Raises:
        ValueError: it cannot be matched; the message says why.
    """
    if "*" not in term:
        return Term(fold_term(term))
    literal, *pieces = re.sub(r"\*+", "*", fold_term(term)).split("*")
    if sum(char.isalnum() for char in literal) < MIN_STEM_CHARS:
        raise ValueError(f"needs {MIN_STEM_CHARS} letters or more before its first *")
    if len(pieces) - 1 > MAX_INNER_STARS:
        raise ValueError(f"has more than {MAX_INNER_STARS + 1} *")
    letter = r"\w" if literal[0] in HEAD_OF_TAG else _LETTER
    rest = ""
    for piece in pieces[:-1] if pieces[-1] == "" else pieces:
        if re.match(letter, piece):
            rest += rf"{letter}{{0,{MAX_INNER_CHARS}}}? ?" + re.escape(piece)
        else:
            rest += rf"{letter}*+" + re.escape(piece)
    open_end = pieces[-1] == ""
    return Term(literal, re.compile(rest) if rest else None, open_end)
