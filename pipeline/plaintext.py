"""Strangers' text, made safe to put beside ours."""

from __future__ import annotations

import re
import unicodedata

_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[{_MARKS}\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Without control characters and direction overrides: they could rewrite what stands around.

    Line breaks and tabs stay.

    Example:
        >>> printable("a\x1b[31mb\u202ec\nd")
        'a[31mbc\nd'
    """
    return _UNSAFE.sub("", text)


def one_line(text: str, most_chars: int) -> str:
    r"""`printable`, on one line, cut with an ellipsis; a cut never parts a letter from its accents.

    Example:
        >>> one_line("two\n  lines of text", 10)
        'two lines…'
    """
    line = " ".join(printable(text).split())
    if len(line) <= most_chars:
        return line
    end = most_chars - 1
    while end > 0 and unicodedata.combining(line[end]):
        end -= 1
    return line[:end].rstrip() + "…"
