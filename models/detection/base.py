"""What the watch stage asks of a bank of detectors, one row a brand.

The bank is a struct of arrays: row ``r`` belongs to one brand for as long as the bank lives. All
times are event time, milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BUCKET_MS = 60_000
"""Length of a bucket."""
ALL_ROWS = -1
"""Row of a transition that concerns all brands of a bank together: a platform effect."""


class Kind(StrEnum):
    """Kinds of signal; each has an identity and a life of its own."""

    SURGE_NEGATIVE = "surge-negative"  # the crisis: more posts, and angrier ones
    SURGE = "surge"  # volume alone: buzz
    MOOD = "mood"  # a worse mood at usual volume
    COORDINATED = "coordinated"  # a flood of copies; a mark, never an accusation
    COVERAGE = "coverage"  # we are blind


class Phase(StrEnum):
    """Where in its life a signal is."""

    CALM = "calm"
    WATCH = "watch"  # pending: evidence is near the threshold
    FIRING = "firing"
    ESCALATED = "escalated"  # firing, and the severity rose
    COOLING = "cooling"  # still active, the condition no longer holds
    RESOLVED = "resolved"  # seen once, as the last transition of a life


class Severity(StrEnum):
    """PagerDuty CEF severities, from impact and never from evidence."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Minute:
    """One closed bucket over all rows of a bank (R rows).

    Attributes:
        bucket_ms: start of the bucket.
        mentions: all mentions, copies and late ones included, shape (R,).
        histogram: mentions that count (copies and loud authors capped) by bin of P(negative),
            on time, shape (R, N_BINS).
        late_histogram: the same for posts of earlier buckets that arrived late, shape (R, N_BINS).
        copies: mentions left out of the histogram as near-duplicates, shape (R,).
        negative_authors: distinct authors of negative mentions (estimate), shape (R,).
        authors: distinct authors (estimate), shape (R,).
        reach: sum of the authors' reach, shape (R,).
        negative_reach: the same over negative mentions, shape (R,).
        platforms: distinct platforms, shape (R,).
        coverage: share of what should be seen that was seen, in [0, 1], shape (R,).
    """

    bucket_ms: int
    mentions: Floats
    histogram: Floats
    late_histogram: Floats
    copies: Floats
    negative_authors: Floats
    authors: Floats
    reach: Floats
    negative_reach: Floats
    platforms: Floats
    coverage: Floats


@dataclass(frozen=True, slots=True)
class Reading:
    """What the bank makes of a minute, one value a row; the `series` topic carries it.

    Attributes:
        bucket_ms: start of the bucket.
        expected: expected mentions of the minute, shape (R,).
        low: lower bound of the 95 % prediction interval of the mentions, shape (R,).
        high: upper bound, shape (R,).
        expected_negative_share: baseline share of negative mentions in [0, 1], shape (R,).
        statistic: the crisis test's statistic, natural log units, shape (R,).
        threshold: it fires at or above this, shape (R,).
    """

    bucket_ms: int
    expected: Floats
    low: Floats
    high: Floats
    expected_negative_share: Floats
    statistic: Floats
    threshold: Floats


@dataclass(frozen=True, slots=True)
class Observation:
    """Figures since the onset of a signal, or of its last minute: what was seen or expected."""

    mentions: float
    negative: float
    authors: float
    negative_authors: float
    reach: float
    minutes: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a usual stretch of the same length would have brought."""

    mentions: float
    low: float
    high: float
    negative: float
    negative_share: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A change in the life of one signal that a person would want to know.

    Attributes:
        row: row of the bank, or `ALL_ROWS`.
        kind: kind of signal.
        phase: the phase entered (or kept, when severity or impact changed).
        severity: from impact.
        onset_ms: best estimate of when it began (start of a bucket), fixed at the first
            transition of a life: with row and kind it is the identity of the alert.
        onset_low_ms: start of the interval of the current onset estimate.
        onset_high_ms: end of it.
        decided_ms: end of the bucket that led to this.
        first_fired_ms: when it first fired, or None while pending.
        revision: 0, 1, 2 … within the life.
        observed: since the onset.
        expected: over the same stretch.
        statistic: value of the test.
        threshold: what it was compared with.
        p_chance: probability that a usual brand like this shows such minutes by chance,
            within the budget's period; 1 where nothing is claimed (coverage, platform effects).
        votes: other detectors' scores in [0, 1] by name.
        baseline: figures of the baseline used, by name.
        reason: one sentence in plain English: why this transition.
    """

    row: int
    kind: Kind
    phase: Phase
    severity: Severity
    onset_ms: int
    onset_low_ms: int
    onset_high_ms: int
    decided_ms: int
    first_fired_ms: int | None
    revision: int
    observed: Observation
    expected: Expectation
    statistic: float
    threshold: float
    p_chance: float
    votes: dict[str, float]
    baseline: dict[str, float]
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """A stretch in which more posts are expected; it never hides a negative surge."""

    from_ms: int
    to_ms: int
    name: str


@dataclass(frozen=True, slots=True)
class RowSettings:
    """What the watchlist says of one brand.

    Attributes:
        false_alarms: allowed false alarms per `period_min`.
        period_min: minutes of that period.
        utc_offset_min: brand's local time zone is given by name; the bank uses UTC hours, so
            this is 0 unless the caller knows better.
        events: planned events.
    """

    false_alarms: float = 1.0
    period_min: float = 28 * 24 * 60
    utc_offset_min: int = 0
    events: tuple[PlannedEvent, ...] = ()


class Bank(Protocol):
    """Detectors and alert lives of many brands; deterministic, no clock, no I/O."""

    def __init__(self, rows: Sequence[RowSettings]) -> None: ...

    def step(self, minute: Minute) -> tuple[Reading, list[Transition]]:
        """Takes the next bucket (strictly increasing; a gap is a stretch of zero coverage)."""
        ...

    def save(self) -> bytes:
        """The whole state as versioned arrays; the same state gives the same bytes."""
        ...

    def load(self, state: bytes) -> None:
        """Restores `save`; continues exactly. Raises ValueError on a foreign or damaged state."""
        ...

    def save_rows(self, rows: Sequence[int]) -> bytes:
        """The state of some rows, to be loaded into other positions after the watchlist changed."""
        ...

    def load_rows(self, rows: Sequence[int], state: bytes) -> None:
        """Puts saved rows at the given positions."""
        ...
