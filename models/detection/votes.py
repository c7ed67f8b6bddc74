"""Second opinions: River's detectors beside the test, asked when a signal changes.

A vote is a pure function of the saved state: the detectors are trained anew on what the bank keeps
(a brand's last 100 minutes, a sample of all brands' stretches), so nothing of River's is persisted
and a restored bank votes alike.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from river import anomaly, base, drift

from models.detection import columns as c

SELF = "two-null"
ADWIN = "river.drift.ADWIN"
FOREST = "river.anomaly.HalfSpaceTrees"
SAMPLE = 256
"""Stretches of all brands that the one global forest is trained on."""
N_FEATURES = 3
_FLAGS_PER_SLOT = 50
_RECENT_SLOTS = 6
_GRACE = 4
_STRETCHES_TRIED = 20


def find_detector(name: str) -> type[Any]:
    """The River class behind an import path.

    Raises:
        ValueError: there is none, or it is no anomaly detector.
    """
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise ValueError(
            f"{name!r} cannot be imported; "
            'name "two-null" or a path such as "river.anomaly.GaussianScorer"'
        ) from None
    kinds = (base.AnomalyDetector, base.SupervisedAnomalyDetector)
    if not (inspect.isclass(found) and issubclass(found, kinds)):
        raise ValueError(f"{name!r} is not one of River's anomaly detectors")
    return found


def check_detectors(names: Sequence[str]) -> tuple[str, ...]:
    """The names of second opinions, each known to exist and to work; without the test itself.

    Raises:
        ValueError: a name is unknown, or what it names cannot be made or asked.
    """
    for name in names:
        if name not in (SELF, ADWIN, FOREST):
            _try_out(name, find_detector(name))
    return tuple(name for name in names if name != SELF)


def _try_out(name: str, kind: type[Any]) -> None:
    """Asks a new detector about a few stretches: better told now than when an alert is due."""
    ring = np.zeros((_STRETCHES_TRIED, c.N_RING), dtype=np.float32)
    ring[:, c.RING_S] = ring[:, c.RING_N] = ring[:, c.RING_MU] = 1.0
    try:
        _vote_one(_make(kind), list(ring), _STRETCHES_TRIED // 2, 0.5)
    except Exception as error:  # whatever a class of others may raise
        raise ValueError(f"{name!r} cannot vote: {error}") from error


def describe_slot(slot: Any, share: float) -> npt.NDArray[np.float32]:
    """A stretch of a brand as features in [0, 1], alike for brands of every size, shape (3,).

    Posts against expectation, negative posts against expectation, share of negatives.
    """
    n, h, mu = float(slot[c.RING_N]), float(slot[c.RING_H]), float(slot[c.RING_MU])
    usual = mu * share
    return np.array(
        [(n + 1) / (n + mu + 2), (h + 1) / (h + usual + 2), (h + share) / (n + 1)],
        dtype=np.float32,
    )


def cast_votes(
    names: Sequence[str],
    ring: Any,
    minute: int,
    onset: int,
    share: float,
    forest: Any,
) -> dict[str, float]:
    """Scores in [0, 1] of the named detectors for the last stretches of a brand.

    Args:
        names: import paths, from `check_detectors`.
        ring: the brand's last 100 minutes, shape (N_SLOTS, N_RING).
        minute: minutes since the epoch.
        onset: minute the signal began; detectors learn from before it.
        share: the brand's usual share of negatives.
        forest: from `grow_forest`, or None while there are too few stretches.
    """
    current = minute // c.SLOT_MIN
    slots = [ring[s % c.N_SLOTS] for s in range(current - c.N_SLOTS + 1, current + 1)]
    since = min(max(current - onset // c.SLOT_MIN + 1, 1), c.N_SLOTS)
    votes = {}
    for name in names:
        if name == ADWIN:
            votes[name] = _vote_adwin(slots)
        elif name == FOREST:
            votes[name] = _vote_forest(slots, share, forest)
        else:
            votes[name] = _vote_one(_make(find_detector(name)), slots, since, share)
    return votes


def _make(kind: type[Any]) -> Any:
    """A detector as its class makes it, but for a grace period that fits twenty stretches."""
    if "grace_period" in inspect.signature(kind).parameters:
        return kind(grace_period=_GRACE)
    return kind()


def _vote_adwin(slots: list[Any]) -> float:
    """1 if the share of negatives changed for the worse in the last half hour, else 0."""
    detector = drift.ADWIN(delta=0.05, clock=8)
    vote = 0.0
    for k, slot in enumerate(slots):
        n, h = float(slot[c.RING_N]), float(slot[c.RING_H])
        before = detector.estimation
        flags = min(round(n), _FLAGS_PER_SLOT)
        for j in range(flags):
            # Negative posts spread evenly over the stretch.
            negative = int((j + 1) * h / n) > int(j * h / n)
            detector.update(float(negative))
            rose = detector.drift_detected and detector.estimation > before
            if rose and k >= len(slots) - _RECENT_SLOTS:
                vote = 1.0
    return vote


def grow_forest(sample: npt.NDArray[np.float32]) -> Any:
    """The one forest over all brands, or None while there are too few stretches.

    Args:
        sample: stretches of all brands, oldest first, shape (n, N_FEATURES).
    """
    if len(sample) < SAMPLE // 4:
        return None
    forest = anomaly.HalfSpaceTrees(n_trees=10, height=6, window_size=len(sample) // 2, seed=7)
    for features in sample:
        forest.learn_one(_named(features))
    return forest


def _vote_forest(slots: list[Any], share: float, forest: Any) -> float:
    """Largest score of the last half hour by the forest."""
    if forest is None:
        return 0.0
    recent = slots[-_RECENT_SLOTS:]
    return max(_clip(forest.score_one(_named(describe_slot(slot, share)))) for slot in recent)


def _vote_one(detector: Any, slots: list[Any], since: int, share: float) -> float:
    """Largest score since the onset by a detector that learnt the stretches before."""
    described = [describe_slot(slot, share) for slot in slots if slot[c.RING_S] > 0]
    if len(described) <= since:
        return 0.0
    supervised = isinstance(detector, base.SupervisedAnomalyDetector)
    scores = []
    for k, features in enumerate(described):
        x = _named(features)
        late = k >= len(described) - since
        if late:
            scores.append(
                detector.score_one(x, x["negative"]) if supervised else detector.score_one(x)
            )
        elif supervised:
            detector.learn_one(x, x["negative"])
        else:
            detector.learn_one(x)
    return max(_clip(score) for score in scores)


def _named(features: npt.NDArray[np.float32]) -> dict[str, float]:
    return {
        "posts": float(features[0]),
        "negative": float(features[1]),
        "share": float(features[2]),
    }


def _clip(score: float) -> float:
    return float(min(max(score, 0.0), 1.0)) if score == score else 0.0
