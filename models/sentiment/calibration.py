"""Calibration of logits to probabilities, and its error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

ERROR_BINS = 15
"""Bins of the expected calibration error, as in Guo et al. (2017)."""


PULL = 10.0
"""How strongly few texts are held at the start, in texts."""


def fit_calibration(
    logits: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    start: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Temperature and class biases of least weighted log loss.

    Bias-corrected temperature scaling (Alexandari et al., 2020, "Maximum Likelihood with
    Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation").

    Args:
        logits: of texts the model was not fitted to, shape (n, 3).
        labels: their classes, shape (n,).
        weights: their weights, shape (n,).
        start: a calibration to stay near to where texts are few; None for none at all.

    Returns:
        Factor of the logits and what is added to the three, shape (4,).
    """
    rows = np.arange(len(labels))
    mass = weights.astype(np.float64) / weights.sum()
    scores = logits.astype(np.float64)
    centre = np.zeros(4)
    if start is not None:
        centre = np.concatenate(([np.log(start[0])], start[1:])).astype(np.float64)
    pull = PULL / len(labels)

    def loss(x: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        z = scores * np.exp(x[0]) + x[1:]
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        whole = p.sum(axis=1)
        value = float(mass @ (np.log(whole) - z[rows, labels])) + pull * float(
            (x - centre) @ (x - centre)
        )
        p /= whole[:, None]
        p[rows, labels] -= 1
        p *= mass[:, None]
        slope = np.concatenate(([np.exp(x[0]) * (p * scores).sum()], p.sum(axis=0)))
        return value, slope + 2 * pull * (x - centre)

    x = minimize(loss, centre, jac=True, method="L-BFGS-B").x
    return np.array([np.exp(x[0]), *x[1:]], dtype=np.float32)


def calibration_error(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> float:
    """Expected calibration error of the likeliest class.

    Args:
        probabilities: shape (n, 3).
        labels: shape (n,).

    Returns:
        Mean gap between confidence and accuracy over equal-width bins, weighted by their texts
        (Naeini et al., 2015).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * ERROR_BINS).astype(np.int64), ERROR_BINS - 1)
    gap = np.zeros(ERROR_BINS)
    np.add.at(gap, index, correct - confidence)
    return float(np.abs(gap).sum() / len(labels))


def chance_error(probabilities: npt.NDArray[np.float32], seed: int, draws: int = 200) -> float:
    """What `calibration_error` is in the mean where the probabilities are right.

    It is not 0: in a bin of few texts the share of right ones differs from its probability.

    Args:
        probabilities: shape (n, 3).
        seed: of the labels, which are drawn from the probabilities.
        draws: how often.

    Returns:
        The mean over the draws.
    """
    random = np.random.default_rng(seed)
    bounds = probabilities[:, :2].cumsum(axis=1)
    errors = []
    for _ in range(draws):
        labels = (random.random((len(bounds), 1)) > bounds).sum(axis=1)
        errors.append(calibration_error(probabilities, labels))
    return float(np.mean(errors))
