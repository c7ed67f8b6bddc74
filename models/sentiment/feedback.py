"""Learning from corrections while the stream runs: a small online model on top of the base score.

River's linear model moves the log odds of negative and of positive by the words of a text and their
pairs. Its step is that of logistic regression on the corrected class: River fits squares, so it is
told the present value plus the slope of the log-likelihood. Rare words move much, everyday ones
little, so what shares no telling word with the corrections stays put.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from river import drift, linear_model, optim

from models.sentiment.base import NEGATIVE, POSITIVE
from models.sentiment.scorer import HashedScorer
from models.sentiment.terms import find_terms, weigh_terms

BUCKETS = 8192
"""Terms share this many weights, so the model is bounded."""

JOURNAL = 500
"""Corrections that can be taken back."""

_RATE = 0.6
_MEMORY = 2_000.0
_REACH = 6.0
_TINY = 1e-6
_SHIFT = np.uint64(20)
_CLASSES = (NEGATIVE, POSITIVE)


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody says the sentiment of a text is.

    Attributes:
        text: the text that was scored.
        label: NEGATIVE, NEUTRAL or POSITIVE.
        language: language tag, or None.
    """

    text: str
    label: int
    language: str | None = None


class AdaptiveScorer:
    """A `Scorer` that learns from corrections; without any it gives the base scores exactly.

    Its state is a function of the corrections in their order: replaying them rebuilds it.
    Learning and scoring are for one thread at a time.

    Attributes:
        enabled: False gives the base scores; what was learned is kept.
        calibration_drifts: times that River's ADWIN (Bifet and Gavaldà, 2007) found the error of
            the score on corrected texts to have changed.
        corrections: how many were learned and not taken back.
    """

    def __init__(self, base: HashedScorer, corrections: Iterable[Correction] = ()) -> None:
        self._base = base
        self._detector = drift.ADWIN()
        self.enabled = True
        self.calibration_drifts = 0
        self.corrections = 0
        self._settled = _new_models()
        self._models = _new_models()
        self._journal: deque[Correction] = deque()
        self._weights = np.zeros((BUCKETS, len(_CLASSES)))
        for correction in corrections:
            self.learn(correction)

    @property
    def version(self) -> str:
        """Name and version of the base weights, and how many corrections are on top."""
        active = self.enabled and self.corrections
        return f"{self._base.version}+{self.corrections}" if active else self._base.version

    @property
    def calibration_error(self) -> float:
        """Mean of 1 - P(corrected class) over ADWIN's window, 0 before the first correction."""
        return float(self._detector.estimation)

    def score(
        self, texts: Sequence[str], languages: Sequence[str | None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Class probabilities with the corrections applied; see `Scorer.score`."""
        base = self._base.score(texts, languages)
        if not (self.enabled and self.corrections and texts):
            return base
        terms, bounds = find_terms(texts)
        weights = weigh_terms(terms, bounds, self._base.weights.common)
        moves = weights[:, None] * self._weights[_buckets(terms)]
        owners = np.repeat(np.arange(len(texts)), np.diff(bounds))
        shift = np.zeros((len(texts), 3))
        for column, label in enumerate(_CLASSES):
            shift[:, label] = np.bincount(owners, moves[:, column], minlength=len(texts))
        return _shifted(base, np.clip(shift, -_REACH, _REACH))

    def learn(self, correction: Correction) -> None:
        """Moves the score of texts like one towards what somebody says it is.

        Args:
            correction: text and true class.

        Raises:
            ValueError: the label is none of the three classes.
        """
        if correction.label not in (0, 1, 2):
            raise ValueError(f"label {correction.label} is none of 0, 1, 2")
        score = self.score([correction.text], [correction.language])[0]
        self._detector.update(1.0 - float(score[correction.label]))
        if self._detector.drift_detected:
            self.calibration_drifts += 1
        self._journal.append(correction)
        if len(self._journal) > JOURNAL:
            self._apply(self._settled, self._journal.popleft())
        self._apply(self._models, correction)
        self.corrections += 1
        self._publish()

    def roll_back(self, count: int) -> None:
        """Takes back the latest corrections, as if they had not been given.

        Args:
            count: how many, at most JOURNAL.

        Raises:
            ValueError: there are not as many that can be taken back.
        """
        if not 0 <= count <= len(self._journal):
            raise ValueError(f"{count} corrections asked back, {len(self._journal)} can be")
        for _ in range(count):
            self._journal.pop()
        self.corrections -= count
        self._models = copy.deepcopy(self._settled)
        for correction in self._journal:
            self._apply(self._models, correction)
        self._publish()

    def _apply(self, models: list[linear_model.LinearRegression], correction: Correction) -> None:
        terms, bounds = find_terms([correction.text])
        weights = weigh_terms(terms, bounds, self._base.weights.common)
        features: dict[int, float] = {}
        for bucket, weight in zip(_buckets(terms).tolist(), weights.tolist(), strict=True):
            features[bucket] = features.get(bucket, 0.0) + weight
        if not features:
            return
        shift = np.zeros((1, 3))
        for model, label in zip(models, _CLASSES, strict=True):
            shift[0, label] = model.predict_one(features)
        base = self._base.score([correction.text], [correction.language])
        now = _shifted(base, np.clip(shift, -_REACH, _REACH))[0]
        for model, label in zip(models, _CLASSES, strict=True):
            slope = float(correction.label == label) - float(now[label])
            model.learn_one(features, float(shift[0, label]) + slope)
            model._weights *= 1 - 1 / _MEMORY  # River has no public way to forget all at once

    def _publish(self) -> None:
        self._weights = np.zeros((BUCKETS, len(_CLASSES)))
        for column, model in enumerate(self._models):
            for bucket, weight in model.weights.items():
                self._weights[bucket, column] = weight


def _new_models() -> list[linear_model.LinearRegression]:
    return [
        linear_model.LinearRegression(optimizer=optim.SGD(_RATE), intercept_lr=0.0)
        for _ in _CLASSES
    ]


def _buckets(terms: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.asarray((terms >> _SHIFT).astype(np.int64) % BUCKETS)


def _shifted(
    base: npt.NDArray[np.float32], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Probabilities after their log odds are moved, shape (n, 3)."""
    powers = (base.astype(np.float64) + _TINY) * np.exp(shift)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
