"""What the shipped model is fitted to: labelled texts, and made or unlabelled ones with a teacher.

A labelled text's target is part label, part a teacher that has not seen the label (cross-fitting,
so that the teacher does not just repeat it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress

from models.sentiment.augmentation import (
    COPIES,
    Vocabulary,
    add_emoticons,
    collect_vocabulary,
    emoticon_effects,
    find_neighbours,
    replace_words,
)
from models.sentiment.corpus import Text, read_afinn, read_stocknet, training_texts
from models.sentiment.kernel import CLASSES
from models.sentiment.scorer import pack
from models.sentiment.teacher import (
    SENTENCE,
    BagTeacher,
    EmbeddingTeacher,
    Encoder,
    Floats,
    blend,
)
from models.sentiment.training import Examples, Settings

SMOOTHING = 0.05
"""Share of each label that is spread over the three classes when a teacher learns it."""

BALANCE = 0.5
"""How far class weights go from none (0) to equal mass of the classes within a set (1)."""

FOLDS = 4
TRUST = 0.3
"""Share of the label in the target of a labelled text; the rest is the teacher's."""

UNLABELLED = 40_000
EMOTICONS = 30_000

UNLABELLED_WEIGHT = 0.5
WORD_WEIGHT = 0.1
COPY_WEIGHT = 0.3
EMOTICON_WEIGHT = 0.3

BAG_SETTINGS = Settings(passes=4, rate=0.02, dropout=0.5)
"""Of a teacher's bags, which see labels alone and overfit sooner than the shipped model."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Texts and what the encoder makes of them.

    Attributes:
        texts: the labelled texts.
        labels: their classes, shape (len(texts),).
        weights: their weights, shape (len(texts),).
        embeddings: of the labelled texts.
        unlabelled: posts without a label.
        unlabelled_embeddings: of these.
        words: words by themselves.
        word_embeddings: of these.
        valences: targets that a lexicon gives to some words, by their place among `words`.
        copies: English posts put into other languages.
        copy_embeddings: of these.
        origins: the labelled text that each copy was made from, shape (len(copies),).
    """

    texts: list[Text]
    labels: npt.NDArray[np.int64]
    weights: Floats
    embeddings: Floats
    unlabelled: list[str]
    unlabelled_embeddings: Floats
    words: list[str]
    word_embeddings: Floats
    valences: dict[int, Floats]
    copies: list[str]
    copy_embeddings: Floats
    origins: npt.NDArray[np.int64]

    @property
    def bodies(self) -> list[str]:
        """The labelled texts themselves."""
        return [text.body for text in self.texts]


def collect(
    folder: Path, without: list[str], seed: int, encoder: Encoder, progress: Progress
) -> Sources:
    """Reads the data folder, makes texts from texts, and embeds all.

    Args:
        folder: the data folder.
        without: sets to leave out.
        seed: of the choice of copies.
        encoder: embeds texts.
        progress: shows how far it is.

    Returns:
        Everything the teachers need.

    Raises:
        CorpusError: a file of the data folder is absent or malformed.
    """
    random = np.random.default_rng(seed)
    texts = training_texts(folder, without)
    labels = np.array([-1 if text.label is None else text.label for text in texts], dtype=np.int64)
    unlabelled = [text.body for text in read_stocknet(folder)[:UNLABELLED]]
    lexicon = read_afinn(folder)
    vocabulary = collect_vocabulary(texts, lexicon, encoder.pieces)
    total = len(texts) + len(unlabelled) + len(vocabulary.words) + sum(COPIES.values())
    task = progress.add_task("embed", total=total)

    def embed(some: list[str]) -> Floats:
        return encoder.embed(some, lambda count: progress.advance(task, count))

    word_embeddings = embed(vocabulary.words)
    copies: list[list[str]] = []
    origins: list[npt.NDArray[np.int64]] = []
    for language, count in COPIES.items():
        made, chosen = _say_otherwise(texts, vocabulary, word_embeddings, language, count, random)
        copies.append(made)
        origins.append(chosen)
    said = [copy for some in copies for copy in some]
    return Sources(
        texts=texts,
        labels=labels,
        weights=class_weights(texts, labels, BALANCE),
        embeddings=embed([text.body for text in texts]),
        unlabelled=unlabelled,
        unlabelled_embeddings=embed(unlabelled),
        words=vocabulary.words,
        word_embeddings=word_embeddings,
        valences=_valences(vocabulary, lexicon),
        copies=said,
        copy_embeddings=embed(said),
        origins=np.concatenate(origins),
    )


def teach(
    sources: Sources, known: npt.NDArray[np.int64], seed: int, advance: Callable[[], None]
) -> Examples:
    """Trains teachers on some of the labelled texts and lets them label the rest.

    Nothing of a labelled text outside `known` reaches the result, so a model fitted to it can be
    judged and calibrated on those.

    Args:
        sources: texts and embeddings.
        known: the labelled texts to use, shape (m,).
        seed: of everything random.
        advance: called FOLDS + 1 times, after each round of teachers.

    Returns:
        What to fit: the m labelled texts, unlabelled ones, words, copies, and texts with emoticons.
    """
    random = np.random.default_rng(seed)
    texts = [sources.texts[i] for i in known]
    bodies = [text.body for text in texts]
    labels, weights = sources.labels[known], sources.weights[known]
    embeddings = sources.embeddings[known]
    hard = np.eye(3, dtype=np.float32)[labels]
    smooth = hard * np.float32(1 - SMOOTHING) + np.float32(SMOOTHING / 3)
    data, offsets = pack(bodies)
    labelled = Examples(data, offsets, smooth, weights)

    folds = random.integers(0, FOLDS, len(texts))
    unseen = np.empty_like(hard)
    for fold in range(FOLDS):
        taught, asked = np.flatnonzero(folds != fold), folds == fold
        sage = EmbeddingTeacher().fit(embeddings[taught], labels[taught], weights[taught])
        bags = BagTeacher().fit(labelled, taught, BAG_SETTINGS)
        unseen[asked] = blend(sage.predict(embeddings[asked]), bags.predict(labelled)[asked])
        advance()
    sage = EmbeddingTeacher().fit(embeddings, labels, weights)
    bags = BagTeacher().fit(labelled, np.arange(len(texts)), BAG_SETTINGS)
    advance()

    place = np.full(len(sources.texts), -1, dtype=np.int64)
    place[known] = np.arange(len(known))
    usable = np.flatnonzero(place[sources.origins] >= 0)
    copies = [sources.copies[i] for i in usable]
    translated = sage.predict(sources.copy_embeddings[usable])
    translated = (translated + unseen[place[sources.origins[usable]]]) / np.float32(2)
    stock = blend(
        sage.predict(sources.unlabelled_embeddings),
        bags.predict(_examples(sources.unlabelled)),
    )
    words = sage.predict(sources.word_embeddings)
    for row, valence in sources.valences.items():
        words[row] = (words[row] + valence) / np.float32(2)
    posts = [text for text in texts if text.source.startswith(("semeval", "umsab"))]
    chosen = random.choice(len(bodies) + len(copies), EMOTICONS, replace=False)
    pool, pool_targets = bodies + copies, np.concatenate((unseen, translated))
    marked, marked_targets = add_emoticons(
        [pool[i] for i in chosen], pool_targets[chosen], emoticon_effects(posts), random
    )

    parts: list[tuple[list[str], Floats, Floats]] = [
        (bodies, np.float32(TRUST) * hard + np.float32(1 - TRUST) * unseen, weights),
        (sources.unlabelled, stock, _same(stock, UNLABELLED_WEIGHT)),
        (sources.words, words, _same(words, WORD_WEIGHT)),
        (copies, translated, _same(translated, COPY_WEIGHT)),
        (marked, marked_targets, _same(marked_targets, EMOTICON_WEIGHT)),
    ]
    data, offsets = pack([body for part in parts for body in part[0]])
    targets, masses = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    return Examples(data, offsets, targets, masses)


def class_weights(texts: list[Text], labels: npt.NDArray[np.int64], balance: float) -> Floats:
    """Weights that move the classes of each family of sets towards equal mass.

    Args:
        texts: the texts.
        labels: their classes.
        balance: 0 leaves the classes as they are, 1 gives them equal mass.

    Returns:
        Shape (n,), about 1 in the mean.
    """
    families = np.array([text.source.partition("-")[0] for text in texts])
    weights = np.ones(len(texts), dtype=np.float32)
    for family in sorted(set(families)):
        inside = families == family
        for label in range(3):
            cell = inside & (labels == label)
            if cell.any():
                weights[cell] = (inside.sum() / 3 / cell.sum()) ** balance
    return weights


def _say_otherwise(
    texts: list[Text],
    vocabulary: Vocabulary,
    embeddings: Floats,
    language: str,
    count: int,
    random: np.random.Generator,
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """English posts in the words of a language, and which post each was."""
    english = [
        i
        for i, text in enumerate(texts)
        if text.language == "en" and not text.source.startswith("review")
    ]
    neighbours = find_neighbours(vocabulary, embeddings[:, SENTENCE], language)
    chosen = random.choice(np.array(english), count, replace=count > len(english))
    return [replace_words(texts[i].body, neighbours, random) for i in chosen], chosen


def _valences(vocabulary: Vocabulary, lexicon: list[tuple[str, str, int]]) -> dict[int, Floats]:
    """Targets for the words that a lexicon gives a valence in -5 … 5."""
    row = {word: i for i, word in enumerate(vocabulary.words)}
    targets = {}
    for _, word, valence in lexicon:
        strength = 0.3 + 0.12 * abs(valence)
        shares = np.array([0.2 * (1 - strength), 0.8 * (1 - strength), strength], dtype=np.float32)
        targets[row[word]] = shares if valence > 0 else shares[[2, 1, 0]]
    return targets


def _examples(bodies: list[str]) -> Examples:
    data, offsets = pack(bodies)
    nothing = np.zeros((len(bodies), CLASSES), dtype=np.float32)
    return Examples(data, offsets, nothing, np.ones(len(bodies), dtype=np.float32))


def _same(like: Floats, weight: float) -> Floats:
    return np.full(len(like), weight, dtype=np.float32)
