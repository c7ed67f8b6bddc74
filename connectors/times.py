"""Times as they stand in foreign files, read as milliseconds since the Unix epoch, UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from connectors.errors import MalformedError
from models.post import EARLIEST_MS, LATEST_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECONDS_BELOW = 100_000_000_000
"""Epoch numbers below are seconds (until the year 5138), others milliseconds (from March 1973)."""

_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_TWITTER = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d) (\d{4})",
    re.ASCII,
)
_DOTTED = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})(?: (\d\d?):(\d\d)(?::(\d\d))?)?", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}


def parse_time(value: object, zone: tzinfo = UTC) -> int:
    """A time as milliseconds since the epoch.

    Known: ISO 8601, epoch seconds (fractions allowed) and milliseconds as number or text, the
    format that Twitter used (``Wed Jan 01 03:59:03 +0000 2014``), ``dd.mm.yyyy [HH:MM[:SS]]``.

    Args:
        value: text or number.
        zone: of times that name none.

    Raises:
        MalformedError: the time cannot be read, or lies outside the years 1970 to 9999.

    Example:
        >>> parse_time("1970-01-01T00:00:01+00:00"), parse_time("1"), parse_time(1.5)
        (1000, 1000, 1500)
    """
    if isinstance(value, str):
        time_ms = _from_text(value.strip(), zone)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        time_ms = _from_number(value)
    else:
        raise MalformedError(f"no time: {_shown(value)}")
    if not EARLIEST_MS <= time_ms <= LATEST_MS:
        raise MalformedError(f"time outside the years 1970 to 9999: {_shown(value)}")
    return time_ms


def _from_text(text: str, zone: tzinfo) -> int:
    if _NUMBER.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    for read in _FORMATS:
        try:
            moment = read(text)
            if moment is not None:
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=zone)
                return (moment - _EPOCH) // _MILLISECOND
        except (ValueError, KeyError, OverflowError):
            break
    raise MalformedError(
        f"time not understood: {_shown(text)} (known: ISO 8601, epoch seconds or milliseconds, "
        "'Wed Jan 01 03:59:03 +0000 2014', 'dd.mm.yyyy HH:MM:SS')"
    )


def _from_number(number: float) -> int:
    if number != number or abs(number) > LATEST_MS:
        raise MalformedError(f"time outside the years 1970 to 9999: {number!r}")
    return round(number * 1000) if abs(number) < _SECONDS_BELOW else int(number)


def _iso(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text[:4].isdigit() else None


def _twitter(text: str) -> datetime | None:
    found = _TWITTER.fullmatch(text)
    if found is None:
        return None
    month, day, hour, minute, second, sign, off_hours, off_minutes, year = found.groups()
    moment = datetime(  # a moment in UTC once the offset is taken off
        int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
    )
    offset = timedelta(hours=int(off_hours), minutes=int(off_minutes))
    return moment - offset if sign == "+" else moment + offset


def _dotted(text: str) -> datetime | None:
    found = _DOTTED.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
    return datetime(year, month, day, hour, minute, second)


_FORMATS: tuple[Callable[[str], datetime | None], ...] = (_iso, _twitter, _dotted)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
