"""What happens in the simulated days, and when: the truth that a demonstration is judged by."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.errors import ConfigurationError
from connectors.simulator.brands import AIRLINE, SHOP

ZONE = ZoneInfo("Europe/Warsaw")
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_BY_HOUR = (
    0.26, 0.15, 0.09, 0.07, 0.08, 0.16, 0.42, 0.82, 1.10, 1.24, 1.30, 1.31,
    1.36, 1.30, 1.25, 1.26, 1.32, 1.38, 1.48, 1.62, 1.75, 1.66, 1.25, 0.68,
)  # fmt: skip
_MEAN = sum(_BY_HOUR) / 24
_BY_WEEKDAY = (1.02, 1.0, 1.0, 1.02, 1.05, 0.88, 0.92)


@dataclass(frozen=True, slots=True)
class Episode:
    """Something unusual that happens to one brand.

    Attributes:
        brand: its id in the watchlist.
        kind: the crisis must be found, the giveaway must not raise an alarm.
        from_ms: first extra post may come now.
        to_ms: usual again from now on.
    """

    brand: str
    kind: Literal["crisis", "giveaway"]
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Story:
    """A number of days, and what happens in them.

    Attributes:
        seed: of everything random. The same story gives the same posts, byte for byte.
        from_ms: first minute.
        to_ms: behind the last minute.
        truth: the episodes.
    """

    seed: int
    from_ms: int
    to_ms: int
    truth: tuple[Episode, ...]

    @classmethod
    def plan(cls, seed: int = 1, days: int = 4, start: date = date(2026, 11, 4)) -> Story:
        """One giveaway from 17:00, and a crisis from 13:40 of a later day with a day left after it.

        Args:
            seed: of everything random.
            days: whole days in Warsaw; at least 1.
            start: first day; the default is a Wednesday, so that the crisis falls on a Friday.

        Raises:
            ConfigurationError: no days.
        """
        if days < 1:
            raise ConfigurationError("a story has at least one day")
        first = datetime.combine(start, time(), ZONE)
        giveaway = first + timedelta(days=int(days * 0.45), hours=17)
        crisis = first + timedelta(days=int(days * 0.6), hours=13, minutes=40)
        return cls(
            seed,
            _ms(first),
            _ms(first + timedelta(days=days)),
            (
                Episode(SHOP.id, "giveaway", _ms(giveaway), _ms(giveaway) + 4 * HOUR_MS),
                Episode(AIRLINE.id, "crisis", _ms(crisis), _ms(crisis) + 7 * HOUR_MS),
            ),
        )

    def to_json(self) -> str:
        """The story as a JSON object, ``truth`` being the list of episodes."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    def extra_per_min(self, episode: Episode, at_ms: int) -> float:
        """Posts a minute that an episode adds at a time.

        A crisis doubles every 6 minutes for half an hour up to 30 a minute, stays there in waves
        for two and a half hours, and halves every 35 minutes from then on. A giveaway is at its
        76 a minute within five minutes and halves every 15 minutes after two hours.
        """
        if not episode.from_ms <= at_ms < episode.to_ms:
            return 0.0
        minute = (at_ms - episode.from_ms) / MINUTE_MS
        if episode.kind == "crisis":
            return _shape(minute, peak=30.0, doubling=6.0, rise=30.0, hold=150.0, halving=35.0)
        return _shape(minute, peak=76.0, doubling=1.2, rise=5.0, hold=115.0, halving=15.0)


def _shape(
    minute: float, peak: float, doubling: float, rise: float, hold: float, halving: float
) -> float:
    """Exponential growth, a plateau in waves, exponential decay; all times in minutes."""
    if minute < rise:
        return float(peak * 2.0 ** ((minute - rise) / doubling))
    if minute < rise + hold:
        return peak * (1.0 + 0.15 * math.sin((minute - rise) / 11.0))
    return float(peak * 2.0 ** ((rise + hold - minute) / halving))


def usual_activity(at_ms: int) -> float:
    """How much is written at a time, 1.0 being the mean over a day; quiet at night in Warsaw."""
    local = datetime.fromtimestamp(at_ms / 1000, ZONE)
    part = local.minute / 60.0
    by_hour = _BY_HOUR[local.hour] * (1 - part) + _BY_HOUR[(local.hour + 1) % 24] * part
    return by_hour / _MEAN * _BY_WEEKDAY[local.weekday()]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
