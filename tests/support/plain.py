"""Plain stand-ins for matcher, sentiment and bank, where a test is about something else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from models.detection.base import (
    BUCKET_MS,
    Expectation,
    Kind,
    Minute,
    Observation,
    Phase,
    Reading,
    RowSettings,
    Severity,
    Transition,
)


class WordMatcher:
    """A brand is mentioned if its id is a word of the text."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids

    def pairs(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        found = [
            (at, brand)
            for at, text in enumerate(texts)
            for brand, name in enumerate(self._ids)
            if name in text.split()
        ]
        at, brand = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return at, brand


class WordScorer:
    """Negative if the text says "bad"."""

    version = "words-1"

    def score(self, texts, languages=None, seen_ms=None):
        rows = [(0.9, 0.05, 0.05) if "bad" in text else (0.1, 0.2, 0.7) for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 3)


class PlainBank:
    """Fires when a minute's negatives are far above their running mean; resolves when not."""

    def __init__(self, rows: Sequence[RowSettings]) -> None:
        self._mean = [0.0] * len(rows)
        self._onset: list[int | None] = [None] * len(rows)

    def step(self, minute: Minute) -> tuple[Reading, list[Transition]]:
        n = len(self._mean)
        negative = minute.histogram[:, 6:].sum(axis=1) + minute.late_histogram[:, 6:].sum(axis=1)
        transitions = []
        for row in range(n):
            hot = negative[row] > 3 + 2 * self._mean[row]
            phase = None
            if hot and self._onset[row] is None:
                self._onset[row], phase = minute.bucket_ms, Phase.FIRING
            elif not hot and self._onset[row] is not None:
                phase = Phase.RESOLVED
            if phase is not None:
                transitions.append(self._transition(row, phase, minute, float(negative[row])))
            if phase is Phase.RESOLVED:
                self._onset[row] = None
            self._mean[row] = 0.9 * self._mean[row] + 0.1 * float(negative[row])
        zeros = np.zeros(n)
        reading = Reading(
            minute.bucket_ms, np.array(self._mean), zeros, zeros, zeros, negative, zeros
        )
        return reading, transitions

    def _transition(self, row: int, phase: Phase, minute: Minute, negative: float) -> Transition:
        onset = self._onset[row] or 0
        return Transition(
            row=row,
            kind=Kind.SURGE_NEGATIVE,
            phase=phase,
            severity=Severity.ERROR,
            onset_ms=onset,
            onset_low_ms=onset,
            onset_high_ms=onset,
            decided_ms=minute.bucket_ms + BUCKET_MS,
            first_fired_ms=onset,
            revision=0,
            observed=Observation(float(minute.mentions[row]), negative, 0, 0, 0, 1),
            expected=Expectation(0, 0, 0, 0, 0),
            statistic=negative,
            threshold=3.0,
            p_chance=0.0,
            votes={},
            baseline={},
            reason="test",
        )

    def save(self) -> bytes:
        return json.dumps([self._mean, self._onset]).encode()

    def load(self, state: bytes) -> None:
        self._mean, self._onset = json.loads(state)

    def save_rows(self, rows: Sequence[int]) -> bytes:
        return json.dumps([[self._mean[r] for r in rows], [self._onset[r] for r in rows]]).encode()

    def load_rows(self, rows: Sequence[int], state: bytes) -> None:
        means, onsets = json.loads(state)
        for row, mean, onset in zip(rows, means, onsets, strict=True):
            self._mean[row], self._onset[row] = mean, onset
