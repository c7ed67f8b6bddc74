"""Causes of a crisis, and a guess at them from what people write, with its reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from models.rising import Background, forms_of, stem


class Cause(StrEnum):
    """What a crisis is about."""

    MISFIRE = "misfire"  # an unfortunate post or campaign of the brand itself
    MODERATION = "moderation"  # comments unanswered, deleted or badly answered
    OUTAGE = "outage"  # something technical does not work
    DATA_BREACH = "data-breach"
    PRODUCT = "product"  # what was bought is bad, unsafe or overpriced
    SERVICE = "service"  # how customers are treated: delays, refunds, waiting
    PEOPLE = "people"  # staff or leaders
    MISINFORMATION = "misinformation"
    EXTERNAL = "external"  # weather, strikes, authorities, others' failures
    UNKNOWN = "unknown"


LEAST_POSTS = 5
"""Fewer posts with a sign of any cause say nothing."""
LEAST_SHARE = 0.08
"""Of the story's posts must hold a sign of the cause that is named."""
LEAST_LEAD = 1.3
"""So many times the signs of the next cause, else it is unknown."""
PRIOR_POSTS = 4.0
MAX_REASONS = 4
ANGRY_TONE_MILLI = -200
"""P(positive) - P(negative), x 1000, below which a sampled post counts as negative."""

_SIGNS: dict[Cause, str] = {
    Cause.MISFIRE: """reklam kampani spot hashtag promocj zart baner slogan advert campaign
        commercial tweet deleted tonedeaf tasteless seksist rasist sexist racist offens""",
    Cause.MODERATION: """komentarz komentarze blokuj zablokow usunel usuwa cenzur moderator
        comment censor blocked delete ignor odpisuj replies""",
    Cause.OUTAGE: """awari serwer aplikacj logowan zalogow strona platnosc blik terminal zasieg
        outage down server website app login crash error offline glitch booking checkout""",
    Cause.DATA_BREACH: """wyciek wyciekl haker dane osobow hasla pesel rodo breach leak hacked
        hacker password personal gdpr phishing stolen""",
    Cause.PRODUCT: """smak zepsut jakosc ples robak zatruc wadliw produkt fotel seat food
        broken quality refresh defect taste mould recall wifi entertainment game gameplay bug
        graphics price cena drogi""",
    Cause.SERVICE: """obslug infolini kolejk czeka opozni odwol bagaz walizk reklamacj zwrot
        odszkodow service hold wait delay cancel luggage bag baggage refund rebook queue call
        phone hour late line""",
    Cause.PEOPLE: """prezes pracown kierowc steward kasjer ochroniarz ceo staff employee
        attendant crew driver manager rude unprofessional chamsk chamstwo mobbing strajk""",
    Cause.MISINFORMATION: """fake nieprawd klamstw plotk dezinform bzdur hoax rumour rumor
        debunk untrue misinform""",
    Cause.EXTERNAL: """pogod burz mgla snieg powodz strajk rzad sejm ustaw weather storm snow
        fog strike government sanction flood airport lotnisk""",
}
"""Stems that speak for a cause, written by us; a word counts if its stem is, or begins with, one
of at least five letters."""


@dataclass(frozen=True, slots=True)
class CauseGuess:
    """What a story seems to be about.

    Attributes:
        cause: `unknown` where the signs are few or disagree.
        share: of the story's posts with a sign of it, in [0, 1].
        reasons: the words that spoke for it, as people wrote them, most common first; a
            word of a single post is not told.
    """

    cause: Cause
    share: float
    reasons: tuple[str, ...]


def signs_in(text: str) -> dict[Cause, str]:
    """The causes that a text has signs of, each with the first word that says so."""
    found: dict[Cause, str] = {}
    for root, form in forms_of(text).items():
        if " " in root:
            continue
        for cause in _causes_of(root):
            found.setdefault(cause, form)
    return found


def guess_cause(texts: Sequence[str], usual: Background | None = None) -> CauseGuess:
    """The cause that most posts have signs of, beyond what the brand's usual posts have.

    Args:
        texts: of negative posts of the story.
        usual: of the brand, so that a bank is not always in an outage for being spoken of with
            "app"; none leaves the counts as they are.
    """
    counts: Counter[Cause] = Counter()
    words: dict[Cause, Counter[str]] = {}
    for text in texts:
        for cause, form in signs_in(text).items():
            counts[cause] += 1
            words.setdefault(cause, Counter())[form] += 1
    if not counts or sum(counts.values()) < LEAST_POSTS:
        return CauseGuess(Cause.UNKNOWN, 0.0, ())
    n = len(texts)
    excess = {cause: count - n * _usual_share(cause, usual) for cause, count in counts.items()}
    order = sorted(excess, key=lambda cause: (-excess[cause], cause.value))
    best = order[0]
    second = max(0.0, excess[order[1]]) if len(order) > 1 else 0.0
    sure = counts[best] >= LEAST_SHARE * n and excess[best] >= LEAST_LEAD * (second + 0.5)
    reasons = sorted(words[best].items(), key=lambda item: (-item[1], item[0]))
    return CauseGuess(
        cause=best if sure else Cause.UNKNOWN,
        share=counts[best] / n if sure else 0.0,
        reasons=tuple(word for word, n in reasons[:MAX_REASONS] if n > 1) if sure else (),
    )


def _usual_share(cause: Cause, usual: Background | None) -> float:
    """Share of usual posts that hold the commonest sign of a cause; with any sign it is more."""
    if usual is None:
        return 0.0
    held = (n for term, n in usual.counts.items() if " " not in term and cause in _causes_of(term))
    return max(held, default=0.0) / (usual.posts + PRIOR_POSTS)


@cache
def _stems() -> dict[str, list[Cause]]:
    stems: dict[str, list[Cause]] = {}
    for cause, words in _SIGNS.items():
        for word in words.split():
            stems.setdefault(stem(word), []).append(cause)
    return stems


def _causes_of(root: str) -> list[Cause]:
    stems = _stems()
    if root in stems:
        return stems[root]
    beginnings = (root[:end] for end in range(len(root) - 1, 4, -1))
    return next((stems[begin] for begin in beginnings if begin in stems), [])
