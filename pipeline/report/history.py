"""What the topics say of weeks and months: the last word on each alert, answers, sums of hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Kind
from models.feedback import Answer, Feedback
from models.series import SeriesPoint

HOUR_MS = 3_600_000
CRISES = (Kind.SURGE_NEGATIVE, Kind.MOOD, Kind.COORDINATED)
"""Kinds that count as crises; a surge alone is buzz, and lost coverage is ours to mend."""


class BriefTerm(msgspec.Struct):
    """A term that rose."""

    term: str
    share: float


class Brief(msgspec.Struct):
    """What weeks and months need of a `SeriesPoint`: read some ten times as fast."""

    brand: str
    bucket_ms: int
    mentions: Annotated[int, msgspec.Meta(ge=0)]
    negative: Annotated[float, msgspec.Meta(ge=0)]
    brand_name: str = ""
    sentiment: float | None = None
    coverage: float = 1.0
    terms: tuple[BriefTerm, ...] = ()


decode_brief = msgspec.json.Decoder(Brief).decode
"""Reads a record of `series`; raises ValueError (msgspec's, which names the field)."""


@dataclass(slots=True)
class Sums:
    """Sums over minutes of one brand."""

    minutes: int = 0  # of an hour: a bit for each that was taken
    mentions: int = 0
    negative: float = 0.0
    sentiment: float = 0.0  # times mentions
    coverage: float = 1.0  # the least
    terms: dict[str, float] = field(default_factory=dict)  # summed shares

    def add(self, other: Sums) -> None:
        """Adds others."""
        self.mentions += other.mentions
        self.negative += other.negative
        self.sentiment += other.sentiment
        self.coverage = min(self.coverage, other.coverage)
        for term, share in other.terms.items():
            self.terms[term] = self.terms.get(term, 0.0) + share

    @property
    def mood(self) -> float | None:
        """Mean sentiment; None without mentions."""
        return self.sentiment / self.mentions if self.mentions else None

    @property
    def negative_share(self) -> float | None:
        """Share of negative mentions; None without mentions."""
        return min(1.0, self.negative / self.mentions) if self.mentions else None


@dataclass(slots=True)
class History:
    """Gathers records in any order; the last one of a minute must come once or be the same."""

    names: dict[str, str] = field(default_factory=dict)
    hours: dict[str, dict[int, Sums]] = field(default_factory=dict)  # by brand, by begin in ms
    newest_ms: int = 0  # end of the newest minute
    _alerts: dict[str, CrisisAlert] = field(default_factory=dict)
    _answers: dict[bytes, Feedback] = field(default_factory=dict)

    def take_alert(self, alert: CrisisAlert) -> None:
        """Takes a revision; the highest counts."""
        known = self._alerts.get(alert.alert_id)
        if known is None or known.revision <= alert.revision:
            self._alerts[alert.alert_id] = alert
            self.names[alert.brand] = alert.brand_name or alert.brand

    def forget_alert(self, alert_id: str) -> None:
        """Takes a tombstone."""
        self._alerts.pop(alert_id, None)

    def take_answer(self, key: bytes, answer: Feedback | None) -> None:
        """Takes an answer, or its withdrawal."""
        if answer is None:
            self._answers.pop(key, None)
        else:
            self._answers[key] = answer

    def take_point(self, point: SeriesPoint | Brief) -> None:
        """Takes a closed minute; one that was taken before is left out."""
        hour = point.bucket_ms // HOUR_MS * HOUR_MS
        sums = self.hours.setdefault(point.brand, {}).setdefault(hour, Sums())
        minute = 1 << (point.bucket_ms - hour) // BUCKET_MS
        if sums.minutes & minute:
            return
        sums.minutes |= minute
        sums.mentions += point.mentions
        sums.negative += point.negative
        sums.sentiment += (point.sentiment or 0.0) * point.mentions
        sums.coverage = min(sums.coverage, point.coverage)
        for term in point.terms:
            sums.terms[term.term] = sums.terms.get(term.term, 0.0) + term.share
        self.names.setdefault(point.brand, point.brand_name or point.brand)
        self.newest_ms = max(self.newest_ms, point.bucket_ms + BUCKET_MS)

    def forget_before(self, time: datetime) -> None:
        """Forgets hours that ended before a time."""
        oldest_ms = time.timestamp() * 1000 - HOUR_MS
        for brand, hours in self.hours.items():
            self.hours[brand] = {hour: sums for hour, sums in hours.items() if hour >= oldest_ms}

    def sums(self, brand: str, begin: datetime, end: datetime) -> Sums:
        """Over the hours that begin within a stretch."""
        total = Sums()
        low, high = begin.timestamp() * 1000, end.timestamp() * 1000
        for hour, sums in self.hours.get(brand, {}).items():
            if low <= hour < high:
                total.add(sums)
        return total

    def crises(self, brand: str | None = None) -> list[CrisisAlert]:
        """Crises that fired, by onset."""
        return sorted(
            (
                alert
                for alert in self._alerts.values()
                if alert.fired_at is not None
                and alert.kind in CRISES
                and brand in (None, alert.brand)
            ),
            key=lambda alert: (alert.onset, alert.alert_id),
        )

    def acknowledged_at(self, alert: CrisisAlert) -> datetime | None:
        """When somebody first said to be on it."""
        return min(self._moments(alert, Answer.ACKNOWLEDGE), default=None)

    def was_false(self, alert: CrisisAlert) -> bool:
        """Whether somebody called it a false alarm, and that stands."""
        return any(True for _ in self._moments(alert, Answer.FALSE_ALARM))

    def _moments(self, alert: CrisisAlert, answer: Answer) -> Iterable[datetime]:
        for said in self._answers.values():
            if said.alert_id == alert.alert_id and said.answer is answer:
                yield said.moment

    @property
    def newest(self) -> datetime | None:
        """End of the newest minute; without minutes, of the newest decision."""
        if self.newest_ms:
            return from_ms(self.newest_ms)
        return max((alert.decided_at for alert in self._alerts.values()), default=None)


def seen_after(alert: CrisisAlert) -> timedelta:
    """From the onset to the first firing."""
    assert alert.fired_at is not None
    return max(timedelta(0), alert.fired_at - alert.onset)


def median(spans: Iterable[timedelta | None]) -> timedelta | None:
    """Median of the spans that are known."""
    known = sorted(span for span in spans if span is not None)
    if not known:
        return None
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
