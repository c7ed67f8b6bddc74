"""Detection of crises in per-minute tallies.

The bank brings compiled code and River along, so it is loaded when it is asked for: connectors know
the contracts alone, and take a quarter of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.base import Bank, RowSettings
from models.detection.settings import DEFAULT, DetectionSettings

__all__ = ["Bank", "DetectionSettings", "RowSettings", "make_bank"]


def make_bank(rows: Sequence[RowSettings], settings: DetectionSettings = DEFAULT) -> Bank:
    """The bank of detectors for a list of brands, row r for `rows[r]`."""
    from models.detection.bank import TwoNullBank

    return TwoNullBank(rows, settings)
