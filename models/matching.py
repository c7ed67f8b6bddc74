"""Which brands a text mentions.

One Aho-Corasick automaton over the literals of all terms of all brands passes over a whole batch
of folded texts at once; what it finds is then held against word boundaries and the rest of the
term. See `models.terms` for what the terms mean and `docs/watchlist.md` for how to write them.
A brand is not mentioned by a text in which one of its `none` terms stands anywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ahocorasick_rs import AhoCorasick

from models.brand import Brand
from models.folding import Folded, fold, ignored
from models.terms import Term, plain_term, stem_term

MAX_CHUNK_CHARS = 1_000_000
"""Texts are joined up to about this many characters, to bound the memory of a batch."""

_EDGE = "\0"  # parts the texts of a chunk; no term has it


@dataclass(frozen=True, slots=True)
class _Use:
    term: Term
    brand: int
    veto: bool


_Hit = tuple[_Use, int, int]
"""Start and end in the folded text."""


class Matcher:
    """Finds the brands of a watchlist in texts; immutable, so safe to share between threads.

    Args:
        brands: their order gives the indexes that `match` and `spans` return.

    Raises:
        ValueError: a term cannot be matched (a valid watchlist has none such).
    """

    def __init__(self, brands: Sequence[Brand]) -> None:
        uses: dict[str, list[_Use]] = {}
        for index, brand in enumerate(brands):
            for term, veto in _terms_of(brand):
                uses.setdefault(term.literal, []).append(_Use(term, index, veto))
        self._uses = uses
        self._by_pattern = list(uses.values())
        self._automaton = AhoCorasick(uses)

    @property
    def literals(self) -> Collection[str]:
        """What the automaton looks for: the folded beginnings of the terms, each once."""
        return self._uses.keys()

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Ascending indexes of the brands that each text mentions."""
        result: list[tuple[int, ...]] = [()] * len(texts)
        for first, last in _chunks(texts):
            self._match_chunk(texts[first:last], first, result)
        return result

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        """Where the brands stand in a text.

        Returns:
            (brand, start, end) with start and end as indexes into `text`, by start, then end, then
            brand. Where several terms of a brand overlap, they are one span.
        """
        folded = fold(_EDGE + text + _EDGE)
        hits = list(self._hits(folded.text))
        vetoed = {use.brand for use, _, _ in hits if use.veto}
        merged: dict[int, list[tuple[int, int]]] = {}
        for use, first, last in sorted(hits, key=lambda hit: hit[1:]):
            if use.brand in vetoed:
                continue
            start, end = _unfolded(first, last, folded, text)
            spans = merged.setdefault(use.brand, [])
            if spans and start < spans[-1][1]:
                start, end = spans[-1][0], max(end, spans[-1][1])
                spans.pop()
            spans.append((start, end))
        found = [(brand, start, end) for brand, spans in merged.items() for start, end in spans]
        return sorted(found, key=lambda span: (span[1], span[2], span[0]))

    def _match_chunk(self, texts: Sequence[str], first: int, result: list[tuple[int, ...]]) -> None:
        folded = fold(_EDGE + _EDGE.join(texts) + _EDGE)
        starts = list(accumulate((len(text) + 1 for text in texts), initial=1))
        found: dict[int, set[int]] = {}
        vetoed: dict[int, set[int]] = {}
        for use, start, _ in self._hits(folded.text):
            text = bisect_right(starts, folded.original(start)) - 1
            (vetoed if use.veto else found).setdefault(text, set()).add(use.brand)
        for text, brands in found.items():
            result[first + text] = tuple(sorted(brands - vetoed.get(text, set())))

    def _hits(self, text: str) -> Iterator[_Hit]:
        """Terms in a folded text that begins and ends with an edge."""
        uses = self._by_pattern
        for pattern, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            at_pattern = uses[pattern]
            if not at_pattern[0].term.begins(text, start):
                continue  # the head depends on the literal alone
            for use in at_pattern:
                term_end = use.term.end(text, end)
                if term_end is not None:
                    yield use, start, term_end


def _terms_of(brand: Brand) -> Iterator[tuple[Term, bool]]:
    for term in brand.match.any:
        yield plain_term(term), False
    for term in brand.match.stems:
        yield stem_term(term), False
    for term in brand.match.none:
        yield stem_term(term), True


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    first = size = 0
    for index, text in enumerate(texts):
        if size and size + len(text) > MAX_CHUNK_CHARS:
            yield first, index
            first, size = index, 0
        size += len(text) + 1
    if first < len(texts):
        yield first, len(texts)


def _unfolded(first: int, last: int, folded: Folded, text: str) -> tuple[int, int]:
    """Start and end in the original text, with the diacritics that follow the last letter."""
    start = folded.original(first) - 1  # less the edge in front
    end = folded.original(last - 1)
    while end < len(text) and ignored(text[end]):
        end += 1
    return start, end
