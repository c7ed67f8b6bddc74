"""What the shipped model is fitted to: labelled texts, and made or unlabelled ones with a teacher.

A labelled text's target is part label, part a teacher that has not seen the label (cross-fitting,
so that the teacher does not just repeat it).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import Progress
from sklearn.model_selection import StratifiedKFold

from models.sentiment.augmentation import (
    COPIES,
    Vocabulary,
    add_emoticons,
    collect_vocabulary,
    cut_stretches,
    emoticon_effects,
    find_neighbours,
    replace_words,
)
from models.sentiment.corpus import Text, read_afinn, read_stocknet, training_texts
from models.sentiment.kernel import CLASSES
from models.sentiment.network import Ids
from models.sentiment.scorer import pack
from models.sentiment.teacher import ENCODER_SHARE, BagTeacher, Encoder, Floats, blend
from models.sentiment.training import Examples, Settings
from models.sentiment.tuning import TunedEncoder, Tuning

SMOOTHING = 0.05
"""Share of each label that is spread over the three classes when a teacher learns it."""

BALANCE = 0.5
"""How far class weights go from none (0) to equal mass of the classes within a set (1)."""

FOLDS = 4
POST_TRUST = 0.2
"""Share of the label in the target of a labelled post; the rest is the teacher's."""

REVIEW_TRUST = 0.8
"""The same of a review, whose label is surer and whose teacher is weaker."""

UNLABELLED = 40_000
EMOTICONS = 30_000

UNLABELLED_WEIGHT = 0.5
WORD_WEIGHT = 0.1
COPY_WEIGHT = 0.6
STRETCH_WEIGHT = 0.3
EMOTICON_WEIGHT = 0.3

BAG_SETTINGS = Settings(passes=4, rate=0.02, dropout=0.5)
"""Of a teacher's bags, which see labels alone and overfit sooner than the shipped model."""

TUNING = Tuning()
"""Of a teacher's encoders, each of which sees one half of the labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Texts, and the encoder's pieces of them.

    Attributes:
        texts: the labelled texts.
        labels: their classes, shape (len(texts),).
        weights: their weights, shape (len(texts),).
        pieces: of the labelled texts.
        unlabelled: posts without a label.
        unlabelled_pieces: of these.
        words: words by themselves.
        word_pieces: of these.
        valences: targets that a lexicon gives to some words, by their place among `words`.
        copies: English posts put into other languages.
        copy_pieces: of these.
        origins: the labelled text that each copy was made from, shape (len(copies),).
        stretches: a few words each out of the labelled posts.
        stretch_pieces: of these.
        stretch_origins: the labelled text that each was cut from, shape (len(stretches),).
    """

    texts: list[Text]
    labels: npt.NDArray[np.int64]
    weights: Floats
    pieces: list[Ids]
    unlabelled: list[str]
    unlabelled_pieces: list[Ids]
    words: list[str]
    word_pieces: list[Ids]
    valences: dict[int, Floats]
    copies: list[str]
    copy_pieces: list[Ids]
    origins: npt.NDArray[np.int64]
    stretches: list[str]
    stretch_pieces: list[Ids]
    stretch_origins: npt.NDArray[np.int64]

    @property
    def bodies(self) -> list[str]:
        """The labelled texts themselves."""
        return [text.body for text in self.texts]


def collect(
    folder: Path, without: list[str], seed: int, encoder: Encoder, progress: Progress
) -> Sources:
    """Reads the data folder, makes texts from texts, and cuts all into pieces.

    Args:
        folder: the data folder.
        without: sets to leave out.
        seed: of the choice of copies.
        encoder: embeds words and cuts texts.
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
    embedding = progress.add_task("embed", total=len(vocabulary.words))
    word_embeddings = encoder.embed(
        vocabulary.words, lambda count: progress.advance(embedding, count)
    )
    copies: list[list[str]] = []
    origins: list[npt.NDArray[np.int64]] = []
    for language, count in COPIES.items():
        made, chosen = _say_otherwise(texts, vocabulary, word_embeddings, language, count, random)
        copies.append(made)
        origins.append(chosen)
    said = [copy for some in copies for copy in some]
    # Numbers of its own: what else is chosen does not hang on the stretches.
    stretches, stretch_origins = cut_stretches(texts, np.random.default_rng((seed, 4)))
    total = len(texts) + len(unlabelled) + len(vocabulary.words) + len(said) + len(stretches)
    cutting = progress.add_task("cut", total=total)

    def cut(some: list[str]) -> list[Ids]:
        return encoder.cut(some, lambda count: progress.advance(cutting, count))

    return Sources(
        texts=texts,
        labels=labels,
        weights=class_weights(texts, labels, BALANCE),
        pieces=cut([text.body for text in texts]),
        unlabelled=unlabelled,
        unlabelled_pieces=cut(unlabelled),
        words=vocabulary.words,
        word_pieces=cut(vocabulary.words),
        valences=_valences(vocabulary, lexicon),
        copies=said,
        copy_pieces=cut(said),
        origins=np.concatenate(origins),
        stretches=stretches,
        stretch_pieces=cut(stretches),
        stretch_origins=stretch_origins,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """What teachers say of texts, each of which was new to the teacher that was asked.

    Attributes:
        texts: of the labelled texts, shape (texts, 3).
        copies: of the copies, shape (copies, 3).
        stretches: of the stretches, shape (stretches, 3).
        unlabelled: of the posts without a label, shape (posts, 3).
        words: of the words, shape (words, 3).
    """

    texts: Floats
    copies: Floats
    stretches: Floats
    unlabelled: Floats
    words: Floats


def teach(
    sources: Sources,
    known: npt.NDArray[np.bool_],
    seed: int,
    encoder: Encoder,
    progress: Progress,
) -> Lessons:
    """Trains teachers on some of the labelled texts and asks them about all texts.

    Nothing of a labelled text outside `known` reaches what is said of others, so a model fitted
    to that can be judged and calibrated on those.

    Args:
        sources: texts and their pieces.
        known: which labelled texts to train on, shape (texts,).
        seed: of everything random.
        encoder: the one to tune.
        progress: shows how far it is.

    Returns:
        What they say.
    """
    folds = split(sources, known, seed)
    hard = np.eye(3, dtype=np.float32)[sources.labels]
    smooth = hard * np.float32(1 - SMOOTHING) + np.float32(SMOOTHING / 3)
    data, offsets = pack(sources.bodies)
    labelled = Examples(data, offsets, smooth, sources.weights)

    bagging = progress.add_task("bags", total=FOLDS + 1)
    bags = BagTeacher().fit(labelled, np.flatnonzero(known), BAG_SETTINGS)
    spelled = bags.predict(labelled)
    progress.advance(bagging)
    for fold in range(FOLDS):
        others = BagTeacher().fit(labelled, np.flatnonzero(known & (folds != fold)), BAG_SETTINGS)
        asked = known & (folds == fold)
        spelled[asked] = others.predict(labelled)[asked]
        progress.advance(bagging)

    halves = folds % 2
    sages = _tune(sources, smooth, known, halves, seed, encoder, progress)
    total = len(sources.texts) + len(sources.copies) + len(sources.stretches)
    total += 2 * (len(sources.unlabelled) + len(sources.words))
    asking = progress.add_task("label", total=total)

    def ask(sage: TunedEncoder, some: list[Ids]) -> Floats:
        return sage.predict(some, lambda count: progress.advance(asking, count))

    def ask_stranger(some: list[Ids], half: npt.NDArray[np.int64]) -> Floats:
        found = np.empty((len(some), CLASSES), dtype=np.float32)
        for k, sage in enumerate(sages):
            found[half == k] = ask(sage, [some[i] for i in np.flatnonzero(half == k)])
        return found

    def ask_both(some: list[Ids]) -> Floats:
        return blend(ask(sages[0], some), ask(sages[1], some))

    said = blend(ask_stranger(sources.pieces, halves), spelled, ENCODER_SHARE)
    translated = ask_stranger(sources.copy_pieces, halves[sources.origins])
    posts = bags.predict(_examples(sources.unlabelled))
    words = ask_both(sources.word_pieces)
    for row, valence in sources.valences.items():
        words[row] = (words[row] + valence) / np.float32(2)
    return Lessons(
        texts=said,
        copies=(translated + said[sources.origins]) / np.float32(2),
        stretches=ask_stranger(sources.stretch_pieces, halves[sources.stretch_origins]),
        unlabelled=blend(ask_both(sources.unlabelled_pieces), posts, ENCODER_SHARE),
        words=words,
    )


def split(sources: Sources, known: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.int64]:
    """Folds of the labelled texts, each with its share of every family of sets and known class.

    Args:
        sources: the texts.
        known: whose labels may be used, shape (texts,).
        seed: of the choice.

    Returns:
        The fold of each text, in 0 … FOLDS - 1, shape (texts,).
    """
    classes = np.where(known, sources.labels, -1)
    strata = [f"{text.family} {k}" for text, k in zip(sources.texts, classes, strict=True)]
    folds = np.empty(len(strata), dtype=np.int64)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (_, inside) in enumerate(splitter.split(np.zeros(len(strata)), strata)):
        folds[inside] = fold
    return folds


def set_exercises(
    sources: Sources, lessons: Lessons, chosen: npt.NDArray[np.bool_], seed: int
) -> Examples:
    """Puts together what a model is fitted to.

    Args:
        sources: the texts.
        lessons: what teachers say of them.
        chosen: the labelled texts to use, shape (texts,).
        seed: of the choice of emoticons.

    Returns:
        The chosen texts, copies and stretches of these, unlabelled posts, words, and texts with
        emoticons.
    """
    random = np.random.default_rng((seed, 2))
    rows = np.flatnonzero(chosen)
    texts = [sources.texts[i] for i in rows]
    bodies = [text.body for text in texts]
    hard = np.eye(3, dtype=np.float32)[sources.labels[rows]]
    said = lessons.texts[rows]
    trust = np.array([REVIEW_TRUST if text.is_review else POST_TRUST for text in texts])
    trust = trust.astype(np.float32)[:, None]
    usable = np.flatnonzero(chosen[sources.origins])
    copies = [sources.copies[i] for i in usable]
    translated = lessons.copies[usable]
    cut = np.flatnonzero(chosen[sources.stretch_origins])
    stretches = lessons.stretches[cut]
    posts = [text for text in texts if not text.is_review]
    pool, pool_targets = bodies + copies, np.concatenate((said, translated))
    some = random.choice(len(pool), EMOTICONS, replace=False)
    marked, marked_targets = add_emoticons(
        [pool[i] for i in some], pool_targets[some], emoticon_effects(posts), random
    )

    parts: list[tuple[list[str], Floats, Floats]] = [
        (bodies, trust * hard + (1 - trust) * said, sources.weights[rows]),
        (sources.unlabelled, lessons.unlabelled, _same(lessons.unlabelled, UNLABELLED_WEIGHT)),
        (sources.words, lessons.words, _same(lessons.words, WORD_WEIGHT)),
        (copies, translated, _same(translated, COPY_WEIGHT)),
        ([sources.stretches[i] for i in cut], stretches, _same(stretches, STRETCH_WEIGHT)),
        (marked, marked_targets, _same(marked_targets, EMOTICON_WEIGHT)),
    ]
    data, offsets = pack([body for part in parts for body in part[0]])
    targets, masses = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    return Examples(data, offsets, targets, masses)


def _tune(
    sources: Sources,
    targets: Floats,
    known: npt.NDArray[np.bool_],
    halves: npt.NDArray[np.int64],
    seed: int,
    encoder: Encoder,
    progress: Progress,
) -> list[TunedEncoder]:
    """Two encoders, each tuned to the known texts outside the half of its number."""
    tuning = progress.add_task("tune", total=int(known.sum() * TUNING.passes))
    sages = []
    for half in range(2):
        chosen = np.flatnonzero(known & (halves != half))
        sage = encoder.untuned(TUNING)
        sage.fit(
            [sources.pieces[i] for i in chosen],
            targets[chosen],
            sources.weights[chosen],
            seed,
            lambda count: progress.advance(tuning, count),
        )
        sages.append(sage)
    return sages


def class_weights(texts: list[Text], labels: npt.NDArray[np.int64], balance: float) -> Floats:
    """Weights that move the classes of each family of sets towards equal mass.

    Args:
        texts: the texts.
        labels: their classes.
        balance: 0 leaves the classes as they are, 1 gives them equal mass.

    Returns:
        Shape (n,), about 1 in the mean.
    """
    families = np.array([text.family for text in texts])
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
    english = [i for i, text in enumerate(texts) if text.language == "en" and not text.is_review]
    neighbours = find_neighbours(vocabulary, embeddings, language)
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
