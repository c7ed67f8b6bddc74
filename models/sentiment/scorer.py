"""The sentiment model as the score stage calls it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.sentiment.kernel import CLASSES, batch_probabilities
from models.sentiment.tokens import MAX_BYTES
from models.sentiment.weights import Weights, load

SHIPPED = "weights.bin"
"""Name of the weights file inside the package."""


class HashedScorer:
    """A `Scorer` over one `Weights`; holds no other state and may be used from several threads."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._rows = {tag: row for row, tag in enumerate(weights.languages)}

    @property
    def version(self) -> str:
        """Name and version of the weights; goes into alerts."""
        return self.weights.version

    def score(
        self,
        texts: Sequence[str],
        languages: Sequence[str | None] | None = None,
        seen_ms: Sequence[int] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Calibrated probabilities of negative, neutral and positive for each text.

        Args:
            texts: any text; the first MAX_BYTES bytes of each count.
            languages: language tags ("pl", "pt-BR", …) or None where unknown; None for all.
            seen_ms: makes no difference here.

        Returns:
            Shape (len(texts), 3), rows sum to 1.

        Raises:
            ValueError: there are not as many languages as texts.
        """
        probabilities = np.empty((len(texts), CLASSES), dtype=np.float32)
        if not texts:
            return probabilities
        data, offsets = pack(texts)
        w = self.weights
        batch_probabilities(
            data,
            offsets,
            w.table,
            w.scale,
            w.hidden,
            w.hidden_bias,
            w.output,
            w.bias,
            w.calibration,
            self._language_rows(languages, len(texts)),
            probabilities,
        )
        return probabilities

    def probabilities_of(
        self, bags: npt.NDArray[np.floating[Any]], language: str | None
    ) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of texts that are given as their summed rows.

        Args:
            bags: sums of weight rows over the square root of their number, shape
                (n, DIMENSIONS).
            language: language tag of all of them, or None.

        Returns:
            Shape (n, 3).
        """
        w = self.weights
        active = np.maximum(bags @ w.hidden.T.astype(np.float64) + w.hidden_bias, 0)
        values = np.hstack((bags, active)) @ w.output.T.astype(np.float64) + w.bias
        row = w.calibration[_row(self._rows, language)].astype(np.float64)
        powers = values * row[0] + row[1:]
        powers = np.exp(powers - powers.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def _language_rows(
        self, languages: Sequence[str | None] | None, count: int
    ) -> npt.NDArray[np.int64]:
        if languages is None:
            return np.zeros(count, dtype=np.int64)
        if len(languages) != count:
            raise ValueError(f"{len(languages)} languages for {count} texts; give one for each")
        rows = self._rows
        return np.array([_row(rows, tag) for tag in languages], dtype=np.int64)


def load_scorer(path: Path | None = None) -> HashedScorer:
    """The shipped model, or the one of a file that `czujka train` wrote.

    Args:
        path: a weights file; None for the shipped one.

    Returns:
        A scorer.

    Raises:
        WeightsError: the file is foreign, damaged or of another format.
        OSError: the file cannot be read.
    """
    if path is not None:
        return HashedScorer(load(path.read_bytes(), str(path)))
    content = resources.files("models.sentiment").joinpath(SHIPPED).read_bytes()
    return HashedScorer(load(content, f"models/sentiment/{SHIPPED}"))


def pack(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Lays texts out as the kernels read them.

    Args:
        texts: any texts, lone surrogates included.

    Returns:
        UTF-8 bytes of all of them, and the offsets between them, shape (len(texts) + 1,).
    """
    encoded = [text[:MAX_BYTES].encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in encoded], out=offsets[1:])
    # The kernels take arrays that can be written, hence a bytearray; they never write here.
    return np.frombuffer(bytearray(b"".join(encoded)), dtype=np.uint8), offsets


def _row(rows: dict[str, int], tag: str | None) -> int:
    if tag is None:
        return 0
    row = rows.get(tag)
    return rows.get(tag[:2].lower(), 0) if row is None and tag[2:3] in ("-", "_", "") else row or 0
