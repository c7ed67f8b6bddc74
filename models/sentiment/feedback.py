"""Learning from corrections while the stream runs: a small online model on top of the base score.

River's linear model moves the log odds of negative and of positive by the words of a text and their
pairs. Its step is that of logistic regression on the corrected class: River fits squares, so it is
told the present value plus the slope of the log-likelihood. Rare words move much, everyday ones
little, so what shares no telling word with the corrections stays put.

Every correction counts from one moment on, and until it is taken back. So the score of a post is a
function of the post, of the moment at which it was seen, and of the corrections that count then,
not of when a worker heard of them (`docs/decisions/044-feedback.md`).
"""

from __future__ import annotations

import copy
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from river import linear_model, optim

from models.feedback import LESSON_BUCKETS, MAX_LESSON_TERMS, Lesson
from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE
from models.sentiment.drift import DriftWatch
from models.sentiment.scorer import HashedScorer
from models.sentiment.terms import find_terms, weigh_terms

MAX_CORRECTIONS = 2_000
"""The newest so many count; what is older has faded to a third."""

NOT_NEGATIVE = -1
"""Label of a correction that says what the text is not."""

_NEVER_MS = 1 << 62
_KEPT_TABLES = 8
_RATE = 0.6
_MEMORY = 2_000.0
_REACH = 6.0
_TINY = 1e-6
_SHIFT = np.uint64(20)
_CLASSES = (NEGATIVE, POSITIVE)

Models = list[linear_model.LinearRegression]


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody says the sentiment of a text is.

    Attributes:
        lesson: the text as the model sees it.
        label: NEGATIVE, NEUTRAL, POSITIVE or NOT_NEGATIVE.
        from_ms: it counts for posts seen from this moment on.
    """

    lesson: Lesson
    label: int
    from_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Spell:
    """A correction while it counts."""

    from_ms: int
    key: bytes
    until_ms: int
    label: int
    lesson: Lesson

    def counts_at(self, moment_ms: int) -> bool:
        return self.from_ms <= moment_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class _State:
    """What was learned from some corrections in their order."""

    learned: list[_Spell]
    models: Models
    table: npt.NDArray[np.float64]  # shape (LESSON_BUCKETS, len(_CLASSES))


class AdaptiveScorer:
    """A `Scorer` that learns from corrections; without any it gives the base scores exactly.

    Its state is a function of the corrections, however late they are heard of. Learning and scoring
    are for one thread at a time.

    Args:
        base: the model below.

    Attributes:
        enabled: False gives the base scores; what was learned is kept.
        errors: watches 1 - P(corrected class) of the base score for a change.
        late: corrections heard of after a post had been scored for which they should have counted.
    """

    def __init__(self, base: HashedScorer) -> None:
        self._base = base
        self._spells: list[_Spell] = []  # in the order of learning
        self._moments = np.zeros(0, dtype=np.int64)  # at which what counts changes
        self._states: dict[int, _State] = {}  # by moment
        self._newest_ms = -1
        self.enabled = True
        self.errors = DriftWatch()
        self.late = 0

    @property
    def version(self) -> str:
        """Name and version of the base weights."""
        return self._base.version

    @property
    def corrections(self) -> int:
        """How many count and are not taken back."""
        return sum(spell.until_ms == _NEVER_MS for spell in self._spells)

    def learn(self, key: bytes, correction: Correction) -> None:
        """Moves the score of texts like one towards what somebody says it is.

        Args:
            key: of the question that is answered; a later answer to it ends this one.
            correction: the answer.

        Raises:
            ValueError: the label is none of the four.
        """
        if correction.label not in (NOT_NEGATIVE, NEGATIVE, NEUTRAL, POSITIVE):
            raise ValueError(f"label {correction.label} is none of -1, 0, 1, 2")
        begin_ms = correction.from_ms
        spell = _Spell(begin_ms, key, _NEVER_MS, correction.label, correction.lesson)
        if any(
            replace(known, until_ms=_NEVER_MS) == spell
            for known in self._spells
            if known.key == key
        ):
            return
        self.errors.update(_error(correction))
        self._end(key, begin_ms)
        insort(self._spells, spell, key=lambda spell: (spell.from_ms, spell.key))
        del self._spells[:-MAX_CORRECTIONS]
        self._change(begin_ms)

    def withdraw(self, key: bytes, from_ms: int) -> None:
        """Takes a correction back: from a moment on it is as if it had not been given.

        Args:
            key: of the question; an unknown one does nothing.
            from_ms: posts seen from this moment on are concerned.
        """
        if self._end(key, from_ms):
            self._change(from_ms)

    def score(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None] | None = None,
        seen_ms: Sequence[int] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Class probabilities with the corrections applied; see `Scorer.score`.

        Args:
            texts: any texts.
            languages: as there.
            seen_ms: when each text was first seen; None: after all corrections.

        Returns:
            Shape (len(texts), 3), rows sum to 1; the base score where no correction has a say.
        """
        base = self._base.score(texts, languages)
        if seen_ms is not None and len(seen_ms):
            self._newest_ms = max(self._newest_ms, max(seen_ms))
        if not (self.enabled and self._spells and texts):
            return base
        if seen_ms is None:
            periods = np.full(len(texts), len(self._moments))
        else:
            periods = np.searchsorted(self._moments, np.asarray(seen_ms), side="right")
        if not periods.any():
            return base
        terms, bounds = find_terms(texts)
        weights = weigh_terms(terms, bounds, self._base.weights.common)
        buckets = _buckets(terms)
        owners = np.repeat(np.arange(len(texts)), np.diff(bounds))
        moves = np.zeros((len(terms), len(_CLASSES)))
        for period in np.unique(periods[periods > 0]).tolist():
            inside = periods[owners] == period
            table = self._state(int(self._moments[period - 1])).table
            moves[inside] = weights[inside, None] * table[buckets[inside]]
        shift = np.zeros((len(texts), 3))
        for column, label in enumerate(_CLASSES):
            shift[:, label] = np.bincount(owners, moves[:, column], minlength=len(texts))
        moved = shift.any(axis=1)
        base[moved] = _shifted(base[moved], np.clip(shift[moved], -_REACH, _REACH))
        return base

    def _end(self, key: bytes, moment_ms: int) -> bool:
        """Ends what counts under a key; returns whether there was anything."""
        found = False
        for at, spell in enumerate(self._spells):
            if spell.key == key and moment_ms < spell.until_ms:
                # Never shorter than nothing: what ends before it begins has never counted.
                self._spells[at] = replace(spell, until_ms=max(moment_ms, spell.from_ms))
                found = True
        return found

    def _change(self, moment_ms: int) -> None:
        """Forgets what was made of corrections that counted from a moment on."""
        if moment_ms <= self._newest_ms:
            self.late += 1
        ends = {spell.until_ms for spell in self._spells} - {_NEVER_MS}
        moments = sorted({spell.from_ms for spell in self._spells} | ends)
        self._moments = np.array(moments, dtype=np.int64)
        self._states = {at: state for at, state in self._states.items() if at < moment_ms}

    def _state(self, moment_ms: int) -> _State:
        """What has been learned at one of the moments."""
        known = self._states.get(moment_ms)
        if known is not None:
            return known
        stop = bisect_left(self._spells, moment_ms + 1, key=lambda spell: spell.from_ms)
        counting = [spell for spell in self._spells[:stop] if spell.counts_at(moment_ms)]
        start = max(
            (s for s in self._states.values() if s.learned == counting[: len(s.learned)]),
            key=lambda state: len(state.learned),
            default=_State([], _new_models(), np.zeros(0)),
        )
        models = copy.deepcopy(start.models)
        for spell in counting[len(start.learned) :]:
            _apply(models, spell)
        table = np.zeros((LESSON_BUCKETS, len(_CLASSES)))
        for column, model in enumerate(models):
            for bucket, weight in model.weights.items():
                table[bucket, column] = weight
        while len(self._states) >= _KEPT_TABLES:
            del self._states[min(self._states)]
        state = self._states[moment_ms] = _State(counting, models, table)
        return state


def make_lesson(base: HashedScorer, text: str, language: str | None = None) -> Lesson:
    """What a text teaches, without the text.

    Args:
        base: the model that scored it.
        text: the text.
        language: language tag, or None.

    Returns:
        Its telling terms by bucket, at most MAX_LESSON_TERMS, and its base score.
    """
    terms, bounds = find_terms([text])
    weights = weigh_terms(terms, bounds, base.weights.common)
    found: dict[int, float] = {}
    for bucket, weight in zip(_buckets(terms).tolist(), weights.tolist(), strict=True):
        found[bucket] = found.get(bucket, 0.0) + weight
    heaviest = sorted(found, key=lambda bucket: (-found[bucket], bucket))[:MAX_LESSON_TERMS]
    negative, neutral, positive = base.score([text], [language])[0].astype(float).round(6).tolist()
    return Lesson(
        terms=tuple((bucket, round(found[bucket], 4)) for bucket in sorted(heaviest)),
        score=(negative, neutral, positive),
    )


def _apply(models: Models, spell: _Spell) -> None:
    """One step of each model towards a correction, then a little forgetting."""
    features = dict(spell.lesson.terms)
    shift = np.zeros((1, 3))
    if features:
        for model, label in zip(models, _CLASSES, strict=True):
            shift[0, label] = model.predict_one(features)
    base = np.array([spell.lesson.score], dtype=np.float32)
    now = _shifted(base, np.clip(shift, -_REACH, _REACH))[0]
    for model, label in zip(models, _CLASSES, strict=True):
        # Where a text is not negative, neutral and positive keep their proportion.
        if features and (spell.label != NOT_NEGATIVE or label == NEGATIVE):
            slope = float(spell.label == label) - float(now[label])
            model.learn_one(features, float(shift[0, label]) + slope)
        model._weights *= 1 - 1 / _MEMORY  # River has no public way to forget all at once


def _error(correction: Correction) -> float:
    score = correction.lesson.score
    if correction.label == NOT_NEGATIVE:
        return score[NEGATIVE]
    return 1.0 - score[correction.label]


def _new_models() -> Models:
    return [
        linear_model.LinearRegression(optimizer=optim.SGD(_RATE), intercept_lr=0.0)
        for _ in _CLASSES
    ]


def _buckets(terms: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.asarray((terms >> _SHIFT).astype(np.int64) % LESSON_BUCKETS)


def _shifted(
    base: npt.NDArray[np.float32], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Probabilities after their log odds are moved, shape (n, 3)."""
    powers = (base.astype(np.float64) + _TINY) * np.exp(shift)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
