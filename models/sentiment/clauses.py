"""Which part of a post speaks of which brand, when it names several.

A post is cut between neighbouring mentions of different brands, at the strongest boundary there:
the end of a sentence, a word that turns the thought ("but", "ale"), another conjunction or a comma.
Where there is none, or only a list ("A, B and C"), the brands share the piece. A post that names
one brand is never cut, so for it nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TURNS = (
    "but while whereas although though however unlike instead yet "
    "ale lecz natomiast jednak zaś podczas chociaż choć zamiast "
    "aber sondern während jedoch dagegen mais tandis contrairement pourtant "
    "pero mientras aunque ma mentre invece però mas enquanto porém embora"
)
_LINKS = (
    "and so because then since or a i więc bo oraz i że und weil also denn et donc car y porque "
    "e perché quindi então"
)


def _words(words: str) -> str:
    return "|".join(sorted(map(re.escape, set(words.split())), key=len, reverse=True))


_BOUNDARY = re.compile(
    r"(?P<sentence>[.!?…]+(?=\s|$)|\n+|[;|](?=\s|$))"
    rf"|(?P<turn>[,\s]\s*(?:{_words(_TURNS)})\b)"
    r"|(?P<dash>\s[-–—]+\s)"
    r"|(?P<comma>,(?=\s))"
    rf"|(?P<link>\s(?:{_words(_LINKS)})(?=\s))",
    re.IGNORECASE,
)
_STRENGTH = {"sentence": 5, "turn": 4, "dash": 3, "comma": 2, "link": 1}
_LIST = re.compile(
    r"(?:[\s,/&+@#\"'()]|\b(?:and|or|vs|i|oraz|lub|albo|czy|und|oder|et|ou|y|o|u|e|ed)\b)*\.?",
    re.IGNORECASE,
)


def split_by_brand(text: str, mentions: Sequence[tuple[int, int, int]]) -> dict[int, str]:
    """The piece of a post to be scored for each brand it names.

    Args:
        text: the post.
        mentions: (brand, first character, character after) of each mention, in any order;
            overlapping ones share a piece.

    Returns:
        A piece for each brand: the whole text if there is but one brand, or nowhere to cut.
    """
    brands = {brand for brand, _, _ in mentions}
    if len(brands) < 2:
        return dict.fromkeys(brands, text)
    ordered = sorted(mentions, key=lambda mention: (mention[1], mention[2], mention[0]))
    pieces: list[tuple[int, set[int]]] = [(0, {ordered[0][0]})]
    reach = ordered[0][2]
    for brand, start, end in ordered[1:]:
        here = pieces[-1][1]
        cut = None if here == {brand} else _cut(text, reach, start)
        if cut is None:
            here.add(brand)
        else:
            pieces.append((cut, {brand}))
        reach = max(reach, end)
    ends = [start for start, _ in pieces[1:]] + [len(text)]
    found: dict[int, list[str]] = {}
    for (start, named), end in zip(pieces, ends, strict=True):
        for brand in named:
            found.setdefault(brand, []).append(text[start:end].strip())
    return {brand: " ".join(found[brand]) for brand in sorted(found)}


def _cut(text: str, start: int, stop: int) -> int | None:
    """Where to cut between two mentions: at the strongest boundary, the first of equals."""
    if start >= stop or _LIST.fullmatch(text, start, stop):
        return None
    best: tuple[int, int] | None = None
    for match in _BOUNDARY.finditer(text, start, stop):
        kind = str(match.lastgroup)
        strength = _STRENGTH[kind]
        if best is None or strength > best[0]:
            # Signs close what they follow, words open what comes after them.
            best = (strength, match.end() if kind in ("sentence", "comma") else match.start())
    return None if best is None else best[1]
