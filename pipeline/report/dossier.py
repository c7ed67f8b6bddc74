"""Everything that the topics say of one alert, gathered in any order and with repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.alert import CrisisAlert
from models.feedback import Feedback
from models.series import SeriesPoint


@dataclass(slots=True)
class Dossier:
    """Gathers what concerns one alert and the brand it is about.

    What stands in an exhibit is taken from the newest revision alone: a post that was erased is in
    the older ones still, but it is gone from here.

    Attributes:
        alert_id: of the alert.
    """

    alert_id: str
    _alerts: dict[str, dict[int, CrisisAlert]] = field(default_factory=dict)
    _points: dict[int, SeriesPoint] = field(default_factory=dict)
    _answers: dict[bytes, Feedback] = field(default_factory=dict)

    def take_alert(self, alert: CrisisAlert) -> None:
        """Takes a revision of this alert or of another one of any brand."""
        self._alerts.setdefault(alert.alert_id, {})[alert.revision] = alert

    def forget_alert(self, alert_id: str) -> None:
        """Takes a tombstone."""
        self._alerts.pop(alert_id, None)

    def take_point(self, point: SeriesPoint) -> None:
        """Takes a closed bucket; of the same bucket the later one counts."""
        self._points[point.bucket_ms] = point

    def take_answer(self, key: bytes, answer: Feedback | None) -> None:
        """Takes an answer, or its withdrawal."""
        if answer is None:
            self._answers.pop(key, None)
        elif answer.alert_id == self.alert_id:
            self._answers[key] = answer

    @property
    def revisions(self) -> list[CrisisAlert]:
        """Revisions of the alert, oldest first; [] if it is not known."""
        return [alert for _, alert in sorted(self._alerts.get(self.alert_id, {}).items())]

    @property
    def known_alerts(self) -> list[CrisisAlert]:
        """The newest revision of each alert, by onset."""
        newest = [revisions[max(revisions)] for revisions in self._alerts.values()]
        return sorted(newest, key=lambda alert: (alert.onset, alert.alert_id))

    def earlier_alerts(self) -> list[CrisisAlert]:
        """Alerts of the same brand that fired and began before this one, oldest first."""
        alert = self.revisions[-1]
        return [
            other
            for other in self.known_alerts
            if other.brand == alert.brand
            and other.fired_at is not None
            and other.onset < alert.onset
        ]

    def minutes(self) -> list[SeriesPoint]:
        """Closed buckets of the brand, oldest first."""
        brand = self.revisions[-1].brand
        return [point for _, point in sorted(self._points.items()) if point.brand == brand]

    @property
    def answers(self) -> list[Feedback]:
        """What people said, in the order in which they said it."""
        return sorted(self._answers.values(), key=lambda answer: (answer.at, answer.answer))
