"""Which of many brands to look at first: e-values and the e-BH rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.detection.base import Floats


def e_values(statistics: Floats, thresholds: Floats) -> Floats:
    """Evidence against usual business within the budget's period.

    A Shiryaev–Roberts statistic less the minutes gone has mean zero under the null, so the
    statistic over the minutes of the period has mean at most one: an e-value.

    Args:
        statistics: logs of the statistics, shape (R,).
        thresholds: logs of the minutes per allowed false alarm, shape (R,).

    Returns:
        E-values, shape (R,).
    """
    return np.exp(np.minimum(statistics - thresholds, 60.0))


def select_by_ebh(values: Floats, level: float) -> npt.NDArray[np.int64]:
    """Brands that stand out with false discoveries at most `level` on average, strongest first.

    The e-BH procedure (Wang, Ramdas 2022): the k largest e-values are kept for the largest k with
    e₍ₖ₎ ≥ R / (level·k). Valid under any dependence between brands.

    Args:
        values: e-values, shape (R,).
        level: share of false discoveries accepted, in (0, 1].

    Returns:
        Indices of the brands kept, by falling e-value; ties by index.

    Raises:
        ValueError: `level` is not in (0, 1].
    """
    if not 0.0 < level <= 1.0:
        raise ValueError(f"level must be in (0, 1], got {level}")
    order = np.argsort(-values, kind="stable")
    place = np.arange(1, len(values) + 1)
    enough = np.flatnonzero(values[order] >= len(values) / (level * place))
    return order[: enough[-1] + 1] if len(enough) else order[:0]
