"""A small crisis with known figures, for tests of the report."""

from __future__ import annotations

from typing import Any

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Phase
from models.feedback import Answer, Feedback
from models.series import SeriesPoint
from pipeline.report.dossier import Dossier
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, series_point

FIRED_MIN, PEAK_MIN, HALF_MIN, RESOLVED_MIN = 20, 60, 100, 180

STEP = {
    "owner": "social-media",
    "severity": "error",
    "first_steps": ["Call operations"],
    "deadline_minutes": 60,
    "holding_statement": {"pl": "Wiemy o tym."},
    "escalate": [{"after_minutes": 15, "to": "duty-manager"}, {"after_minutes": 60, "to": "board"}],
}


def at(minute: int) -> Any:
    return from_ms(NOON_MS + minute * BUCKET_MS)


def minute(number: int) -> SeriesPoint:
    """Four mentions a minute, one of them negative; 40 more between peak and turning, 20 around."""
    extra = 0
    if 0 <= number < RESOLVED_MIN:
        extra = 20
    if PEAK_MIN - 10 <= number < PEAK_MIN + 10:
        extra = 60
    if number >= HALF_MIN:
        extra = 0
    return series_point(
        number,
        mentions=4 + extra,
        negative=1 + extra,
        sentiment=-0.6 if extra else 0.1,
        expected=4.0,
        low=1.0,
        high=9.0,
        expected_negative_share=0.25,
    )


def revision(number: int, phase: Phase, decided_min: int, **changes: Any) -> CrisisAlert:
    status = {Phase.WATCH: "pending", Phase.RESOLVED: "resolved"}.get(phase, "firing")
    values: dict[str, Any] = {
        "phase": phase,
        "decided_at": at(decided_min),
        "fired_at": None if status == "pending" else at(FIRED_MIN),
        "resolved_at": at(decided_min) if status == "resolved" else None,
        "reason": f"reason {number}",
        "platforms": {"bluesky": 30, "mastodon": 10},
        "languages": {"pl": 30, "de": 10},
        "step": STEP,
        "expected": {
            "mentions": 42,
            "low": 25,
            "high": 66,
            "negative": 12,
            "negative_share": 0.25,
        },
    }
    return crisis_alert(number, status, **(values | changes))


LIFE = (
    (Phase.WATCH, 5),
    (Phase.FIRING, FIRED_MIN),
    (Phase.ESCALATED, 50),
    (Phase.COOLING, 140),
    (Phase.RESOLVED, RESOLVED_MIN),
)


def dossier(**changes: Any) -> Dossier:
    """The whole life, a day before it and two days after it."""
    revisions = [revision(n, phase, when, **changes) for n, (phase, when) in enumerate(LIFE)]
    gathered = Dossier(revisions[0].alert_id)
    for alert in revisions:
        gathered.take_alert(alert)
    for number in range(-1440, 2880):
        gathered.take_point(minute(number))
    return gathered


def answer(kind: Answer, minute_said: int, **more: Any) -> Feedback:
    alert = revision(0, Phase.WATCH, 5)
    return Feedback(
        alert_id=alert.alert_id, brand=alert.brand, answer=kind, at=at(minute_said), **more
    )
