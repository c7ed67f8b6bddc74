"""The life of one signal: pending, firing, escalated, cooling, resolved, with hysteresis.

A pure state machine over minutes. It knows nothing of the test behind a signal; it sees whether
the condition holds, whether it has calmed down, and how bad it is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from models.detection.base import Kind, Phase, Severity
from models.detection.severity import ORDER, rank_of

HOLD_MIN = 30
"""A signal that fired stays at least this long."""
CALM_TO_COOL_MIN = 10
CALM_TO_RESOLVE_MIN = 30
PENDING_LIMIT_MIN = 120
ESCALATE_EVERY_MIN = 5
BECAME_CRISIS = "it has become a crisis, which has its own alert"
"""The reason of the end of a mood that another alert supersedes."""

KINDS = tuple(Kind)
PHASES = tuple(Phase)


@dataclass(slots=True)
class Life:
    """Everything that is kept of one life; times in minutes since the epoch.

    Attributes:
        row: row of the bank.
        kind: index into `KINDS`.
        phase: index into `PHASES`.
        severity: index into `ORDER`, the worst so far.
        revision: number of the next transition.
        onset: minute it began, fixed.
        onset_low: start of the interval of the onset.
        onset_high: end of it.
        began: minute of the first transition.
        fired: minute it first fired, or -1.
        changed: minute of the last transition.
        calm_min: covered minutes in a row without the condition.
        peak: largest statistic.
        local: local level of the baseline at the onset, frozen.
        share: negative share of the baseline at the onset, frozen.
        seen_n: posts since the onset; seen_h, seen_authors, seen_negative_authors, seen_reach,
            seen_negative_reach, seen_platforms and seen_min likewise.
        usual_n: posts that were to be expected since the onset; usual_h likewise.
    """

    row: int
    kind: int
    phase: int = 0
    severity: int = 0
    revision: int = 0
    onset: int = 0
    onset_low: int = 0
    onset_high: int = 0
    began: int = 0
    fired: int = -1
    changed: int = 0
    calm_min: int = 0
    peak: float = 0.0
    local: float = 1.0
    share: float = 0.0
    seen_n: float = 0.0
    seen_h: float = 0.0
    seen_authors: float = 0.0
    seen_negative_authors: float = 0.0
    seen_reach: float = 0.0
    seen_negative_reach: float = 0.0
    seen_platforms: float = 0.0
    seen_min: int = 0
    usual_n: float = 0.0
    usual_h: float = 0.0


_FIELDS = tuple(f.name for f in fields(Life))
_WHOLE = frozenset(f.name for f in fields(Life) if f.type in ("int", int))


def encode_lives(lives: list[Life]) -> npt.NDArray[np.float64]:
    """Lives as an array, one row a life, shape (n, number of fields)."""
    rows = [[float(getattr(life, name)) for name in _FIELDS] for life in lives]
    return np.array(rows, dtype=np.float64).reshape(len(lives), len(_FIELDS))


def decode_lives(array: npt.NDArray[Any]) -> list[Life]:
    """Lives from `encode_lives`.

    Raises:
        ValueError: the array has another number of fields.
    """
    if array.ndim != 2 or array.shape[1] != len(_FIELDS):
        raise ValueError(f"lives of shape {array.shape}; expected {len(_FIELDS)} columns")
    lives = []
    for values in array:
        life = Life(row=0, kind=0)
        for name, value in zip(_FIELDS, values, strict=True):
            setattr(life, name, int(value) if name in _WHOLE else float(value))
        lives.append(life)
    return lives


@dataclass(frozen=True, slots=True)
class Sight:
    """What a life is shown of a minute.

    Attributes:
        minute: minutes since the epoch.
        fires: the condition holds and the gate (posts, authors) is passed.
        pends: it nearly holds.
        calm: it no longer holds, with hysteresis.
        loud: it plainly holds again, with hysteresis.
        counts: whether the minute counts for calming down (we can see).
        severity: from impact.
        statistic: value of the test.
        superseded: another alert of the brand says the same and more.
    """

    minute: int
    fires: bool
    pends: bool
    calm: bool
    loud: bool
    counts: bool
    severity: Severity
    statistic: float
    superseded: bool = False


def advance_life(life: Life, sight: Sight, reopen_min: int) -> tuple[bool, str]:
    """Takes one minute.

    Args:
        life: changed in place.
        sight: the minute.
        reopen_min: a resolved life listens this long for its return.

    Returns:
        Whether the life goes on being kept, and the reason of a transition ("" if there is none;
        the phase entered is in `life.phase`).
    """
    if sight.counts:
        life.calm_min = life.calm_min + 1 if sight.calm else 0
    life.peak = max(life.peak, sight.statistic)
    phase = PHASES[life.phase]
    if phase is Phase.WATCH:
        return _advance_pending(life, sight)
    if sight.superseded and phase is not Phase.RESOLVED:
        enter_phase(life, Phase.RESOLVED, sight)
        return True, BECAME_CRISIS
    if phase in (Phase.FIRING, Phase.ESCALATED):
        return True, _advance_firing(life, sight)
    if phase is Phase.COOLING:
        return True, _advance_cooling(life, sight)
    return _advance_resolved(life, sight, reopen_min)


def enter_phase(life: Life, phase: Phase, sight: Sight) -> None:
    """Moves a life into a phase."""
    life.phase = PHASES.index(phase)
    life.changed = sight.minute
    if phase is Phase.WATCH:
        life.severity = rank_of(sight.severity)
    if phase in (Phase.FIRING, Phase.ESCALATED):
        life.severity = max(life.severity, rank_of(sight.severity))
        if life.fired < 0:
            life.fired = sight.minute
        life.calm_min = 0


def _advance_pending(life: Life, sight: Sight) -> tuple[bool, str]:
    if sight.fires:
        enter_phase(life, Phase.FIRING, sight)
        return True, "the evidence passed the threshold"
    faded = life.calm_min >= CALM_TO_RESOLVE_MIN
    if faded or (sight.counts and sight.minute - life.began >= PENDING_LIMIT_MIN):
        enter_phase(life, Phase.RESOLVED, sight)
        return True, "it did not grow and faded without an alarm"
    return True, ""


def _advance_firing(life: Life, sight: Sight) -> str:
    since = sight.minute - life.changed
    if rank_of(sight.severity) > life.severity and since >= ESCALATE_EVERY_MIN:
        before = ORDER[life.severity]
        enter_phase(life, Phase.ESCALATED, sight)
        return f"the impact grew from {before.value} to {sight.severity.value}"
    if life.calm_min >= CALM_TO_COOL_MIN and since >= HOLD_MIN:
        enter_phase(life, Phase.COOLING, sight)
        return "the rate is back near its baseline"
    return ""


def _advance_cooling(life: Life, sight: Sight) -> str:
    if sight.loud and sight.fires:
        enter_phase(life, Phase.FIRING, sight)
        return "it came back while cooling"
    if life.calm_min >= CALM_TO_RESOLVE_MIN:
        enter_phase(life, Phase.RESOLVED, sight)
        return f"back at its baseline {sight.minute - life.fired} minutes after it fired"
    return ""


def _advance_resolved(life: Life, sight: Sight, reopen_min: int) -> tuple[bool, str]:
    if sight.fires and sight.loud:
        again = life.fired >= 0
        enter_phase(life, Phase.FIRING, sight)
        return True, "it came back; the same alert goes on" if again else "it came back and grew"
    return sight.minute - life.changed < reopen_min, ""
