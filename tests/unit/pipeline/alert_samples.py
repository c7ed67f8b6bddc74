"""Alerts and series points for tests, with only what a test cares about spelled out."""

from __future__ import annotations

from typing import Any

from models.alert import CrisisAlert, alert_id, from_ms
from models.detection.base import BUCKET_MS, Kind, Phase, Severity
from models.series import SeriesPoint
from pipeline.ledger import Ledger, PastMinute

NOON_MS = 1_424_606_400_000  # 22 February 2015, 12:00 UTC


def series_point(minute: int = 0, brand: str = "orzel-air", **changes: Any) -> SeriesPoint:
    """A quiet closed bucket, `minute` minutes after noon."""
    values: dict[str, Any] = {
        "brand": brand,
        "bucket_ms": NOON_MS + minute * BUCKET_MS,
        "mentions": 4,
        "negative": 1,
        "sentiment": 0.1,
        "expected": 3.5,
        "low": 0,
        "high": 8,
        "expected_negative_share": 0.3,
        "statistic": 0.4,
        "threshold": 9.0,
        "rolling_mentions_per_min": 3.8,
        "rolling_sentiment": 0.1,
        "coverage": 1,
    }
    return SeriesPoint.model_validate(values | changes)


def past_minute(minute: int = 0, **changes: Any) -> PastMinute:
    """The same as a ledger keeps it."""
    ledger = Ledger()
    ledger.fold_point(series_point(minute, **changes))
    return ledger.brands()[0].history[0]


def crisis_alert(
    revision: int = 0,
    status: str = "firing",
    minute: int = 0,
    brand: str = "orzel-air",
    **changes: Any,
) -> CrisisAlert:
    """A revision of an alert whose onset lies `minute` minutes after noon."""
    onset_ms = NOON_MS + minute * BUCKET_MS
    kind = Kind(changes.pop("kind", Kind.SURGE_NEGATIVE))
    phase = {"pending": Phase.WATCH, "firing": Phase.FIRING, "resolved": Phase.RESOLVED}[status]
    decided_ms = onset_ms + (revision + 5) * BUCKET_MS
    values: dict[str, Any] = {
        "alert_id": alert_id(brand, kind, onset_ms),
        "revision": revision,
        "brand": brand,
        "brand_name": brand.replace("-", " ").title(),
        "kind": kind,
        "status": status,
        "phase": phase,
        "severity": Severity.ERROR,
        "summary": f"{brand}: negative posts surge",
        "reason": "the statistic passed its threshold",
        "onset": from_ms(onset_ms),
        "onset_low": from_ms(onset_ms - 2 * BUCKET_MS),
        "onset_high": from_ms(onset_ms + 2 * BUCKET_MS),
        "decided_at": from_ms(decided_ms),
        "fired_at": None if status == "pending" else from_ms(onset_ms + 5 * BUCKET_MS),
        "resolved_at": from_ms(decided_ms) if status == "resolved" else None,
        "observed": {
            "minutes": 12,
            "mentions": 240,
            "negative": 201,
            "authors": 190,
            "negative_authors": 160,
            "reach": 1_250_000,
            "sentiment": -0.62,
        },
        "expected": {
            "mentions": 42,
            "low": 25,
            "high": 66,
            "negative": 13,
            "negative_share": 0.31,
        },
        "evidence": {"statistic": 41.5, "threshold": 9.0, "p_chance": 1e-9},
        "pipeline_sent_ms": decided_ms,
    }
    return CrisisAlert.model_validate(values | changes)
