"""Runs a file of posts through the same code as the stream, without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from models.alert import CrisisAlert, from_ms
from models.post import Heartbeat, Post
from models.series import SeriesPoint
from pipeline.local import LocalRun


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


def _time(time_ms: int) -> str:
    return _stamp(from_ms(time_ms))


def _stamp(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
