"""Terms that rose: words and pairs of words that a story uses more than the brand's usual posts.

Log-odds with an informative Dirichlet prior (Monroe, Colaresi, Quinn: "Fightin' Words", 2008), over
posts that hold a term rather than over its occurrences. Forms of a word are folded by cutting
endings; what is shown is the form that the story uses most.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

import msgspec

from models.folding import fold
from models.sample import SampleRow

LEAST_POSTS = 3
"""A term is shown only if so many posts, by so many authors, hold it: nobody stands out alone."""
LEAST_Z = 1.96
PRIOR_POSTS = 30.0
RARE = 0.01
"""Share of posts that a term never met before is taken to be in."""
MAX_TERMS = 600
"""Terms kept of a background; the rarer ones are dropped."""
MEMORY_POSTS = 2_000.0
"""Older posts fade, so that the background is that of so many posts at most."""
PAIR_SHARE = 0.7
LEAST_STEM_CHARS = 4
LEARNT_PER_MINUTE = 2
"""Posts of a usual minute that are learnt; more would cost time and teach little."""

_NO_WORDS = re.compile(r"https?://\S+|[@#]\w+|&\w+;")
_WORD = re.compile(r"[^\W\d_]{3,24}")
_POLISH_AND_ENGLISH_ENDINGS = """
    owego owych owymi iego emu ami ach ego owi ich ych imi ymi iej ej om ow em ie ia iu a e i o
    u y anie ania ano any ana ane anych ala alo ali aly al ac aja ony ona one eni il ila ilo ili
    ic led ling ing ed es s
"""
_ENDINGS = tuple(sorted(_POLISH_AND_ENGLISH_ENDINGS.split(), key=len, reverse=True))
_FUNCTION_WORDS = """
    nie tak jest sie juz czy jak ale dla tym tego ten jego jej ich byl byla bylo byc moze sobie
    tylko przez przed przy nad pod oraz albo bez wiec kto gdzie kiedy jeszcze bardzo mnie nas
    was wam nam moj moja moje twoj wasz wasze nasz cos ktos ktory ktora ktore ktorzy taki taka
    takie tez tutaj tam teraz dzis dzisiaj wszystko zeby ktorych ode jako niz mam masz macie
    maja the and you for that this with are were have has had but not from they she him her his
    its our your can will just what when who why how all any out about been there their than
    then them too very get got did does don isn would could should because after before again
    also into more most now one some such these those via per amp
"""
_STOPWORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class RisingTerm:
    """A term of a story.

    Attributes:
        term: as the story writes it most often.
        z: standard deviations above the background.
        posts: of the sample that hold it.
        share: of the sample's posts, in [0, 1].
        usual_share: of the background's posts, in [0, 1].
    """

    term: str
    z: float
    posts: int
    share: float
    usual_share: float


class Background(msgspec.Struct, array_like=True):
    """In how many usual posts of a brand each term stands; fades and is bounded."""

    posts: float = 0.0
    counts: dict[str, float] = msgspec.field(default_factory=dict)

    def learn(self, rows: Iterable[SampleRow]) -> None:
        """Takes usual posts in."""
        for row in rows:
            self.posts += 1
            for term in stems_of(row.text):
                self.counts[term] = self.counts.get(term, 0.0) + 1.0
        if self.posts > MEMORY_POSTS:
            fade = MEMORY_POSTS / 2 / self.posts
            self.posts *= fade
            self.counts = {term: count * fade for term, count in self.counts.items()}
        if len(self.counts) > 2 * MAX_TERMS:
            kept = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_TERMS]
            self.counts = dict(kept)


def stem(word: str) -> str:
    """A folded word without its ending.

    Example:
        >>> [stem(w) for w in ("odwolal", "odwolany", "lotow", "flights", "cancelled", "bon")]
        ['odwol', 'odwol', 'loto', 'flight', 'cancel', 'bon']
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= LEAST_STEM_CHARS:
            return word[: -len(ending)]
    return word


def forms_of(text: str) -> dict[str, str]:
    """Terms of a text, by stem: single words and neighbouring pairs, as they are written."""
    lowered = _NO_WORDS.sub(" | ", text).lower()
    found: dict[str, str] = {}
    before: tuple[str, str] | None = None
    end = -1
    for match in _WORD.finditer(lowered):
        root = _root(match[0])
        if root is None:
            before = None
            continue
        found.setdefault(root, match[0])
        if before is not None and lowered[end : match.start()].isspace():
            found.setdefault(f"{before[0]} {root}", f"{before[1]} {match[0]}")
        before, end = (root, match[0]), match.end()
    return found


@lru_cache(maxsize=50_000)
def _root(word: str) -> str | None:
    """Stem of a lower-case word; None for a function word."""
    folded = fold(word).text
    return None if folded in _STOPWORDS else stem(folded)


def stems_of(text: str) -> set[str]:
    """The terms of a text, forms folded."""
    return set(forms_of(text))


def rising_terms(
    story: Sequence[SampleRow], background: Background, most: int = 8
) -> list[RisingTerm]:
    """The terms that rose, the surest first.

    Args:
        story: a sample of its posts.
        background: of the brand, without the story.
        most: how many.
    """
    counts: Counter[str] = Counter()
    authors: dict[str, set[str]] = {}
    forms: dict[str, Counter[str]] = {}
    for row in story:
        for term, form in forms_of(row.text).items():
            counts[term] += 1
            authors.setdefault(term, set()).add(row.author or row.post)
            forms.setdefault(term, Counter())[form] += 1
    scored = [
        (log_odds_z(count, len(story), background.counts.get(term, 0.0), background.posts), term)
        for term, count in counts.items()
        if count >= LEAST_POSTS and len(authors[term]) >= LEAST_POSTS
    ]
    scored = sorted((z, term) for z, term in scored if z >= LEAST_Z)[::-1]
    chosen = _without_repeats([term for _, term in scored], counts)
    z_of = {term: z for z, term in scored}
    return [
        RisingTerm(
            term=min(forms[term].items(), key=lambda item: (-item[1], item[0]))[0],
            z=z_of[term],
            posts=counts[term],
            share=counts[term] / len(story),
            usual_share=background.counts.get(term, 0.0) / max(1.0, background.posts),
        )
        for term in chosen[:most]
    ]


def log_odds_z(count: float, posts: float, usual: float, usual_posts: float) -> float:
    """How many standard deviations a term's log-odds lie above the background's.

    The prior holds `PRIOR_POSTS` posts with the background's share of the term (`RARE` at least).
    """
    share = max(RARE, usual / usual_posts if usual_posts else RARE)
    prior = PRIOR_POSTS * share
    here, there = count + prior, usual + prior
    rest_here = max(posts + PRIOR_POSTS - here, 0.5)
    rest_there = max(usual_posts + PRIOR_POSTS - there, 0.5)
    return (log(here / rest_here) - log(there / rest_there)) / sqrt(1 / here + 1 / there)


def _without_repeats(terms: Sequence[str], counts: Counter[str]) -> list[str]:
    """A word goes where a pair with it is as common, and a pair where it is not."""
    pairs = [term for term in terms if " " in term]
    kept_pairs = {p for p in pairs if all(counts[p] >= PAIR_SHARE * counts[w] for w in p.split())}
    covered = {word for pair in kept_pairs for word in pair.split()}
    return [t for t in terms if t in kept_pairs or (" " not in t and t not in covered)]
