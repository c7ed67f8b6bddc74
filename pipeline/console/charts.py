"""Drawings of a brand's minutes: volume over the expected band, and the mood, as SVG.

No text stands inside the drawings: they are stretched to the width of the page, and text would be
stretched with them. What they say is in their accessible label and in the page around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import ceil

from markupsafe import Markup

from models.detection.base import BUCKET_MS
from pipeline.ledger import PastMinute

WIDTH = 600
HEIGHT = 100
SMALL_COLUMNS = 60
"""A drawing of no more columns is small: whole units are finer than its pixels."""


@dataclass(frozen=True, slots=True)
class Column:
    """Some neighbouring buckets drawn as one: their means."""

    start_ms: int
    mentions: float
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A vertical line at a moment; `name` is a CSS class."""

    at: datetime
    name: str


def condense(points: Sequence[PastMinute], most: int) -> list[Column]:
    """Draws together neighbouring buckets until at most `most` columns are left.

    Columns are aligned to the epoch, so that they do not jump about as time goes on. Volume and
    bounds are averaged alike: a largest value beside an average bound would look like a surge.
    """
    if not points:
        return []
    span = (points[-1].bucket_ms - points[0].bucket_ms) // BUCKET_MS + 1
    step_ms = max(1, ceil(span / max(1, most - 1))) * BUCKET_MS if span > most else BUCKET_MS
    groups: dict[int, list[float]] = {}
    for point in points:
        start_ms = point.bucket_ms // step_ms * step_ms
        sums = groups.get(start_ms)
        if sums is None:
            groups[start_ms] = [1, point.mentions, point.expected, point.low, point.high]
        else:
            sums[0] += 1
            sums[1] += point.mentions
            sums[2] += point.expected
            sums[3] += point.low
            sums[4] += point.high
    return [
        Column(start_ms, mentions / n, expected / n, low / n, high / n)
        for start_ms, (n, mentions, expected, low, high) in groups.items()
    ]


def volume_chart(
    points: Sequence[PastMinute], label: str, most: int, markers: Sequence[Marker] = ()
) -> Markup:
    """Mentions a minute as a line over the expected band.

    Args:
        points: closed buckets, oldest first; gaps between them break the line.
        label: what a screen reader says.
        most: columns at most.
        markers: vertical lines; those outside of the points' time are left out.
    """
    columns = condense(points, most)
    if not columns:
        return Markup("")
    top = max(max(column.mentions, column.high) for column in columns) * 1.06 or 1.0
    start_ms = columns[0].start_ms
    span_ms = max(BUCKET_MS, columns[-1].start_ms - start_ms)

    def x(time_ms: float) -> int:
        return round((time_ms - start_ms) / span_ms * WIDTH)

    digits = 1 if most > SMALL_COLUMNS else None

    def y(value: float) -> float:
        return round(HEIGHT - value / top * HEIGHT, digits)

    step_ms = min(
        (b.start_ms - a.start_ms for a, b in pairwise(columns)),
        default=BUCKET_MS,
    )
    runs: list[list[Column]] = []
    for column in columns:
        if not runs or column.start_ms - runs[-1][-1].start_ms > step_ms:
            runs.append([])
        runs[-1].append(column)

    drawing = Markup()
    for run in runs:
        across = [*((c.start_ms, c.high) for c in run), *((c.start_ms, c.low) for c in run[::-1])]
        band = _path([(x(time_ms), y(value)) for time_ms, value in across])
        expected = _path([(x(c.start_ms), y(c.expected)) for c in run])
        drawing += Markup('<path class="band" d="{}Z"/><path class="expected" d="{}"/>').format(
            band, expected
        )
    for marker in markers:
        at_ms = marker.at.timestamp() * 1000
        if start_ms <= at_ms <= start_ms + span_ms:
            drawing += Markup('<path class="marker {}" d="M{} 0V{}"/>').format(
                marker.name, x(at_ms), HEIGHT
            )
    for run in runs:
        line = _path([(x(c.start_ms), y(c.mentions)) for c in run])
        drawing += Markup('<path class="volume" d="{}"/>').format(line)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, label, drawing)


def mood_bar(sentiment: float | None) -> Markup:
    """A bar from the middle to the left (negative) or to the right (positive)."""
    length = 0 if sentiment is None else round(abs(sentiment) * 50)
    start = 50 - length if sentiment is not None and sentiment < 0 else 50
    name = "bad" if sentiment is not None and sentiment < 0 else "good"
    return Markup(
        '<svg class="mood" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8"/>'
        '<rect class="{}" x="{}" width="{}" height="8"/>'
        '<path class="middle" d="M50 0V8"/></svg>'
    ).format(name, start, length)


def _path(corners: Sequence[tuple[float, float]]) -> str:
    if len(corners) == 1:  # a lone bucket is a dot: a line of no length with round ends
        x, y = corners[0]
        return f"M{x:g} {y:g}h0"
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in _without_level(corners))


def _without_level(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The corners without those in the middle of a level stretch: the line is the same."""
    if len(corners) < 3:
        yield from corners
        return
    yield corners[0]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        level = before[1] == corner[1] == after[1]
        if not (level and min(before[0], after[0]) < corner[0] < max(before[0], after[0])):
            yield corner
    yield corners[-1]
