"""The view of alerts and series that exporter, console and terminal share.

Pure: it takes records and keeps what is current. A topic may be read twice, from any point and with
repeats, and the view is the same: of an alert the highest revision counts, of a brand's bucket the
record that came last. No clock: the time of the view is the newest closed bucket (event time).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from sys import intern
from typing import Literal

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Kind, Severity
from models.feedback import Answer, Feedback
from models.series import SeriesPoint

DEFAULT_HISTORY_BUCKETS = 360
"""Closed buckets kept of each brand: six hours."""
DEFAULT_RESOLVED_KEPT = 1000
"""Resolved alerts kept; the older ones live on in the topic."""

SEVERITY_LEVEL: Mapping[Severity, int] = {
    Severity.INFO: 1,
    Severity.WARNING: 2,
    Severity.ERROR: 3,
    Severity.CRITICAL: 4,
}
"""Order of the severities; 0 is kept for "nothing"."""

STATUS_LEVEL = {"firing": 2, "pending": 1, "resolved": 0}

BrandState = Literal["firing", "pending", "blind", "calm", "unknown"]
"""`blind`: part of what we should see is missing; `unknown`: no bucket has closed yet."""

FULL_COVERAGE = 0.995
"""Below this a brand counts as partly blind."""


@dataclass(frozen=True, slots=True)
class PastMinute:
    """What is kept of a closed bucket, in a tenth of the memory that the record takes."""

    bucket_ms: int
    mentions: int
    negative: float
    sentiment: float | None
    expected: float
    low: float
    high: float
    coverage: float
    negative_share: float  # expected
    weighted_sentiment: float | None
    platforms: tuple[tuple[str, int], ...]
    terms: tuple[tuple[str, float], ...]  # with their share; once an hour


@dataclass(frozen=True, slots=True)
class BrandView:
    """What is known of one brand now.

    Attributes:
        brand: its id.
        name: its name for people.
        state: the most pressing thing to say of it.
        severity: of its most severe firing alert, else of its pending one.
        open_alerts: pending and firing ones, most urgent first.
        history: closed buckets, oldest first.
        latest: the newest of them, in full.
        changes: grows with each change of the history.
    """

    brand: str
    name: str
    state: BrandState
    severity: Severity | None
    open_alerts: tuple[CrisisAlert, ...]
    history: tuple[PastMinute, ...]
    latest: SeriesPoint | None
    changes: int = field(default=0, compare=False)

    @property
    def urgency(self) -> tuple[float, ...]:
        """Larger is more urgent: alerts by severity, then blindness, then how near to firing."""
        state_level = {"firing": 4, "pending": 3, "blind": 2, "calm": 1, "unknown": 0}[self.state]
        severity_level = SEVERITY_LEVEL[self.severity] if self.severity else 0
        latest = self.latest
        if latest is None:
            return (state_level, severity_level, 0.0, 0.0)
        nearness = latest.statistic / latest.threshold if latest.threshold > 0 else 0.0
        return (state_level, severity_level, nearness, latest.rolling_mentions_per_min)


@dataclass(slots=True)
class _History:
    """The newest buckets of one brand, ascending."""

    minutes: list[PastMinute] = field(default_factory=list)
    latest: SeriesPoint | None = None
    changes: int = 0

    def put(self, point: SeriesPoint, most: int) -> bool:
        """Inserts or replaces; tells whether anything changed."""
        minutes, minute = self.minutes, _past(point)
        at = bisect_left(minutes, point.bucket_ms, key=attrgetter("bucket_ms"))
        if at < len(minutes) and minutes[at].bucket_ms == point.bucket_ms:
            is_newest = at == len(minutes) - 1
            changed = minutes[at] != minute or (is_newest and self.latest != point)
            minutes[at] = minute
        elif at == 0 and len(minutes) >= most:
            return False
        else:
            is_newest = at == len(minutes)
            changed = True
            minutes.insert(at, minute)
            del minutes[:-most]
        if is_newest:
            self.latest = point
        self.changes += changed
        return changed


def _past(point: SeriesPoint) -> PastMinute:
    return PastMinute(
        bucket_ms=point.bucket_ms,
        mentions=point.mentions,
        negative=point.negative,
        sentiment=point.sentiment,
        expected=point.expected,
        low=point.low,
        high=point.high,
        coverage=point.coverage,
        negative_share=point.expected_negative_share,
        weighted_sentiment=point.weighted_sentiment,
        platforms=tuple((intern(name), count) for name, count in point.platforms.items()),
        terms=tuple((term.term, term.share) for term in point.terms),
    )


class Ledger:
    """Folds alert revisions and series points into the current view.

    Args:
        names: brands known beforehand (id to name), shown even before their first bucket.
        history_buckets: how many closed buckets of a brand are kept.
        resolved_kept: how many resolved alerts are kept. Open ones are always kept.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        history_buckets: int = DEFAULT_HISTORY_BUCKETS,
        resolved_kept: int = DEFAULT_RESOLVED_KEPT,
    ) -> None:
        if history_buckets < 1 or resolved_kept < 1:
            raise ValueError("history_buckets and resolved_kept must be at least 1")
        self._history_buckets = history_buckets
        self._resolved_kept = resolved_kept
        self._names: dict[str, str] = dict(names or {})
        self._series: dict[str, _History] = {}
        self._alerts: dict[str, CrisisAlert] = {}
        self._open_by_brand: dict[str, dict[str, CrisisAlert]] = {}
        self._resolved: dict[str, datetime] = {}  # when each kept one was decided
        self._revisions: dict[str, int] = {}  # of every alert ever seen, dropped ones too
        self._answers: dict[str, dict[bytes, Feedback]] = {}  # by alert, by key of the record
        self._watermark_ms: int | None = None
        self.version = 0
        """Grows with each change of the view."""

    def fold_alert(self, alert: CrisisAlert) -> bool:
        """Takes a revision; tells whether it was news.

        A revision that is older than, or the same as, one seen before changes nothing.
        """
        if alert.revision <= self._revisions.get(alert.alert_id, -1):
            return False
        self._revisions[alert.alert_id] = alert.revision
        self._alerts[alert.alert_id] = alert
        self._names[alert.brand] = alert.brand_name or self._names.get(alert.brand, alert.brand)
        of_brand = self._open_by_brand.setdefault(alert.brand, {})
        if alert.status == "resolved":
            of_brand.pop(alert.alert_id, None)
            self._resolved[alert.alert_id] = alert.decided_at
            self._drop_oldest_resolved()
        else:
            of_brand[alert.alert_id] = alert
            self._resolved.pop(alert.alert_id, None)
        self.version += 1
        return True

    def fold_point(self, point: SeriesPoint) -> bool:
        """Takes a closed bucket; tells whether it was news."""
        history = self._series.setdefault(point.brand, _History())
        if not history.put(point, self._history_buckets):
            return False
        if point.brand_name:
            self._names[point.brand] = point.brand_name
        else:
            self._names.setdefault(point.brand, point.brand)
        end_ms = point.bucket_ms + BUCKET_MS
        self._watermark_ms = max(end_ms, self._watermark_ms or end_ms)
        self.version += 1
        return True

    def fold_answer(self, key: bytes, answer: Feedback | None) -> str | None:
        """Takes what somebody says of an alert, or (None) that it is taken back.

        Returns:
            The alert concerned if it was news.
        """
        if answer is None:
            alert_id = key.decode("utf-8", "replace").split("#")[0]
            if self._answers.get(alert_id, {}).pop(key, None) is None:
                return None
        else:
            alert_id = answer.alert_id
            if not alert_id:
                return None  # of a text outside alerts: for score alone
            of_alert = self._answers.setdefault(alert_id, {})
            if of_alert.get(key) == answer:
                return None
            of_alert[key] = answer
        self.version += 1
        return alert_id

    def answers(self, alert_id: str) -> list[Feedback]:
        """What people said of an alert, in the order in which they said it."""
        said = self._answers.get(alert_id, {}).values()
        return sorted(said, key=lambda answer: (answer.at, answer.answer))

    def verdicts(self, brand: str) -> list[Feedback]:
        """What people said of a brand's alerts, the newest last."""
        said = (a for of_alert in self._answers.values() for a in of_alert.values())
        return sorted((a for a in said if a.brand == brand), key=lambda a: (a.at, a.alert_id))

    def acknowledgement(self, alert_id: str) -> Feedback | None:
        """Who is on it, if anybody is."""
        said = self._answers.get(alert_id, {}).values()
        return next((answer for answer in said if answer.answer is Answer.ACKNOWLEDGE), None)

    def forget_alert(self, alert_id: str) -> CrisisAlert | None:
        """Drops an alert that was erased from its topic, and returns it if it was there."""
        alert = self._alerts.pop(alert_id, None)
        if alert is None:
            return None
        self._open_by_brand[alert.brand].pop(alert_id, None)
        self._resolved.pop(alert_id, None)
        self._answers.pop(alert_id, None)
        self.version += 1
        return alert

    @property
    def watermark(self) -> datetime | None:
        """Event time up to which all is known: the end of the newest closed bucket."""
        return None if self._watermark_ms is None else from_ms(self._watermark_ms)

    def alert(self, alert_id: str) -> CrisisAlert | None:
        """The current revision of an alert, or None."""
        return self._alerts.get(alert_id)

    def alerts(self, *statuses: str, brand: str | None = None) -> list[CrisisAlert]:
        """Alerts of the given statuses (all, if none is named), most urgent first."""
        return sorted_by_urgency(
            alert
            for alert in self._alerts.values()
            if (not statuses or alert.status in statuses) and brand in (None, alert.brand)
        )

    def brand(self, brand: str) -> BrandView | None:
        """The view of one brand, or None where it was never heard of."""
        if brand not in self._names:
            return None
        history = self._series.get(brand)
        latest = history.latest if history else None
        open_alerts = tuple(sorted_by_urgency(self._open_by_brand.get(brand, {}).values()))
        return BrandView(
            brand=brand,
            name=self._names[brand],
            state=_state(open_alerts, latest),
            severity=open_alerts[0].severity if open_alerts else None,
            open_alerts=open_alerts,
            history=tuple(history.minutes) if history else (),
            latest=latest,
            changes=history.changes if history else 0,
        )

    def brands(self) -> list[BrandView]:
        """Every brand, the most urgent first."""
        views = [view for name in self._names if (view := self.brand(name)) is not None]
        views.sort(key=attrgetter("name", "brand"))
        views.sort(key=attrgetter("urgency"), reverse=True)
        return views

    def _drop_oldest_resolved(self) -> None:
        if len(self._resolved) > self._resolved_kept:
            oldest = min(self._resolved, key=lambda alert_id: (self._resolved[alert_id], alert_id))
            del self._resolved[oldest], self._alerts[oldest]


def sorted_by_urgency(alerts: Iterable[CrisisAlert]) -> list[CrisisAlert]:
    """Firing before pending before resolved; then by severity; then the newest decision."""

    def order(alert: CrisisAlert) -> tuple[int, int, float, str]:
        resolved = alert.status == "resolved"
        return (
            -STATUS_LEVEL[alert.status],
            0 if resolved else -SEVERITY_LEVEL[alert.severity],
            -alert.decided_at.timestamp(),
            alert.alert_id,
        )

    return sorted(alerts, key=order)


def crisis_levels(view: BrandView) -> dict[Kind, int]:
    """Severity level (1 … 4) of the firing alerts of a brand by kind; 0 where none fires."""
    levels = dict.fromkeys(Kind, 0)
    for alert in view.open_alerts:
        if alert.active:
            levels[alert.kind] = max(levels[alert.kind], SEVERITY_LEVEL[alert.severity])
    return levels


def _state(open_alerts: tuple[CrisisAlert, ...], latest: SeriesPoint | None) -> BrandState:
    if open_alerts:
        return "firing" if open_alerts[0].active else "pending"
    if latest is None:
        return "unknown"
    return "blind" if latest.coverage < FULL_COVERAGE else "calm"
