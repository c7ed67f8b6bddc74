"""Notices that the level of a figure has changed, with River's ADWIN.

ADWIN (Bifet and Gavaldà, 2007) keeps a window that it shortens when the means of two parts of it
differ by more than chance allows.
"""

from __future__ import annotations

from river import drift


class DriftWatch:
    """Watches one figure in [0, 1].

    Attributes:
        changes: how often its level was found to have changed.
    """

    def __init__(self) -> None:
        self._detector = drift.ADWIN()
        self.changes = 0

    def update(self, value: float) -> None:
        """Takes the next value."""
        self._detector.update(value)
        if self._detector.drift_detected:
            self.changes += 1

    @property
    def mean(self) -> float:
        """Mean over the window since the last change; 0 before the first value."""
        return float(self._detector.estimation)
