"""Texts made from others, so that what the teacher knows reaches words that no label covers.

Four kinds: words by themselves; a few words out of a text; English posts put into other languages
word by word, each word replaced by one of its nearest in the teacher's multilingual space; and
texts with an emoticon added, whose effect is carried over from the posts where it occurs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.sentiment.corpus import Text

WORD = re.compile(r"[^\W\d_]{3,}")
"""What counts as a word here."""

COPIES = {"pl": 30_000, "de": 15_000, "fr": 15_000, "es": 15_000, "it": 15_000, "pt": 15_000}
COPIES |= {"ar": 10_000}
"""How many English posts are put into each language."""

STRETCHES = 2
"""How many stretches are cut out of each labelled post."""

_STRETCH_WORDS = (2, 12)

SMILES: tuple[str, ...] = (
    ":)",
    ":-)",
    ";)",
    ":D",
    ":]",
    "=)",
    ":-D",
    ";-)",
    "xD",
    "^^",
    ":*",
    "<3",
)
SMILES += ("😊", "😍", "😁", "😄", "😃", "👍", "❤", "😘", "🙂", "👏", "🎉", "🥰")
FROWNS: tuple[str, ...] = (
    ":(",
    ":-(",
    ":/",
    ":-/",
    ";(",
    ":'(",
    "=(",
    ":[",
    "😡",
    "😠",
    "😢",
    "😭",
)
FROWNS += ("👎", "😞", "😤", "🤬", "🤮", "💩", "😒", "🙄")
"""Emoticons taken to say the same within a group."""

_NEIGHBOURS = 3
_LIKENESS = 0.35
_SHARPNESS = 8.0
_KEPT = 0.1
_SMOOTHING = 5.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words whose embeddings are wanted.

    Attributes:
        words: all of them, sorted.
        spoken: the words of each language, those more frequent there than in any other.
        sources: frequent English words, to be replaced by others.
    """

    words: list[str]
    spoken: dict[str, list[str]]
    sources: list[str]


def collect_vocabulary(
    texts: Sequence[Text], lexicon: Sequence[tuple[str, str, int]], pieces: Sequence[str]
) -> Vocabulary:
    """Gathers words from texts, a lexicon and the encoder's pieces.

    Args:
        texts: in all languages.
        lexicon: (language, word, valence).
        pieces: word pieces, "▁" before those that begin a word.

    Returns:
        The vocabulary.
    """
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        found = set(WORD.findall(text.body.lower()))
        counts.setdefault(text.language, Counter()).update(found)
    for language, word, _ in lexicon:
        counts.setdefault(language, Counter())[word] += 1
    total: Counter[str] = Counter()
    for counter in counts.values():
        total.update(counter)
    words = {word for word, count in total.items() if count >= 2}
    words |= {word for _, word, _ in lexicon}
    # Pieces of the scripts that are spoken here: Latin to Arabic.
    words |= {p[1:] for p in pieces if p[:1] == "▁" and p[1:].isalpha() and "\u0700" > p[1:] > "A"}
    share = {language: sum(counter.values()) for language, counter in counts.items()}
    best: dict[str, float] = {}
    for language, counter in counts.items():
        for word, count in counter.items():
            best[word] = max(best.get(word, 0.0), count / share[language])
    spoken = {
        language: sorted(
            word
            for word, count in counter.items()
            if word in words and " " not in word and count / share[language] >= best[word]
        )
        for language, counter in sorted(counts.items())
    }
    sources = [word for word in spoken.get("en", []) if counts["en"][word] >= 3]
    return Vocabulary(sorted(words), spoken, sources)


def cut_stretches(
    texts: Sequence[Text], random: np.random.Generator
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Cuts stretches of words out of posts, at any place.

    What a teacher says of them tells which of a post's words its label came from. Reviews are left
    whole: the teacher knows less of them than their labels.

    Args:
        texts: posts and reviews.
        random: chooses places and lengths.

    Returns:
        The stretches, and the text that each was cut from, shape (n,).
    """
    made: list[str] = []
    origins: list[int] = []
    shortest, longest = _STRETCH_WORDS
    for i, text in enumerate(texts):
        words = text.body.split()
        if text.is_review or len(words) <= shortest:
            continue
        for _ in range(STRETCHES):
            length = int(random.integers(shortest, min(longest, len(words) - 1) + 1))
            start = int(random.integers(len(words) - length + 1))
            made.append(" ".join(words[start : start + length]))
            origins.append(i)
    return made, np.array(origins, dtype=np.int64)


def find_neighbours(
    vocabulary: Vocabulary, embeddings: Floats, language: str
) -> dict[str, list[tuple[str, float]]]:
    """Words of a language that are nearest to each English source word.

    Args:
        vocabulary: the words.
        embeddings: of `vocabulary.words`, shape (n, dimensions).
        language: the other language.

    Returns:
        For each source word its neighbours with their cosine.
    """
    row = {word: i for i, word in enumerate(vocabulary.words)}
    centred = embeddings - embeddings.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    targets = vocabulary.spoken.get(language, [])
    if len(targets) < _NEIGHBOURS:
        return {}
    there = centred[[row[word] for word in targets]]
    here = centred[[row[word] for word in vocabulary.sources]]
    neighbours: dict[str, list[tuple[str, float]]] = {}
    for start in range(0, len(here), 2048):
        cosines = here[start : start + 2048] @ there.T
        nearest = np.argpartition(-cosines, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
        for i, columns in enumerate(nearest):
            neighbours[vocabulary.sources[start + i]] = [
                (targets[column], float(cosines[i, column])) for column in sorted(columns)
            ]
    return neighbours


def replace_words(
    body: str, neighbours: dict[str, list[tuple[str, float]]], random: np.random.Generator
) -> str:
    """Puts a text into another language word by word; words without a near one stay."""

    def choose(match: re.Match[str]) -> str:
        options = neighbours.get(match[0].lower())
        if not options or random.random() < _KEPT:
            return match[0]
        likeness = np.array([cosine for _, cosine in options])
        chances = np.exp(_SHARPNESS * likeness)
        k = int(random.choice(len(options), p=chances / chances.sum()))
        return options[k][0] if likeness[k] > _LIKENESS else match[0]

    return WORD.sub(choose, body)


def emoticon_effects(texts: Sequence[Text]) -> list[tuple[tuple[str, ...], Floats]]:
    """How each group of emoticons shifts the class probabilities in labelled posts.

    Args:
        texts: labelled posts.

    Returns:
        Each group with P(group | class) / P(group), shape (3,).
    """
    labels = np.array([text.label for text in texts])
    prior = np.bincount(labels, minlength=3) / len(labels)
    effects = []
    for group in (SMILES, FROWNS):
        pattern = re.compile("|".join(re.escape(sign) + r"(?!/)" for sign in group))
        inside = np.array([bool(pattern.search(text.body)) for text in texts])
        counts = np.bincount(labels[inside], minlength=3) + _SMOOTHING * prior
        ratio = counts / counts.sum() / prior
        effects.append((group, ratio.astype(np.float32)))
    return effects


def add_emoticons(
    bodies: Sequence[str],
    targets: Floats,
    effects: Sequence[tuple[tuple[str, ...], Floats]],
    random: np.random.Generator,
) -> tuple[list[str], Floats]:
    """Adds an emoticon to the end of each text and moves its target by the emoticon's effect.

    Args:
        bodies: the texts.
        targets: their class probabilities, shape (n, 3).
        effects: what `emoticon_effects` found.
        random: chooses group and sign.

    Returns:
        The new texts and targets.
    """
    made = []
    moved = targets.copy()
    for i, body in enumerate(bodies):
        group, ratio = effects[int(random.integers(len(effects)))]
        made.append(f"{body} {group[int(random.integers(len(group)))]}")
        moved[i] *= ratio
    return made, moved / moved.sum(axis=1, keepdims=True)
