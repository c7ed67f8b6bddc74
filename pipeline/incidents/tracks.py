"""What a backtest saw of one brand or series over time, and its drawing as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, isfinite, log10

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipeline.incidents.judging import Alarm, Incident

Floats = npt.NDArray[np.float64]
WIDTH, LEFT, RIGHT = 920, 52, 10
TOP_PX, VOLUME_PX, GAP_PX, SCORE_PX, BOTTOM_PX = 20, 190, 22, 80, 24
HEIGHT = TOP_PX + VOLUME_PX + GAP_PX + SCORE_PX + BOTTOM_PX
MOST_COLUMNS = 460
_STEPS_MIN = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440)


@dataclass(frozen=True, slots=True)
class Track:
    """Columns of equal length n, ascending in time.

    Attributes:
        brand: id, empty for a bare series.
        name: for people.
        times_ms: starts of the rows, shape (n,).
        seen: volume of each row, shape (n,).
        negative: negative posts among them, shape (n,), or None where there are no posts.
        expected, low, high: what was usual, shape (n,).
        score: statistic of the test, shape (n,).
        threshold: it fires at or above this, shape (n,).
        unit: what `seen` counts, for the label.
    """

    brand: str
    name: str
    times_ms: npt.NDArray[np.int64]
    seen: Floats
    negative: Floats | None
    expected: Floats
    low: Floats
    high: Floats
    score: Floats
    threshold: Floats
    unit: str


@dataclass(frozen=True, slots=True)
class _Frame:
    begin_ms: int
    end_ms: int
    top: float
    floor: float
    ceiling: float

    def x(self, time_ms: float) -> float:
        share = (time_ms - self.begin_ms) / max(self.end_ms - self.begin_ms, 1)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.top, 0.0), 1.0)
        return round(TOP_PX + VOLUME_PX * (1.0 - share), 1)

    def y_score(self, value: float) -> float:
        share = (value - self.floor) / max(self.ceiling - self.floor, 1e-9)
        return round(TOP_PX + VOLUME_PX + GAP_PX + SCORE_PX * (1.0 - min(max(share, 0), 1)), 1)


def draw_track(
    track: Track,
    begin_ms: int,
    end_ms: int,
    incidents: Sequence[Incident],
    alarms: Sequence[Alarm],
) -> Markup:
    """Volume over its expected band, the score under it, incidents shaded, alarms as lines."""
    first, last = np.searchsorted(track.times_ms, [begin_ms, end_ms])
    if last - first < 2:
        return Markup("")
    step = max(1, ceil((last - first) / MOST_COLUMNS))
    starts = np.arange(first, last, step)
    times = track.times_ms[starts]

    def mean(values: Floats) -> list[float]:
        sums = np.add.reduceat(values[first:last], starts - first)
        return list(sums / np.diff(np.append(starts, last)))

    seen, high = mean(np.nan_to_num(track.seen)), mean(track.high)
    low, expected = mean(track.low), mean(track.expected)
    score = list(np.maximum.reduceat(track.score[first:last], starts - first))
    level = float(track.threshold[first:last].max())
    frame = _Frame(
        begin_ms,
        end_ms,
        _nice(max(*seen, min(max(high), 3.0 * max(*seen, 1.0)), 0.1)),
        min(0.0, max(min(score), -0.5 * level)),
        max(1.15 * level, *score),
    )
    points = [frame.x(t) for t in times]
    drawing = _shades(frame, incidents)
    drawing += _area("band", points, [frame.y(v) for v in low], [frame.y(v) for v in high])
    drawing += _line("expected", points, [frame.y(v) for v in expected])
    if track.negative is not None:
        heights = [frame.y(v) for v in mean(track.negative)]
        drawing += _area("negative", points, [frame.y(0)] * len(points), heights)
    drawing += _line("volume", points, [frame.y(v) for v in seen])
    drawing += _line("score", points, [frame.y_score(v) for v in score])
    drawing += Markup('<path class="threshold" d="M{} {}H{}"/>').format(
        LEFT, frame.y_score(level), WIDTH - RIGHT
    )
    label = f"{track.name}: {track.unit}, what was usual, and when it fired"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        WIDTH, HEIGHT, label, drawing, _axes(frame, track.unit), _fired(frame, alarms)
    )


def _shades(frame: _Frame, incidents: Sequence[Incident]) -> Markup:
    drawn = Markup()
    for incident in incidents:
        if incident.end_ms < frame.begin_ms or incident.begin_ms > frame.end_ms:
            continue
        left, right = frame.x(incident.begin_ms), frame.x(incident.end_ms)
        drawn += Markup(
            '<rect class="incident" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        ).format(left, TOP_PX, max(right - left, 1.5), HEIGHT - TOP_PX - BOTTOM_PX, incident.name)
    return drawn


def _fired(frame: _Frame, alarms: Sequence[Alarm]) -> Markup:
    drawn = Markup()
    for alarm in alarms:
        if frame.begin_ms <= alarm.at_ms <= frame.end_ms:
            x = frame.x(alarm.at_ms)
            drawn += Markup(
                '<path class="fired" d="M{0} {1}V{2}"><title>{3}</title></path>'
                '<path class="flag" d="M{0} {1}l9 -5l-9 -5z"/>'
            ).format(x, TOP_PX - 4, HEIGHT - BOTTOM_PX, f"{alarm.what} {utc(alarm.at_ms)}")
    return drawn


def _axes(frame: _Frame, unit: str) -> Markup:
    axes = Markup('<text class="name" x="{}" y="12">{}</text>').format(LEFT, unit)
    axes += Markup('<text class="name" x="{}" y="{}">score; dashed: it fires</text>').format(
        LEFT, TOP_PX + VOLUME_PX + GAP_PX - 5
    )
    for value in (0.0, frame.top / 2, frame.top):
        axes += _rule(frame.y(value), f"{value:g}")
    for value in (frame.floor, frame.ceiling):
        axes += _rule(frame.y_score(value), f"{value:.2g}")
    span_min = (frame.end_ms - frame.begin_ms) / 60_000
    step_min = next((step for step in _STEPS_MIN if span_min / step <= 9), _STEPS_MIN[-1])
    step_ms = step_min * 60_000
    for tick_ms in range(ceil(frame.begin_ms / step_ms) * step_ms, frame.end_ms + 1, step_ms):
        tick = datetime.fromtimestamp(tick_ms / 1000, tz=UTC)
        day = step_min >= 720 or tick.hour == tick.minute == 0
        axes += Markup('<text class="time" x="{}" y="{}">{}</text>').format(
            frame.x(tick_ms), HEIGHT - 7, f"{tick.day} {tick:%b}" if day else f"{tick:%H:%M}"
        )
    return axes


def _rule(y: float, text: str) -> Markup:
    return Markup(
        '<path class="grid" d="M{} {}H{}"/><text class="value" x="{}" y="{}">{}</text>'
    ).format(LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, text)


def _line(name: str, xs: Sequence[float], ys: Sequence[float]) -> Markup:
    corners = "L".join(f"{x:g} {y:g}" for x, y in zip(xs, ys, strict=True))
    return Markup('<path class="{}" d="M{}"/>').format(name, corners)


def _area(name: str, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Markup:
    there = [f"{x:g} {y:g}" for x, y in zip(xs, high, strict=True)]
    back = [f"{x:g} {y:g}" for x, y in zip(xs, low, strict=True)]
    return Markup('<path class="{}" d="M{}Z"/>').format(name, "L".join(there + back[::-1]))


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten."""
    if not isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10, 20) if value <= step * power * 1.0001)


def utc(time_ms: int) -> str:
    """A time as people write it, UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1000, tz=UTC):%Y-%m-%d %H:%M}"
