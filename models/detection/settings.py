"""Settings of the bank; one dial for the user, the rest are constants of the method."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

PERIOD_MIN = 28 * 24 * 60.0
"""Minutes of four weeks, the period false-alarm budgets are quoted for."""

PRESETS = MappingProxyType({"calm": 0.25, "balanced": 1.0, "eager": 4.0})
"""Names for budgets: allowed false alarms per brand in four weeks."""


def parse_budget(preset: str) -> float:
    """Allowed false alarms in four weeks behind a preset's name.

    Raises:
        ValueError: unknown preset.
    """
    try:
        return PRESETS[preset]
    except KeyError:
        known = ", ".join(PRESETS)
        raise ValueError(f"unknown preset {preset!r}; choose one of: {known}") from None


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How a bank decides.

    Attributes:
        detectors: second votes beside the test, by name: "two-null" is the test itself; others
            are import paths of River detectors, for example "river.anomaly.GaussianScorer".
        calibration_negative_share: share of negatives in the data on which P(negative) was
            calibrated; turns a probability into a likelihood ratio.
        prior_negative_share: negative share expected of a brand before anything is known.
        pending_margin: a signal is pending from this many nats below its threshold.
        reopen_min: a signal that comes back within this many minutes continues the same alert.
        pool_min_rows: brands needed before "all rise together" is looked for.
    """

    detectors: tuple[str, ...] = (
        "two-null",
        "river.drift.ADWIN",
        "river.anomaly.HalfSpaceTrees",
    )
    calibration_negative_share: float = 0.35
    prior_negative_share: float = 0.2
    pending_margin: float = 1.5
    reopen_min: int = 360
    pool_min_rows: int = 8

    def __post_init__(self) -> None:
        for name in ("calibration_negative_share", "prior_negative_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.pending_margin < 0:
            raise ValueError(f"pending_margin must not be negative, got {self.pending_margin}")
        if self.reopen_min < 0:
            raise ValueError(f"reopen_min must not be negative, got {self.reopen_min}")


DEFAULT = DetectionSettings()
"""What a bank uses unless told otherwise."""
