"""Who writes, and how: authors, languages, and the wording of a post."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from random import Random
from typing import Literal

import yaml

from connectors.simulator.brands import BRANDS, Brand
from connectors.simulator.grammar import Grammar

Language = Literal["pl", "en"]
AUTHORS = 12_000

_PLATFORMS = ("x", "facebook", "instagram", "wykop", "bluesky", "mastodon")
_PLATFORM_STEPS = (0.36, 0.56, 0.70, 0.83, 0.94)
_SENTENCE = re.compile(r"[.!?] \w")
_PLAIN = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")
_FIRST = (
    *("kasia", "tomek", "ania", "bartek", "ola", "piotrek", "magda", "kuba", "zosia", "marek"),
    *("ewa", "pawel", "basia", "adam", "iza", "rafal", "gosia", "michal", "hania", "jacek"),
    *("monika", "darek", "asia", "wojtek", "beata", "lukasz", "sam", "alex", "jo", "lena"),
)
_SECOND = (
    *("zielona", "gra", "biega", "gotuje", "z_gor", "znad_morza", "czyta", "lata", "pisze"),
    *("jedzie", "nie_spi", "po_pracy", "w_drodze", "kot", "pies", "rower", "herbata", "noca"),
)


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who writes: pseudonym, handle, followers, and the one platform they are on."""

    pseudonym: str
    handle: str
    reach: int
    platform: str


def invent_authors(seed: int, number: int = AUTHORS) -> list[Author]:
    """Authors whose reach is heavy-tailed (Pareto, exponent 1.1, at most two million)."""
    rng = Random(f"authors {seed}")
    authors = []
    for n in range(number):
        reach = min(2_000_000, int(40.0 * (1.0 - rng.random()) ** (-1 / 1.1)))
        handle = f"{_pick(rng, _FIRST)}_{_pick(rng, _SECOND)}{n % 97}"
        pseudonym = blake2b(f"{seed} {n}".encode(), digest_size=8).hexdigest()
        authors.append(
            Author(pseudonym, handle, reach, _PLATFORMS[bisect(_PLATFORM_STEPS, rng.random())])
        )
    return authors


@cache
def _phrases(language: Language) -> dict[str, dict[str, list[str]]]:
    source = files("connectors.simulator").joinpath(f"phrases_{language}.yaml")
    loaded: dict[str, dict[str, list[str]]] = yaml.safe_load(source.read_text("utf-8"))
    return loaded


@dataclass(frozen=True, slots=True)
class _Book:
    """What is said about one brand in one language, and about its crisis or giveaway."""

    usual: Grammar
    crisis: Grammar | None


class Voices:
    """Words for posts; every method draws from the generator it is given and from nothing else."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], _Book] = {}
        self._other: dict[str, Grammar] = {}
        self._tails = _phrases("pl")["tails"]
        for language in ("pl", "en"):
            phrases = _phrases(language)
            for brand in BRANDS:
                shared = {**phrases["common"], **brand.rules(language)}
                usual = Grammar({**shared, **phrases[brand.sector]})
                crisis = (
                    Grammar({**shared, **phrases["crisis"]}) if brand.sector == "airline" else None
                )
                self._books[language, brand.id] = _Book(usual, crisis)
            plain = {
                name: options
                for name, options in phrases["common"].items()
                if name.startswith("city")
            }
            self._other[language] = Grammar({**plain, **phrases["noise"], **phrases["ambiguous"]})

    def about(self, brand: Brand, rule: str, language: Language, rng: Random) -> str:
        """A post about a brand.

        Args:
            brand: the brand.
            rule: ``neg``, ``neu`` or ``pos``; of a shop also ``giveaway`` and ``giveaway_neg``,
                of an airline also ``crisis`` and ``news``.
            language: to write in.
            rng: to draw from.
        """
        book = self._books[language, brand.id]
        if rule in ("crisis", "news"):
            if book.crisis is None:
                raise ValueError(f"no crisis is written for {brand.id}")
            text = book.crisis.say(rule, rng)
        else:
            text = book.usual.say(rule, rng)
        mood = {"crisis": "neg", "giveaway": "pos", "giveaway_neg": "neg", "news": "neu"}.get(
            rule, rule
        )
        if rng.random() < 0.12:
            text = f"{text} #{brand.handle}"
        return self._as_people_type(text, mood, language, rng)

    def about_nothing(self, language: Language, rng: Random) -> str:
        """A post about no brand at all."""
        return self._as_people_type(self._other[language].say("noise", rng), "neu", language, rng)

    def about_a_namesake(self, language: Language, rng: Random) -> str:
        """A post with a word that is also in the name of a brand, which is not meant."""
        return self._as_people_type(
            self._other[language].say("ambiguous", rng), "neu", language, rng
        )

    def _as_people_type(self, text: str, mood: str, language: Language, rng: Random) -> str:
        text = _SENTENCE.sub(lambda start: start[0].upper(), text[0].upper() + text[1:])
        style = rng.random()
        if style < 0.08:
            text = text.lower()
        elif style < 0.10 and mood == "neg":
            text = text.upper()
        elif style < 0.14:
            text = text.rstrip(".")
        if language == "pl" and rng.random() < 0.15:
            text = text.translate(_PLAIN)
        if rng.random() < 0.28:
            text = f"{text} {_pick(rng, self._tails[mood])}"
        return text


def _pick(rng: Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]
