"""Which brands a text mentions.

One Aho-Corasick automaton over the literals of all terms of all brands passes over a whole batch
of folded texts at once; what it finds is then held against word boundaries and the rest of the
term. See `models.terms` for what the terms mean and `docs/watchlist.md` for how to write them.
A brand is not mentioned by a text in which one of its `none` terms stands anywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick, Implementation

from models.brand import Brand
from models.folding import Folded, Indexes, fold, ignored, word_characters
from models.terms import HEAD_OF_TAG, Term, plain_term, stem_term

MAX_CHUNK_CHARS = 1_000_000
"""Texts are joined up to about this many characters, to bound the memory of a batch."""

MAX_DFA_CHARS = 200_000
"""Of all literals. Up to here the automaton is a table of all its steps: half the time a text, and
130 bytes a character."""

_UNDERSCORE, _DOT, _AT = map(ord, "_.@")
_NO_PAIRS = np.empty(0, dtype=np.int64)
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
        chars = sum(map(len, uses))
        kind = Implementation.DFA if chars <= MAX_DFA_CHARS else Implementation.ContiguousNFA
        self._automaton = AhoCorasick(uses, implementation=kind)
        self._n_brands = len(brands)
        literals = list(uses)
        self._tag = _flags(literal[0] in HEAD_OF_TAG for literal in literals)
        self._word = _flags(literal[0].isalnum() for literal in literals)
        sizes = [len(at_pattern) for at_pattern in self._by_pattern]
        self._first_use = np.fromiter(accumulate(sizes, initial=0), dtype=np.int64)
        self._all_uses = [use for at_pattern in self._by_pattern for use in at_pattern]
        self._brand = np.array([use.brand for use in self._all_uses], dtype=np.int64)
        self._veto = _flags(use.veto for use in self._all_uses)
        self._open = _flags(use.term.open_end for use in self._all_uses)
        self._has_rest = _flags(use.term.rest is not None for use in self._all_uses)
        self._use_tag = _flags(use.term.tag for use in self._all_uses)
        self._handle = _flags(use.term.literal[0] == "@" for use in self._all_uses)

    @property
    def literals(self) -> Collection[str]:
        """What the automaton looks for: the folded beginnings of the terms, each once."""
        return self._uses.keys()

    def pairs(self, texts: Sequence[str]) -> tuple[Indexes, Indexes]:
        """Which text mentions which brand.

        Returns:
            Index of the text and of the brand of each mention, by text, then by brand; shape (n,)
            each.
        """
        found = [
            self._pairs_of_chunk(texts[first:last]) + first * self._n_brands
            for first, last in _chunks(texts)
        ]
        text, brand = np.divmod(np.concatenate([_NO_PAIRS, *found]), max(1, self._n_brands))
        return text, brand

    def match(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Ascending indexes of the brands that each text mentions."""
        text, brand = self.pairs(texts)
        ends = np.searchsorted(text, np.arange(len(texts) + 1)).tolist()
        brands = brand.tolist()
        return [tuple(brands[start:end]) for start, end in pairwise(ends)]

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

    def _pairs_of_chunk(self, texts: Sequence[str]) -> Indexes:
        """Ascending numbers, text x number of brands + brand, of the mentions in the texts."""
        folded = fold(_EDGE + _EDGE.join(texts) + _EDGE)
        hits = self._automaton.find_matches_as_indexes(folded.text, overlapping=True)
        if not hits:
            return _NO_PAIRS
        pattern, start, end = np.array(hits, dtype=np.int64).T
        begins = self._begin(folded, pattern, start)
        pattern, start, end = pattern[begins], start[begins], end[begins]
        use, at = self._uses_of(pattern)
        end = end[at]
        ends = self._end(folded, use, end)
        use, start = use[ends], start[at[ends]]
        starts = np.fromiter(
            accumulate((len(text) + 1 for text in texts[:-1]), initial=1), dtype=np.int64
        )
        original = start if folded.origin is None else folded.origin[start]
        text = np.searchsorted(starts, original, side="right") - 1
        pairs = text * self._n_brands + self._brand[use]
        vetoed = pairs[self._veto[use]]
        return np.setdiff1d(pairs, vetoed) if len(vetoed) else np.unique(pairs)

    def _begin(self, folded: Folded, pattern: Indexes, start: Indexes) -> npt.NDArray[np.bool_]:
        """`Term.begins` for many hits."""
        before = folded.codes[start - 1]
        in_word = word_characters()[before]
        tag = self._tag[pattern]
        return np.where(tag, ~(in_word | (before == _UNDERSCORE)), ~(in_word & self._word[pattern]))

    def _uses_of(self, pattern: Indexes) -> tuple[Indexes, Indexes]:
        """The uses of the patterns of many hits, and the hit that each belongs to."""
        first = self._first_use[pattern]
        counts = self._first_use[pattern + 1] - first
        at = np.repeat(np.arange(len(pattern)), counts)
        nth = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        return first[at] + nth, at

    def _end(self, folded: Folded, use: Indexes, end: Indexes) -> npt.NDArray[np.bool_]:
        """Whether `Term.end` finds an end, for many uses."""
        words, codes = word_characters(), folded.codes
        after = codes[end]
        on = words[after]
        next_on = words[codes[np.minimum(end + 1, len(codes) - 1)]]
        handle_on = ((after == _DOT) | (after == _AT)) & next_on & self._handle[use]
        tag_ends = ~(on | (after == _UNDERSCORE) | handle_on)
        word_ends = ~(on & words[codes[end - 1]])
        ends = self._open[use] | np.where(self._use_tag[use], tag_ends, word_ends)
        for i in np.flatnonzero(self._has_rest[use]).tolist():
            term = self._all_uses[use[i]].term
            ends[i] = term.end(folded.text, int(end[i])) is not None
        return ends

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


def _flags(values: Iterable[bool]) -> npt.NDArray[np.bool_]:
    return np.fromiter(values, dtype=np.bool_)


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
