"""Fine-tunes all layers of the sentence encoder but its word pieces to labelled texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from models.sentiment.network import (
    FEATURES,
    UNITS,
    Floats,
    Ids,
    Network,
    Pieces,
    Weights,
    lay_out,
)

_LONGEST = 256
_ASKED = 32


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an encoder is tuned.

    Attributes:
        passes: passes over the texts.
        rate: highest learning rate of the encoder's layers; it rises over a twelfth of the steps
            and falls as a cosine.
        head_rate: the same of the classifier.
        batch: texts a step.
        longest: pieces of a text that are read in training.
        piece_dropout: share of pieces that is blanked.
        dropout: share of the classifier's inputs and hidden units that is left out.
    """

    passes: float = 1.5
    rate: float = 4e-4
    head_rate: float = 1e-3
    batch: int = 48
    longest: int = 64
    piece_dropout: float = 0.1
    dropout: float = 0.3


class TunedEncoder:
    """The encoder with a classifier on it."""

    def __init__(self, pieces: Pieces, layers: Weights, tuning: Tuning) -> None:
        """Starts from published layers.

        Args:
            pieces: the frozen part.
            layers: the encoder's layers; they are copied.
            tuning: how to tune.
        """
        self._vectors = pieces
        self._tuning = tuning
        self._network = Network(layers, tuning.dropout)

    def fit(
        self,
        texts: Sequence[Ids],
        targets: Floats,
        masses: Floats,
        seed: int,
        progress: Callable[[int], None],
    ) -> TunedEncoder:
        """Fits all layers with Adam (Kingma and Ba, 2015), in one thread.

        Args:
            texts: pieces of each text.
            targets: class probabilities, shape (n, 3).
            masses: weight of each text, shape (n,).
            seed: of the start, the order and what is left out.
            progress: called with the number of texts done since the last call.

        Returns:
            Itself.
        """
        tuning, random = self._tuning, np.random.default_rng(seed)
        with threadpool_limits(1):
            self._start_head(texts, targets, masses, random)
            first, second = (np.zeros_like(self._network.flat) for _ in range(2))
            steps = max(1, int(len(texts) * tuning.passes / tuning.batch))
            for step, chosen in zip(
                range(steps), _draw(len(texts), tuning.batch, random), strict=False
            ):
                batch = lay_out(self._vectors, [texts[i] for i in chosen], tuning.longest)
                blank = random.random((len(batch.rows), 1)) < tuning.piece_dropout
                batch.rows[blank[:, 0]] = 0
                self._network.find_slopes(batch, targets[chosen], masses[chosen], random)
                self._step(step, steps, first, second)
                progress(len(chosen))
        return self

    def predict(self, texts: Sequence[Ids], progress: Callable[[int], None]) -> Floats:
        """Class probabilities, shape (n, 3).

        Args:
            texts: pieces of each text.
            progress: called with the number of texts done since the last call.
        """
        found = np.empty((len(texts), 3), dtype=np.float32)
        with threadpool_limits(1):
            for start in range(0, len(texts), _ASKED):
                some = texts[start : start + _ASKED]
                batch = lay_out(self._vectors, some, _LONGEST)
                found[start : start + len(some)] = self._network.classify(batch)
                progress(len(some))
        return found

    def embed(self, texts: Sequence[Ids]) -> Floats:
        """The encoder's own output, of length 1, shape (n, 512)."""
        output = self._network.describe(lay_out(self._vectors, texts, _LONGEST))[:, :512]
        return np.asarray(output / np.linalg.norm(output, axis=1, keepdims=True))

    def _start_head(
        self,
        texts: Sequence[Ids],
        targets: Floats,
        masses: Floats,
        random: np.random.Generator,
    ) -> None:
        """Standardises what the classifier sees, and starts it at the classes' shares."""
        chosen = random.permutation(len(texts))[:1536]
        seen = []
        for start in range(0, len(chosen), _ASKED):
            some = [texts[i] for i in chosen[start : start + _ASKED]]
            seen.append(self._network.describe(lay_out(self._vectors, some, self._tuning.longest)))
        features = np.concatenate(seen)
        self._network.centre = features.mean(axis=0)
        self._network.spread = features.std(axis=0) + np.float32(1e-3)
        w = self._network.weights
        w["hidden"][:] = random.standard_normal((FEATURES, UNITS)) / np.sqrt(FEATURES)
        w["output"][:] = random.standard_normal((UNITS, 3)) * 0.05
        w["bias"][:] = np.log((targets * masses[:, None]).sum(axis=0) / masses.sum())

    def _step(self, step: int, steps: int, first: Floats, second: Floats) -> None:
        """One step of Adam along `slopes`, shortened to length 1."""
        network, tuning = self._network, self._tuning
        slopes = network.slopes_flat
        slopes *= np.float32(min(1.0, 1.0 / (float(np.linalg.norm(slopes)) + 1e-9)))
        first *= np.float32(0.9)
        first += np.float32(0.1) * slopes
        second *= np.float32(0.999)
        slopes *= slopes
        second += np.float32(0.001) * slopes
        move = first / (np.sqrt(second / np.float32(1 - 0.999 ** (step + 1))) + np.float32(1e-8))
        move /= np.float32(1 - 0.9 ** (step + 1))
        rise = max(1, steps // 12)
        if step < rise:
            pace = (step + 1) / rise
        else:
            pace = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (step - rise) / max(1, steps - rise)))
        size = network.encoder_size
        network.flat[:size] -= np.float32(pace * tuning.rate) * move[:size]
        network.flat[size:] -= np.float32(pace * tuning.head_rate) * move[size:]


def _draw(count: int, batch: int, random: np.random.Generator) -> Iterator[Ids]:
    """Batches without end, each text once a pass."""
    while True:
        order = random.permutation(count)
        for start in range(0, count, batch):
            yield order[start : start + batch]
