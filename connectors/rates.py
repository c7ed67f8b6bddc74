"""When a platform wants to be asked again: ``Retry-After`` and each platform's own headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from connectors.errors import RateLimitedError

FIRST_LIMIT_WAIT_S = 60.0
"""After a 429 that names no time; doubles while they repeat, up to a quarter of an hour."""
LONGEST_WAIT_MS = 24 * 3_600_000
_SHORTEST_WAIT_MS = 1_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Headers of a platform about its limits.

    Attributes:
        remaining: header with the requests that are left.
        reset: header with the time when there are more.
        kind: how that time is written: seconds since the epoch, seconds from now, or ISO 8601.
    """

    remaining: str = ""
    reset: str = ""
    kind: Literal["epoch", "seconds", "iso"] = "epoch"

    def wait_ms(self, headers: Mapping[str, str], now_ms: int) -> int | None:
        """How long to be quiet after a refusal, None if no header tells."""
        asked = [self.retry_after_ms(headers, now_ms), self._reset_in_ms(headers, now_ms)]
        known = [wait for wait in asked if wait is not None]
        return max(_SHORTEST_WAIT_MS, *known) if known else None

    def retry_after_ms(self, headers: Mapping[str, str], now_ms: int) -> int | None:
        """What ``Retry-After`` says (RFC 9110, 10.2.3): seconds, or a date."""
        written = headers.get("retry-after", "").strip()
        if not written:
            return None
        if written.replace(".", "", 1).isdecimal():
            return min(int(float(written) * 1000), LONGEST_WAIT_MS)
        date_ms = _http_date_ms(written)
        return None if date_ms is None else _bounded(date_ms - _their_now_ms(headers, now_ms))

    def quiet_until_ms(self, headers: Mapping[str, str], now_ms: int) -> int:
        """Until when to ask nothing although nothing was refused yet; 0: go on."""
        left = headers.get(self.remaining, "") if self.remaining else ""
        try:
            used_up = bool(left) and float(left) < 1
        except ValueError:
            return 0
        wait_ms = self._reset_in_ms(headers, now_ms) if used_up else None
        return 0 if wait_ms is None else now_ms + wait_ms

    def _reset_in_ms(self, headers: Mapping[str, str], now_ms: int) -> int | None:
        written = headers.get(self.reset, "").strip() if self.reset else ""
        if not written:
            return None
        try:
            if self.kind == "seconds":
                return _bounded(float(written) * 1000)
            if self.kind == "epoch":
                at_ms = float(written) * 1000
            else:
                moment = datetime.fromisoformat(written)
                at_ms = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError):
            return None
        return _bounded(at_ms - _their_now_ms(headers, now_ms))


NO_RATES = Rates()


def limited(message: str, until_ms: int) -> RateLimitedError:
    """The error that asks for quiet until a time."""
    until = datetime.fromtimestamp(until_ms / 1000, UTC)
    return RateLimitedError(f"{message}; asks again at {until:%Y-%m-%d %H:%M:%S} UTC", until_ms)


def server_time_ms(headers: Mapping[str, str]) -> int | None:
    """What the server's clock said when it answered, milliseconds since the epoch."""
    return _http_date_ms(headers.get("date", ""))


def _their_now_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """Their times are held against their clock, so that ours may be wrong."""
    theirs_ms = server_time_ms(headers)
    return now_ms if theirs_ms is None else theirs_ms


def _http_date_ms(written: str) -> int | None:
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _bounded(wait_ms: float) -> int:
    return int(min(max(wait_ms, 0), LONGEST_WAIT_MS))
