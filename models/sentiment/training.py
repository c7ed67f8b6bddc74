"""From texts and class probabilities to a model: fit, quantise, calibrate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.sentiment.features import COMMON_BITS, ROW_BITS
from models.sentiment.kernel import CLASSES, DIMENSIONS, batch_logits
from models.sentiment.optimiser import fit_pass
from models.sentiment.weights import Weights

Progress = Callable[[], None]
"""Called after each pass over the texts."""

_F32 = np.float32


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is fitted.

    Attributes:
        passes: passes over the texts.
        rate: learning rate of the first pass; it falls linearly.
        dropout: share of a text's features that is left out, anew in each pass.
        units: size of the rectified layer.
        spread: standard deviation of the rows at the start.
    """

    passes: int = 4
    rate: float = 0.02
    dropout: float = 0.5
    units: int = 16
    spread: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Texts to fit.

    Attributes:
        data: UTF-8 bytes of all texts.
        offsets: where each starts, and the end of the last, shape (n + 1,).
        targets: class probabilities, shape (n, 3).
        weights: shape (n,).
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def fit(
    examples: Examples,
    chosen: npt.NDArray[np.int64],
    settings: Settings,
    seed: int,
    progress: Progress,
) -> Weights:
    """Fits a model to some of the examples; it is not calibrated yet.

    Args:
        examples: all texts.
        chosen: the ones to fit, shape (m,).
        settings: how.
        seed: of the start and the order.
        progress: called after each pass.

    Returns:
        Quantised weights with an identity for calibration.
    """
    random = np.random.default_rng(seed)
    rows = 1 << ROW_BITS
    table = random.standard_normal((rows, DIMENSIONS), dtype=_F32) * _F32(settings.spread)
    hidden = random.standard_normal((settings.units, DIMENSIONS), dtype=_F32) / _F32(4)
    hidden_bias = np.full(settings.units, 0.1, dtype=_F32)
    output = random.standard_normal((CLASSES, DIMENSIONS + settings.units), dtype=_F32) * _F32(0.3)
    bias = np.zeros(CLASSES, dtype=_F32)
    squares = (
        np.ones(settings.units, dtype=_F32),
        np.ones_like(output),
        np.ones_like(bias),
    )
    table_squares = np.zeros(rows, dtype=_F32)
    for turn in range(settings.passes):
        fit_pass(
            examples.data,
            examples.offsets,
            random.permutation(chosen),
            examples.targets,
            examples.weights,
            table,
            table_squares,
            hidden,
            hidden_bias,
            output,
            bias,
            *squares,
            settings.rate * (1 - turn / settings.passes),
            settings.dropout,
            0.0,
            np.uint64(random.integers(1, 2**63)),
        )
        progress()
    steps, scale = quantise(table)
    return Weights(
        version="",
        languages=("und",),
        table=steps,
        scale=scale,
        hidden=hidden,
        hidden_bias=hidden_bias,
        output=output,
        bias=bias,
        calibration=np.array([[1, 0, 0, 0]], dtype=_F32),
        common=np.zeros(1 << COMMON_BITS, dtype=np.uint8),
    )


def quantise(
    table: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rounds a table to int8, a scale for each column; the rare extremes are cut.

    Args:
        table: shape (rows, DIMENSIONS).

    Returns:
        The steps, and the value of one step of each column.
    """
    size = np.abs(table)
    reach = np.minimum(size.max(axis=0), 1.5 * np.quantile(size, 0.9999, axis=0))
    scale = np.maximum(reach / 127, 1e-12).astype(_F32)
    return np.clip(np.rint(table / scale), -127, 127).astype(np.int8), scale


def logits(weights: Weights, examples: Examples) -> npt.NDArray[np.float32]:
    """Uncalibrated logits of all examples, shape (n, 3)."""
    found = np.empty((len(examples.weights), CLASSES), dtype=_F32)
    batch_logits(
        examples.data,
        examples.offsets,
        weights.table,
        weights.scale,
        weights.hidden,
        weights.hidden_bias,
        weights.output,
        weights.bias,
        found,
    )
    return found
