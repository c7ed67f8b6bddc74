"""Detection of crises in per-minute tallies."""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.bank import TwoNullBank
from models.detection.base import Bank, RowSettings
from models.detection.settings import DEFAULT, DetectionSettings

__all__ = ["Bank", "DetectionSettings", "RowSettings", "TwoNullBank", "make_bank"]


def make_bank(rows: Sequence[RowSettings], settings: DetectionSettings = DEFAULT) -> Bank:
    """The bank of detectors for a list of brands, row r for `rows[r]`."""
    return TwoNullBank(rows, settings)
