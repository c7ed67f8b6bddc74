"""Charts of a report: volume over its expected band, and the negative share over its own.

Unlike the console's drawings these have axes and letters in them, for they are printed and mailed
around: a picture that lost its page must still say what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, log10

import numpy as np
from babel.dates import format_datetime
from markupsafe import Markup

from models.detection.base import BUCKET_MS
from pipeline.console.wording import decimal
from pipeline.language import spoken
from pipeline.report.measures import Floats, Minutes, rolling_sum, share_bounds

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 34, 26
MOST_COLUMNS = 360
SHARE_WINDOW_MIN = 30
_STEPS_MIN = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880)


@dataclass(frozen=True, slots=True)
class Mark:
    """A lettered moment."""

    letter: str
    at: datetime
    name: str  # a CSS class


@dataclass(frozen=True, slots=True)
class Frame:
    """The window of a chart and its scales."""

    begin: datetime
    end: datetime
    top: float

    def x(self, moment: datetime) -> float:
        """Where a moment stands."""
        share = (moment - self.begin) / max(self.end - self.begin, timedelta(minutes=1))
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value stands."""
        return round(HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM), 1)


def draw_volume(
    minutes: Minutes, begin: datetime, end: datetime, marks: Sequence[Mark], label: str
) -> Markup:
    """Mentions a minute (line) and negative ones (area) over the expected band."""
    columns = _columns(minutes, begin, end)
    if not columns:
        return Markup("")
    means = {
        name: [float(getattr(minutes, name)[part].mean()) for _, part in columns]
        for name in ("mentions", "negative", "low", "high", "expected")
    }
    frame = Frame(begin, end, _nice(max(*means["mentions"], *means["high"], 0.1)))
    times = [time for time, _ in columns]
    drawing = _band(frame, times, means["low"], means["high"])
    drawing += _line(frame, "expected", times, means["expected"])
    drawing += _band(frame, times, [0.0] * len(times), means["negative"], "negative")
    drawing += _line(frame, "volume", times, means["mentions"])
    return _svg(drawing, frame, marks, label, lambda value: decimal(f"{value:g}"))


def draw_share(
    minutes: Minutes, begin: datetime, end: datetime, marks: Sequence[Mark], label: str
) -> Markup:
    """Share of negative mentions over half an hour, over the interval of a usual half-hour."""
    columns = _columns(minutes, begin, end)
    mentions = rolling_sum(minutes.mentions, SHARE_WINDOW_MIN)
    negative = rolling_sum(minutes.negative, SHARE_WINDOW_MIN)
    usual = _filled(minutes.usual_share, minutes.seen)
    times, shares, lows, highs, expected = [], [], [], [], []
    for time, part in columns:
        at = (part.start + part.stop - 1) // 2
        if mentions[at] < 1:
            continue
        low, high = share_bounds(float(usual[at]), float(mentions[at]))
        times.append(time)
        shares.append(min(1.0, float(negative[at] / mentions[at])))
        lows.append(low)
        highs.append(high)
        expected.append(float(usual[at]))
    if len(times) < 2:
        return Markup("")
    frame = Frame(begin, end, 1.0)
    drawing = _band(frame, times, lows, highs)
    drawing += _line(frame, "expected", times, expected)
    drawing += _line(frame, "bad", times, shares)
    return _svg(drawing, frame, marks, label, lambda value: f"{value:.0%}")


def _columns(minutes: Minutes, begin: datetime, end: datetime) -> list[tuple[datetime, slice]]:
    """Neighbouring minutes drawn as one: their middle, and where they stand."""
    whole = minutes.slice(begin, end)
    stop = min(whole.stop, len(minutes))
    step = max(1, ceil((stop - whole.start) / MOST_COLUMNS))
    return [
        (minutes.time(first) + timedelta(milliseconds=BUCKET_MS * step / 2), slice(first, last))
        for first in range(whole.start, stop, step)
        if minutes.seen[slice(first, last := min(first + step, stop))].any()
    ]


def _filled(values: Floats, seen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Values with those of unseen minutes taken from the last seen one."""
    at = np.maximum.accumulate(np.where(seen, np.arange(len(values)), 0))
    return np.asarray(values[at])


def _line(frame: Frame, name: str, times: Sequence[datetime], values: Sequence[float]) -> Markup:
    corners = (f"{frame.x(t):g} {frame.y(v):g}" for t, v in zip(times, values, strict=True))
    return Markup('<path class="{}" d="M{}"/>').format(name, "L".join(corners))


def _band(
    frame: Frame,
    times: Sequence[datetime],
    low: Sequence[float],
    high: Sequence[float],
    name: str = "band",
) -> Markup:
    there = [f"{frame.x(t):g} {frame.y(v):g}" for t, v in zip(times, high, strict=True)]
    back = [f"{frame.x(t):g} {frame.y(v):g}" for t, v in zip(times, low, strict=True)]
    return Markup('<path class="{}" d="M{}Z"/>').format(name, "L".join(there + back[::-1]))


def _svg(
    drawing: Markup,
    frame: Frame,
    marks: Sequence[Mark],
    label: str,
    written: Callable[[float], str],
) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>'
    ).format(WIDTH, HEIGHT, label, _axes(frame, written), drawing, _marks(frame, marks))


def _axes(frame: Frame, written: Callable[[float], str]) -> Markup:
    axes = Markup()
    for share in (0.0, 0.5, 1.0):
        value = frame.top * share
        axes += Markup('<path class="grid" d="M{} {}H{}"/>').format(
            LEFT, frame.y(value), WIDTH - RIGHT
        )
        axes += Markup('<text class="value" x="{}" y="{}">{}</text>').format(
            LEFT - 6, frame.y(value) + 4, written(value)
        )
    span_min = (frame.end - frame.begin).total_seconds() / 60
    step_min = next((step for step in _STEPS_MIN if span_min / step <= 7), _STEPS_MIN[-1])
    step_s = step_min * 60
    tick_s = ceil(frame.begin.timestamp() / step_s) * step_s
    days = step_min >= 720
    while tick_s <= frame.end.timestamp():
        tick = datetime.fromtimestamp(tick_s, tz=frame.begin.tzinfo)
        midnight = tick.hour == tick.minute == 0
        text = (
            format_datetime(tick, "d MMM", locale=spoken()) if midnight or days else f"{tick:%H:%M}"
        )
        axes += Markup('<text class="time" x="{}" y="{}">{}</text>').format(
            frame.x(tick), HEIGHT - 8, text
        )
        tick_s += step_s
    return axes


def _marks(frame: Frame, marks: Sequence[Mark]) -> Markup:
    drawn = Markup()
    taken = [-100.0, -100.0]  # where the last letter of each of two rows stands
    for mark in sorted(marks, key=lambda mark: mark.at):
        if not frame.begin <= mark.at <= frame.end:
            continue
        x = frame.x(mark.at)
        row = 0 if x - taken[0] >= 14 or taken[0] <= taken[1] else 1
        taken[row] = x
        drawn += Markup('<path class="mark {0}" d="M{1} {2}V{3}"/>').format(
            mark.name, x, TOP - 4, HEIGHT - BOTTOM
        )
        drawn += Markup('<text class="letter" x="{}" y="{}">{}</text>').format(
            x, 12 if row == 0 else 26, mark.letter
        )
    return drawn


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if value <= step * power * 1.0000001)
