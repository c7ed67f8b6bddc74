"""The sentence encoder with a classifier on it: what it says of texts, and the gradient of that.

The encoder is the multilingual Universal Sentence Encoder in its convolutional form (Yang et al.,
2020): word pieces are projected, pass through n-gram convolutions of three widths with a residual
each, are summed over the text and go through a small dense network. The classifier stands on its
last layers. Gradients are written out: the network is small and fixed, and a matrix product in one
thread gives the same bits each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Weights = dict[str, Floats]
Tape = dict[str, Floats]
"""What the way forward leaves for the way back."""

BRANCHES = ((2, 0), (3, 1), (5, 2))
"""Width of each convolution and how many pieces to the left it reaches."""

WIDTH = 256
"""Channels of a convolution."""

UNITS = 256
"""Hidden units of the classifier."""

FEATURES = 512 + 320 + 512
"""What the classifier sees: the encoder's output before it is scaled, and its hidden layers."""

_GAP = 2
_LINEAR = 0.3
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The encoder's frozen part: vectors of word pieces, a byte a number.

    Attributes:
        table: shape (pieces, 512).
        low: what stands for 0 in each row, shape (pieces,).
        step: what one step is in each row, shape (pieces,).
    """

    table: npt.NDArray[np.uint8]
    low: Floats
    step: Floats

    def look_up(self, ids: Ids) -> Floats:
        """Vectors of pieces, shape (n, 512)."""
        return self.table[ids] * self.step[ids, None] + self.low[ids, None]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts one after the other, blank rows between them.

    Attributes:
        rows: vectors of pieces, blank ones zero, shape (rows, 512).
        present: 1 for pieces, 0 for blanks, shape (rows, 1).
        starts: first row of each text, shape (n,).
        lengths: pieces of each text, shape (n, 1).
    """

    rows: Floats
    present: Floats
    starts: Ids
    lengths: Floats


def lay_out(pieces: Pieces, texts: Sequence[Ids], longest: int) -> Batch:
    """Puts texts one after the other, far enough apart that no convolution sees two."""
    lengths = np.array([min(len(text), longest) for text in texts])
    starts = _GAP + np.concatenate(([0], np.cumsum(lengths[:-1] + _GAP)))
    rows = np.zeros((int(starts[-1] + lengths[-1]) + _GAP, 512), dtype=np.float32)
    present = np.zeros((len(rows), 1), dtype=np.float32)
    inside = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)])
    rows[inside] = pieces.look_up(np.concatenate([text[:longest] for text in texts]))
    present[inside] = 1
    return Batch(rows, present, starts, lengths[:, None].astype(np.float32))


class Network:
    """Layers, their gradients, and the way between.

    Attributes:
        flat: all weights in one vector, those of the encoder first.
        weights: its parts under their names.
        slopes_flat: all gradients in one vector, in the same order.
        slopes: its parts under their names.
        encoder_size: how many of the weights are the encoder's.
        centre: what is taken from the classifier's inputs, shape (FEATURES,).
        spread: what they are divided by then, shape (FEATURES,).
    """

    def __init__(self, layers: Weights, dropout: float) -> None:
        """Starts from published layers and an empty classifier.

        Args:
            layers: the encoder's layers; they are copied.
            dropout: share of the classifier's inputs and hidden units that is left out.
        """
        self._dropout = dropout
        shapes = {name: layer.shape for name, layer in layers.items()}
        shapes |= {"linear": (FEATURES, 3), "bias": (3,), "hidden": (FEATURES, UNITS)}
        shapes |= {"hidden_bias": (UNITS,), "output": (UNITS, 3)}
        self.flat, self.weights = _allocate(shapes)
        self.slopes_flat, self.slopes = _allocate(shapes)
        for name, layer in layers.items():
            self.weights[name][:] = layer
        self.encoder_size = sum(layer.size for layer in layers.values())
        self.centre = np.zeros(FEATURES, dtype=np.float32)
        self.spread = np.ones(FEATURES, dtype=np.float32)

    def classify(self, batch: Batch) -> Floats:
        """Class probabilities, shape (n, 3)."""
        return softmax(self._forward(batch, {}, None))

    def describe(self, batch: Batch) -> Floats:
        """What the classifier sees of each text, not standardised: shape (n, FEATURES)."""
        tape: Tape = {}
        self._forward(batch, tape, None)
        return tape["raw"]

    def loss(self, batch: Batch, targets: Floats, masses: Floats) -> float:
        """Mean cross-entropy of a batch, nothing left out."""
        shares = self.classify(batch)
        return float(-(masses[:, None] * targets * np.log(shares)).sum() / len(masses))

    def find_slopes(
        self, batch: Batch, targets: Floats, masses: Floats, random: np.random.Generator | None
    ) -> None:
        """Writes the gradient of the mean cross-entropy of a batch into `slopes`.

        Args:
            batch: the texts.
            targets: class probabilities, shape (n, 3).
            masses: weight of each text, shape (n,).
            random: chooses what of the classifier is left out; None leaves nothing out.
        """
        tape: Tape = {}
        shares = softmax(self._forward(batch, tape, random))
        slope = (shares - targets) * (masses[:, None] / np.float32(len(masses)))
        self._backward(batch, tape, slope.astype(np.float32))

    def _forward(self, batch: Batch, tape: Tape, random: np.random.Generator | None) -> Floats:
        """Logits, shape (n, 3)."""
        w = self.weights
        raw = self._encode(batch, tape)
        tape["features_kept"] = self._keep(raw.shape, random)
        seen = (raw - self.centre) / self.spread * tape["features_kept"]
        active = np.maximum(seen @ w["hidden"] + w["hidden_bias"], 0)
        tape["units_kept"] = self._keep(active.shape, random)
        active *= tape["units_kept"]
        tape |= {"raw": raw, "seen": seen, "active": active}
        linear = np.float32(_LINEAR) * (seen @ w["linear"])
        return np.asarray(linear + w["bias"] + active @ w["output"], dtype=np.float32)

    def _encode(self, batch: Batch, tape: Tape) -> Floats:
        """What the classifier sees, shape (n, FEATURES)."""
        w = self.weights
        projected = batch.rows @ _side_by_side(w, "proj")
        projected += _side_by_side(w, "proj_b")
        tape["normal"], tape["scale"] = _normalise(projected)
        base = (
            tape["normal"] * _side_by_side(w, "ln_g") + _side_by_side(w, "ln_b")
        ) * batch.present
        columns = [batch.rows]
        for branch, (width, left) in enumerate(BRANCHES):
            here = np.ascontiguousarray(base[:, branch * WIDTH : (branch + 1) * WIDTH])
            for layer in "12":
                tape[f"in{layer}_{width}"] = here
                grown = _convolve(here, w[f"w{layer}_{width}"], width, left)
                grown += w[f"b{layer}_{width}"]
                np.maximum(grown, 0, out=grown)
                grown *= batch.present
                tape[f"out{layer}_{width}"] = grown
                here = here + grown
            columns.append(here)
        tape["pooled_normal"], tape["pooled_scale"] = _normalise(np.concatenate(columns, axis=1))
        pooled = (tape["pooled_normal"] * w["ln_g"] + w["ln_b"]) * batch.present
        tape["sums"] = np.add.reduceat(pooled, batch.starts, axis=0)
        total = tape["sums"] @ w["cnn_W"] + batch.lengths * w["cnn_b"]
        mean = np.asarray(total / np.sqrt(batch.lengths), dtype=np.float32)
        y0 = np.maximum(mean @ w["d0"], 0)
        y1 = np.maximum(mean @ w["p1"] + y0 @ w["d1"], 0)
        y2 = np.maximum(y1 @ w["d2"], 0)
        z = np.tanh(y1 @ w["p3"] + y2 @ w["d3"])
        tape |= {"mean": mean, "y0": y0, "y1": y1, "y2": y2, "z": z}
        return np.concatenate((z, y1, mean), axis=1, dtype=np.float32)

    def _backward(self, batch: Batch, tape: Tape, slope: Floats) -> None:
        """Fills `slopes` from the gradient of the logits, shape (n, 3)."""
        features = self._classifier_back(tape, slope)
        self._convolutions_back(batch, tape, self._dense_back(batch, tape, features))

    def _classifier_back(self, tape: Tape, slope: Floats) -> Floats:
        """Gradient of what the classifier sees, shape (n, FEATURES)."""
        w, s = self.weights, self.slopes
        seen, active = tape["seen"], tape["active"]
        s["bias"][:] = slope.sum(axis=0)
        np.matmul(seen.T, np.float32(_LINEAR) * slope, out=s["linear"])
        np.matmul(active.T, slope, out=s["output"])
        back = (slope @ w["output"].T) * tape["units_kept"] * (active > 0)
        np.matmul(seen.T, back, out=s["hidden"])
        s["hidden_bias"][:] = back.sum(axis=0)
        back = back @ w["hidden"].T + np.float32(_LINEAR) * (slope @ w["linear"].T)
        back *= tape["features_kept"]
        back /= self.spread
        return back

    def _dense_back(self, batch: Batch, tape: Tape, back: Floats) -> Floats:
        """Gradient of the sums over texts, shape (n, 1280)."""
        w, s = self.weights, self.slopes
        mean, y0, y1, y2, z = (tape[name] for name in ("mean", "y0", "y1", "y2", "z"))
        dz = back[:, :512] * (1 - z * z)
        np.matmul(y1.T, dz, out=s["p3"])
        np.matmul(y2.T, dz, out=s["d3"])
        dy2 = (dz @ w["d3"].T) * (y2 > 0)
        np.matmul(y1.T, dy2, out=s["d2"])
        dy1 = (back[:, 512:832] + dz @ w["p3"].T + dy2 @ w["d2"].T) * (y1 > 0)
        np.matmul(mean.T, dy1, out=s["p1"])
        np.matmul(y0.T, dy1, out=s["d1"])
        dy0 = (dy1 @ w["d1"].T) * (y0 > 0)
        np.matmul(mean.T, dy0, out=s["d0"])
        dmean = (back[:, 832:] + dy1 @ w["p1"].T + dy0 @ w["d0"].T) / np.sqrt(batch.lengths)
        np.matmul(tape["sums"].T, dmean, out=s["cnn_W"])
        s["cnn_b"][:] = (dmean * batch.lengths).sum(axis=0)
        return np.asarray(dmean @ w["cnn_W"].T)

    def _convolutions_back(self, batch: Batch, tape: Tape, sums: Floats) -> None:
        w, s = self.weights, self.slopes
        ends = np.append(batch.starts[1:], len(batch.rows))
        spans = ends - batch.starts
        spread = np.zeros((len(batch.rows), sums.shape[1]), dtype=np.float32)
        spread[batch.starts[0] :] = np.repeat(sums, spans, axis=0)
        spread *= batch.present
        columns = _normalise_back(
            spread, tape["pooled_normal"], tape["pooled_scale"], w["ln_g"], s["ln_g"], s["ln_b"]
        )
        below = np.empty((len(batch.rows), WIDTH * len(BRANCHES)), dtype=np.float32)
        for branch, (width, left) in enumerate(BRANCHES):
            start = 512 + branch * WIDTH
            here = columns[:, start : start + WIDTH] * batch.present
            for layer in "21":
                inner = here * (tape[f"out{layer}_{width}"] > 0)
                s[f"b{layer}_{width}"][:] = inner.sum(axis=0)
                here = here + _convolve_back(
                    inner,
                    tape[f"in{layer}_{width}"],
                    w[f"w{layer}_{width}"],
                    s[f"w{layer}_{width}"],
                    width,
                    left,
                )
            below[:, branch * WIDTH : (branch + 1) * WIDTH] = here * batch.present
        gains, shifts = (np.empty(below.shape[1], dtype=np.float32) for _ in range(2))
        back = _normalise_back(
            below, tape["normal"], tape["scale"], _side_by_side(w, "ln_g"), gains, shifts
        )
        back *= batch.present
        whole = batch.rows.T @ back
        for branch, (width, _) in enumerate(BRANCHES):
            part = slice(branch * WIDTH, (branch + 1) * WIDTH)
            s[f"ln_g{width}"][:] = gains[part]
            s[f"ln_b{width}"][:] = shifts[part]
            s[f"proj{width}"][:] = whole[:, part]
            s[f"proj_b{width}"][:] = back[:, part].sum(axis=0)

    def _keep(self, shape: tuple[int, ...], random: np.random.Generator | None) -> Floats:
        if random is None:
            return np.ones(shape, dtype=np.float32)
        kept = random.random(shape, dtype=np.float32) >= self._dropout
        return kept.astype(np.float32) / np.float32(1 - self._dropout)


def softmax(values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Probabilities of the rows of logits."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _allocate(shapes: dict[str, tuple[int, ...]]) -> tuple[Floats, Weights]:
    """One vector, and its parts under their names."""
    flat = np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()), dtype=np.float32)
    parts: Weights = {}
    start = 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        parts[name] = flat[start : start + size].reshape(shape)
        start += size
    return flat, parts


def _side_by_side(weights: Weights, name: str) -> Floats:
    return np.concatenate([weights[f"{name}{width}"] for width, _ in BRANCHES], axis=-1)


def _normalise(values: Floats) -> tuple[Floats, Floats]:
    """Rows of mean 0 and variance 1, and what they were multiplied with (Ba et al., 2016)."""
    values = values - values.mean(axis=1, keepdims=True)
    square = np.einsum("ij,ij->i", values, values)[:, None] / np.float32(values.shape[1])
    scale = np.reciprocal(np.sqrt(square + np.float32(_EPSILON)))
    values *= scale
    return values, scale


def _normalise_back(
    slope: Floats, normal: Floats, scale: Floats, gain: Floats, gains: Floats, shifts: Floats
) -> Floats:
    """Gradient through `_normalise` and a gain and shift, whose own go into `gains`, `shifts`."""
    gains[:] = np.einsum("ij,ij->j", slope, normal)
    shifts[:] = slope.sum(axis=0)
    inner = slope * gain
    along = np.einsum("ij,ij->i", inner, normal)[:, None] / np.float32(normal.shape[1])
    inner -= inner.mean(axis=1, keepdims=True)
    inner -= normal * along
    inner *= scale
    return inner


def _shifts(width: int, left: int, rows: int) -> Iterator[tuple[int, slice, slice]]:
    """For each place of a window: its number, the rows it is seen from, and the rows it sees."""
    for place in range(width):
        reach = place - left
        yield (
            place,
            slice(max(0, -reach), rows - max(0, reach)),
            slice(max(0, reach), rows + min(0, reach)),
        )


def _convolve(rows: Floats, kernel: Floats, width: int, left: int) -> Floats:
    """Each row's window times the kernel, shape (rows, WIDTH)."""
    found = np.zeros_like(rows)
    for place, seer, sight in _shifts(width, left, len(rows)):
        found[seer] += rows[sight] @ kernel[place * WIDTH : (place + 1) * WIDTH]
    return found


def _convolve_back(
    slope: Floats, rows: Floats, kernel: Floats, kernel_slope: Floats, width: int, left: int
) -> Floats:
    """Gradient of `_convolve` with respect to rows; that of the kernel goes into kernel_slope."""
    found = np.zeros_like(rows)
    for place, seer, sight in _shifts(width, left, len(rows)):
        part = slice(place * WIDTH, (place + 1) * WIDTH)
        np.matmul(rows[sight].T, slope[seer], out=kernel_slope[part])
        found[sight] += slope[seer] @ kernel[part].T
    return found
