"""How a brand bears crises over months, and the trend and seasons of its mood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

import numpy as np

from models.alert import CrisisAlert, from_ms
from pipeline.report.history import HOUR_MS, History, Sums, median, seen_after

DAY_MS = 24 * HOUR_MS
LEAST_DAYS_FOR_TREND = 7
LEAST_DAYS_FOR_WEEK = 14
LEAST_MENTIONS = 20
"""A mean of fewer mentions says nothing."""
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Month:
    """The crises of a calendar month (UTC).

    Attributes:
        begin: its first day.
        fired: crises that fired.
        false: those called false alarms.
        delay: median from onset to firing.
        response: median from firing to acknowledgement.
        recovery: median from firing to resolution.
    """

    begin: datetime
    fired: int
    false: int
    delay: timedelta | None
    response: timedelta | None
    recovery: timedelta | None


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of the daily mood in a week, with its 95 % interval."""

    per_week: float
    low: float
    high: float
    days: int


@dataclass(frozen=True, slots=True)
class Resilience:
    """What months say of a brand.

    Attributes:
        months: oldest first, those without a crisis between others included.
        whole: all of them as one.
        crises: newest first.
        trend: None of too few days.
        hours: departure of the mood from its mean by hour of the day (UTC); None where unknown.
        weekdays: likewise by day of the week, Monday first.
        known_days: days with enough mentions.
    """

    brand: str
    name: str
    months: list[Month]
    whole: Month | None
    crises: list[CrisisAlert]
    trend: Trend | None
    hours: list[float | None]
    weekdays: list[float | None]
    known_days: int


def judge_resilience(history: History, brand: str) -> Resilience:
    """Reads it off the history of a brand."""
    crises = history.crises(brand)
    hours = history.hours.get(brand, {})
    days = _daily(hours)
    return Resilience(
        brand=brand,
        name=history.names.get(brand, brand),
        months=[_month(history, begin, part) for begin, part in _by_month(crises)],
        whole=_month(history, crises[0].onset, crises) if crises else None,
        crises=crises[::-1],
        trend=_trend(days),
        hours=_seasons(hours, 24, lambda ms: ms // HOUR_MS % 24, len(days) >= LEAST_DAYS_FOR_TREND),
        weekdays=_seasons(
            hours, 7, lambda ms: from_ms(ms).weekday(), len(days) >= LEAST_DAYS_FOR_WEEK
        ),
        known_days=len(days),
    )


def _by_month(crises: Sequence[CrisisAlert]) -> list[tuple[datetime, list[CrisisAlert]]]:
    if not crises:
        return []
    begin, last = (_first_day(crises[at].onset) for at in (0, -1))
    months = []
    while begin <= last:
        after = _first_day(begin + timedelta(days=32))
        months.append((begin, [c for c in crises if begin <= c.onset < after]))
        begin = after
    return months


def _first_day(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _month(history: History, begin: datetime, crises: Sequence[CrisisAlert]) -> Month:
    responses = []
    for crisis in crises:
        seen, fired = history.acknowledged_at(crisis), crisis.fired_at
        assert fired is not None
        responses.append(None if seen is None else max(timedelta(0), seen - fired))
    return Month(
        begin=begin,
        fired=len(crises),
        false=sum(history.was_false(crisis) for crisis in crises),
        delay=median(seen_after(crisis) for crisis in crises),
        response=median(responses),
        recovery=median(
            crisis.resolved_at - crisis.fired_at
            for crisis in crises
            if crisis.resolved_at is not None and crisis.fired_at is not None
        ),
    )


def _daily(hours: Mapping[int, Sums]) -> dict[int, Sums]:
    days: dict[int, Sums] = {}
    for hour, sums in hours.items():
        days.setdefault(hour // DAY_MS, Sums()).add(sums)
    return {day: sums for day, sums in sorted(days.items()) if sums.mentions >= LEAST_MENTIONS}


def _trend(days: Mapping[int, Sums]) -> Trend | None:
    """Least squares over daily means; each day counts alike, for its crises are part of it."""
    if len(days) < LEAST_DAYS_FOR_TREND:
        return None
    x = np.array(list(days), dtype=np.float64) / 7
    y = np.array([sums.sentiment / sums.mentions for sums in days.values()])
    x -= x.mean()
    spread = float((x**2).sum())
    slope = float((x * y).sum()) / spread
    rest = y - y.mean() - slope * x
    error = sqrt(float((rest**2).sum()) / (len(days) - 2) / spread)
    return Trend(slope, slope - _Z95 * error, slope + _Z95 * error, len(days))


def _seasons(
    hours: Mapping[int, Sums], count: int, season_of: Callable[[int], int], known: bool
) -> list[float | None]:
    """Mood of each season above or below that of all."""
    parts = [Sums() for _ in range(count)]
    whole = Sums()
    for hour, sums in hours.items():
        parts[season_of(hour)].add(sums)
        whole.add(sums)
    if not known or whole.mood is None:
        return [None] * count
    return [
        None if part.mood is None or part.mentions < LEAST_MENTIONS else part.mood - whole.mood
        for part in parts
    ]
