"""Runs a file of posts through the same code as the stream, without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Kind
from models.post import Heartbeat, Post
from models.series import SeriesPoint
from pipeline.incidents.judging import Alarm, Judgement
from pipeline.incidents.tracks import Track
from pipeline.local import LocalRun

PAGING = (Kind.SURGE_NEGATIVE, Kind.MOOD)
"""Kinds that are judged against incidents: those that the false-alarm budget is for."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Posts in a row, and the heartbeat after them."""

    posts: tuple[Post, ...]
    heartbeat: Heartbeat | None


@dataclass(slots=True)
class BacktestResult:
    """What a backtest found.

    Attributes:
        posts: read from the file.
        refused: by reason; from the file or by score.
        mentions: by brand.
        buckets: minutes decided.
        first, last: event time of the first and the last bucket with a mention.
        alerts: the last revision of each alert, in the order of their first decisions.
    """

    posts: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    mentions: Counter[str] = field(default_factory=Counter)
    buckets: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    alerts: dict[str, CrisisAlert] = field(default_factory=dict)

    @property
    def fired(self) -> list[CrisisAlert]:
        """Alerts that fired."""
        return [alert for alert in self.alerts.values() if alert.fired_at is not None]

    def add_point(self, point: SeriesPoint) -> None:
        """Takes a series point into account."""
        self.mentions[point.brand] += point.mentions
        if point.mentions:
            if self.first_ms is None:
                self.first_ms = point.bucket_ms
            self.last_ms = point.bucket_ms


class TrackKeeper:
    """Keeps the minutes of each brand as columns, for plots and for the span that was watched."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._rows: dict[str, list[tuple[float, ...]]] = {}

    def add(self, point: SeriesPoint) -> None:
        """Takes a minute of a brand."""
        self._names[point.brand] = point.brand_name or point.brand
        self._rows.setdefault(point.brand, []).append(
            (
                point.bucket_ms,
                point.mentions,
                point.negative,
                point.expected,
                point.low,
                point.high,
                point.statistic,
                point.threshold,
            )
        )

    def tracks(self) -> list[Track]:
        """One a brand, in the order of their ids."""
        tracks = []
        for brand in sorted(self._rows):
            table = np.array(sorted(self._rows[brand]))
            columns = table[:, 1:].T
            tracks.append(
                Track(
                    brand=brand,
                    name=self._names[brand],
                    times_ms=table[:, 0].astype(np.int64),
                    seen=columns[0],
                    negative=columns[1],
                    expected=columns[2],
                    low=columns[3],
                    high=columns[4],
                    score=columns[5],
                    threshold=columns[6],
                    unit="mentions a minute",
                )
            )
        return tracks

    def span_ms(self) -> int:
        """Event time from the first minute to the last."""
        times = [row[0] for rows in self._rows.values() for row in (rows[0], rows[-1])]
        return int(max(times) - min(times)) + BUCKET_MS if times else 0


def alarms_of(result: BacktestResult) -> list[Alarm]:
    """Alerts that fired and page, as alarms."""
    return [
        Alarm(
            at_ms=_ms(alert.fired_at),
            brand=alert.brand,
            what=f"{alert.kind.value}, {alert.severity.value}",
            until_ms=None if alert.resolved_at is None else _ms(alert.resolved_at),
        )
        for alert in result.fired
        if alert.kind in PAGING and alert.fired_at is not None
    ]


def describe_judgement(judgement: Judgement) -> list[str]:
    """The judgement, line by line, for a terminal."""
    lines = []
    for finding in judgement.findings:
        incident = finding.incident
        who = " ".join(part for part in (incident.brand, incident.name) if part) or "incident"
        told = "missed"
        if finding.alarm is not None:
            told = f"found after {finding.delay_min:.0f} min, {_time(finding.alarm.at_ms)}"
        lines.append(f"{who}, {_time(incident.begin_ms)}: {told}")
    alarms, false = len(judgement.alarms), len(judgement.false_alarms)
    weekly, delay = judgement.false_alarms_per_week, judgement.median_delay_min
    lines.append(
        f"found {judgement.found} of {len(judgement.findings)} incidents (recall "
        f"{_share(judgement.recall)}), {alarms - false} of {alarms} alarms lie in one (precision "
        f"{_share(judgement.precision)}), median delay "
        f"{'–' if delay is None else f'{delay:.0f} min'}, "
        f"{'–' if weekly is None else f'{weekly:.2f}'} false alarms a week"
    )
    return lines


def summarise_judgement(judgement: Judgement) -> dict[str, object]:
    """The judgement for JSON."""
    return {
        "precision": judgement.precision,
        "recall": judgement.recall,
        "median_delay_min": judgement.median_delay_min,
        "false_alarms": len(judgement.false_alarms),
        "false_alarms_per_week": judgement.false_alarms_per_week,
        "false_alarms_per_brand_in_4_weeks": judgement.false_alarms_per_brand_in_4_weeks,
        "alarms": [
            {"brand": a.brand, "at": from_ms(a.at_ms).isoformat(), "what": a.what}
            for a in judgement.alarms
        ],
        "incidents": [
            {
                "brand": f.incident.brand,
                "name": f.incident.name,
                "begin": from_ms(f.incident.begin_ms).isoformat(),
                "end": from_ms(f.incident.end_ms).isoformat(),
                "found": f.alarm is not None,
                "delay_min": f.delay_min,
            }
            for f in judgement.findings
        ],
    }


def run_backtest(
    run: LocalRun,
    chunks: Iterable[Chunk],
    on_alert: Callable[[CrisisAlert], None] = lambda alert: None,
    on_point: Callable[[SeriesPoint], None] = lambda point: None,
) -> BacktestResult:
    """Feeds everything through and gathers what was decided.

    Args:
        run: a fresh one.
        chunks: in the order of the file; the last one's heartbeat must be final.
        on_alert: called with each revision as it is decided.
        on_point: called with each point of the series.
    """
    result = BacktestResult()
    for chunk in chunks:
        result.posts += len(chunk.posts)
        for output in run.publish(chunk.posts, chunk.heartbeat):
            result.buckets += output.buckets
            for point in output.series:
                result.add_point(point)
                on_point(point)
            for alert in output.alerts:
                result.alerts[alert.alert_id] = alert
                on_alert(alert)
        for letter in run.take_dead_letters():
            result.refused[letter.reason] += 1
    return result


def describe(result: BacktestResult) -> list[str]:
    """The summary, line by line, for a terminal."""
    lines = [
        f"{result.posts} posts, {sum(result.mentions.values())} mentions of "
        f"{sum(count > 0 for count in result.mentions.values())} brands"
    ]
    if result.first_ms is not None and result.last_ms is not None:
        first, last = (_time(ms) for ms in (result.first_ms, result.last_ms))
        lines[0] += f", {first} to {last} UTC"
    lines += [f"  {brand}: {count} mentions" for brand, count in result.mentions.most_common()]
    lines += [f"refused: {count} ({reason})" for reason, count in result.refused.most_common()]
    if not result.fired:
        lines.append("no alert fired")
    for alert in result.fired:
        until = (
            "still firing" if alert.resolved_at is None else f"resolved {_stamp(alert.resolved_at)}"
        )
        fired = _stamp(alert.fired_at) if alert.fired_at else "never"
        lines.append(
            f"{alert.severity.value:8} {alert.kind.value:14} {alert.brand_name}: "
            f"onset {_stamp(alert.onset)}, fired {fired}, {until}"
        )
    pending = len(result.alerts) - len(result.fired)
    if pending:
        lines.append(f"{pending} more came near and did not fire")
    return lines


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(time_ms: int) -> str:
    return _stamp(from_ms(time_ms))


def _stamp(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
