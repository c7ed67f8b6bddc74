"""What the next hours may bring if things go on so: growth, and mentions with an interval.

The excess over the usual rate grows or shrinks with the ratio of the last quarter-hour to the one
before, shrunk towards no change by its own counting error; growth dies away, and so does the
excess. What began within the quarter-hour is taken at its rate since then, which the calm minutes
before would halve. The interval is a log-normal's around it, a little wider with time and much
wider while the story is young: of what is new nobody knows whether it stays. The constants were
fitted on volumes of ten companies on Twitter; how well they hold on others:
`python -m bench.outlook`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

STRETCH_MIN = 15
HOURS = (1, 3, 6)
LEVEL = 0.8
"""The interval holds so large a share of what comes."""
_Z = 1.2816
_GROWTH_PRIOR_SD = 0.1
"""Of the log growth in a stretch, before anything is known."""
_GROWTH_NOISE_SD = 0.5
"""What one stretch over another says little of, however many posts are in them."""
_DECAY_H = 0.5
"""After so long, growth is down to 37 %."""
_FADE_H = 2.0
"""An excess that does not grow fades with this time."""
_SPREAD = 0.35
"""Standard deviation of the logarithm of what comes."""
_SPREAD_PER_ROOT_H = 0.17
"""What is added to it, in squares, by the root of the hours."""
_SPREAD_YOUNG = 0.9
"""What is added, in squares, if there was no excess before the last stretch at all."""
_LEAST_SINCE_MIN = 5
_STEP_H = 0.25


@dataclass(frozen=True, slots=True)
class Ahead:
    """Mentions from now until some hours ahead."""

    hours: int
    mentions: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What may come.

    Attributes:
        growth_per_hour: ratio of the excess in an hour to the excess now; 1: it stays.
        ahead: for each of `HOURS`.
    """

    growth_per_hour: float
    ahead: tuple[Ahead, ...]


def look_ahead(
    counts: Sequence[float], usual_per_min: float, since_min: int = STRETCH_MIN
) -> Outlook | None:
    """The outlook after some minutes.

    Args:
        counts: mentions a minute, the newest last; at least `2 * STRETCH_MIN` of them.
        usual_per_min: what a usual minute brings.
        since_min: how long ago it began.

    Returns:
        None where too few minutes are known.
    """
    if len(counts) < 2 * STRETCH_MIN:
        return None
    since = min(STRETCH_MIN, max(_LEAST_SINCE_MIN, since_min))
    stretches = STRETCH_MIN / since
    now = float(sum(counts[-since:])) * stretches
    before = float(sum(counts[-since - STRETCH_MIN : -since]))
    usual = max(0.0, usual_per_min) * STRETCH_MIN
    excess, earlier = max(0.0, now - usual), max(0.0, before - usual)
    youth = 1 - min(1.0, (earlier + 1) / (excess + 1))
    error = stretches / (now + 1) + 1 / (before + 1)
    trust = _GROWTH_PRIOR_SD**2 / (_GROWTH_PRIOR_SD**2 + _GROWTH_NOISE_SD**2 + error)
    slope_per_h = trust * log((excess + 1) / (earlier + 1)) * 60 / STRETCH_MIN
    rate_per_h = excess * 60 / STRETCH_MIN
    ahead, total, hour = [], 0.0, 0.0
    while hour < HOURS[-1]:
        middle = hour + _STEP_H / 2
        total += rate_per_h * _grown(slope_per_h, middle) * _STEP_H
        total += usual * 60 / STRETCH_MIN * _STEP_H
        hour += _STEP_H
        if hour in HOURS:
            with_time, young = _SPREAD_PER_ROOT_H**2 * hour, _SPREAD_YOUNG * youth**2
            spread = sqrt(_SPREAD**2 + with_time + young**2 + 1 / (total + 1))
            ahead.append(
                Ahead(int(hour), total, total * exp(-_Z * spread), (total + 1) * exp(_Z * spread))
            )
    return Outlook(_grown(slope_per_h, 1.0), tuple(ahead))


def _grown(slope_per_h: float, hours: float) -> float:
    """The excess after some hours, over that of now."""
    return exp(slope_per_h * _DECAY_H * (1 - exp(-hours / _DECAY_H)) - hours / _FADE_H)
