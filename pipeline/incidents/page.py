"""A backtest as one HTML file: figures, incidents, alarms and plots; no script, nothing loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from pipeline.console.templating import make_environment
from pipeline.incidents.judging import Alarm, Incident, Judgement
from pipeline.incidents.tracks import Track, draw_track, utc
from pipeline.plaintext import printable

FOLDER = Path(__file__).parent / "templates"
STYLE = (FOLDER / "backtest.css").read_text(encoding="utf-8")
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-security policy: our own styles and nothing else."""
MOST = 40
"""Brands that are drawn, and alarms that are listed."""
MOST_CLOSE = 12
"""Close views a brand."""
_HOUR_MS = 3_600_000
_BEFORE_MS, _AFTER_MS, _LONGEST_MS = 4 * _HOUR_MS, 4 * _HOUR_MS, 36 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing and what stands under it."""

    drawing: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Part:
    """The plots of one brand or series."""

    name: str
    plots: list[Plot]


def write_page(title: str, judgement: Judgement, tracks: Sequence[Track]) -> str:
    """The whole page.

    Args:
        title: what was tested, the file's name.
        judgement: alarms against incidents.
        tracks: what was seen, one a brand or series.
    """
    parts: list[Part] = []
    left_out = 0
    for track in tracks:
        incidents = [f.incident for f in judgement.findings if f.incident.brand == track.brand]
        alarms = [alarm for alarm in judgement.alarms if alarm.brand == track.brand]
        if len(tracks) > 1 and not incidents and not alarms:
            continue
        if len(parts) == MOST:
            left_out += 1
            continue
        parts.append(Part(printable(track.name), _plots(track, incidents, alarms)))
    times = [int(t) for track in tracks if len(track.times_ms) for t in track.times_ms[[0, -1]]]
    template = make_environment(FOLDER).get_template("backtest.html")
    return template.render(
        title=title,
        policy=POLICY,
        style=Markup(STYLE),  # noqa: S704 - our own file
        judgement=judgement,
        names={track.brand: track.name for track in tracks},
        bare=all(not track.brand for track in tracks),
        begin_ms=min(times, default=0),
        end_ms=max(times, default=0),
        parts=parts,
        left_out=left_out,
        MOST=MOST,
        utc=utc,
        share=_share,
        minutes=_minutes,
        number=_number,
    )


def _plots(track: Track, incidents: Sequence[Incident], alarms: Sequence[Alarm]) -> list[Plot]:
    if not len(track.times_ms):
        return []
    first, last = int(track.times_ms[0]), int(track.times_ms[-1]) + 1
    windows = [(first, last, "All of it.")]
    close = [(i.begin_ms, i.end_ms, i.name or "Incident") for i in incidents]
    close += [
        (a.at_ms, a.at_ms, f"{a.what} of {utc(a.at_ms)}")
        for a in alarms
        if not any(i.begin_ms <= a.at_ms <= i.end_ms for i in incidents)
    ]
    for begin, end, caption in sorted(close)[:MOST_CLOSE]:
        end = min(end + _AFTER_MS, begin + _LONGEST_MS)
        window = (max(begin - _BEFORE_MS, first), min(end, last), f"{caption}, close by.")
        if window[1] - window[0] < 0.8 * (last - first):
            windows.append(window)
    plots = [
        Plot(draw_track(track, begin, end, incidents, alarms), caption)
        for begin, end, caption in windows
    ]
    return [plot for plot in plots if plot.drawing]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _minutes(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f} min" if value < 180 else f"{value / 60:.1f} h"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
