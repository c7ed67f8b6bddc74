"""The terminal view of a running story: progress, brands, alerts as they fire and resolve.

`render` is pure: a ledger and the progress in, something that rich can print out. `TerminalView`
draws it again and again on a terminal; where the output is no terminal (a pipe, a log of CI) it
writes one plain line for each thing that happens instead. Words of posts, brands and alerts reach
rich as `Text`, never as markup, and without control characters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from models.alert import CrisisAlert
from models.series import SeriesPoint
from pipeline.feed import News
from pipeline.ledger import BrandView, Ledger, PastMinute
from pipeline.plaintext import one_line, printable

BRANDS_SHOWN = 12
EVENTS_SHOWN = 8
SPARK_COLUMNS = 16
SPARK_BUCKETS = 240
SPARK_LEVELS = "▁▂▃▄▅▆▇█"
NAME_CHARS = 24
SUMMARY_CHARS = 100
TEXT_CHARS = 60
PLAIN_STEPS = 10
"""Without a terminal, progress is told so many times over the story."""

SEVERITY_STYLE = {
    "critical": "bold white on red",
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
}
STATUS_STYLE = {"firing": "bold red", "pending": "yellow", "resolved": "green"}
STATE_STYLE = STATUS_STYLE | {"blind": "magenta", "calm": "green", "unknown": "dim"}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a story has come.

    Attributes:
        from_ms: event time at which the story begins.
        to_ms: event time at which it ends.
        posts: published so far.
        posts_per_s: published a second, lately, wall clock.
        elapsed_s: since the start, wall clock.
        address: of the page, or empty.
        note: what to do now, for example how to end it.
    """

    from_ms: int
    to_ms: int
    posts: int
    posts_per_s: float
    elapsed_s: float
    address: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """An alert that came into a status."""

    alert: CrisisAlert

    def line(self) -> Text:
        """What happened, on one line."""
        alert = self.alert
        line = Text()
        line.append(f"{alert.decided_at:%d %b %H:%M}  ", style="dim")
        line.append(f"{alert.status.upper():<8}", style=STATUS_STYLE[alert.status])
        line.append(" ")
        line.append(f" {alert.severity.value} ", style=SEVERITY_STYLE[alert.severity.value])
        line.append(" ")
        line.append(one_line(alert.brand_name, NAME_CHARS), style="bold")
        line.append(f" {alert.kind.value}: ")
        line.append(one_line(alert.summary, SUMMARY_CHARS))
        return line

    def spark(self) -> Text | None:
        """After which post the story took off, on one line; None of a story that has ended."""
        take_off = self.alert.take_off
        if take_off is None or self.alert.status == "resolved":
            return None
        exhibit = take_off.exhibit
        line = Text(" " * 14)
        line.append("took off after ", style="dim")
        line.append(f"{exhibit.created_at:%H:%M} ")
        line.append(f"“{one_line(exhibit.text, TEXT_CHARS)}”", style="italic")
        line.append(f"  {one_line(exhibit.platform, NAME_CHARS)}, reach {exhibit.reach:,}")
        if exhibit.handle:
            line.append(f", {one_line(exhibit.handle, NAME_CHARS)}")
        line.append(f", {take_off.before_per_min:.1f} → {take_off.after_per_min:.1f} a minute")
        return line


def render(
    ledger: Ledger, progress: Progress, happenings: Sequence[Happening] = ()
) -> RenderableType:
    """The whole view.

    Args:
        ledger: the current view of brands and alerts.
        progress: of the story.
        happenings: oldest first; the last few are shown.
    """
    return Group(
        _head(ledger, progress),
        _brands(ledger.brands()),
        _happenings(happenings),
        _foot(progress),
    )


class TerminalView:
    """Draws the view while it is entered; use as a context manager.

    Args:
        ledger: the view, kept up to date by a feed whose listener is `take`.
        console: where to draw; standard output if none is given.
    """

    def __init__(self, ledger: Ledger, console: Console | None = None) -> None:
        self._ledger = ledger
        self._console = console or Console(highlight=False)
        self._statuses: dict[str, str] = {}
        self._happenings: deque[Happening] = deque(maxlen=EVENTS_SHOWN)
        self._live: Live | None = None
        self._told_steps = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def take(self, news: Sequence[News]) -> None:
        """Notes which alerts came into another status; without a terminal, says so at once."""
        for item in news:
            alert = item.record
            if not isinstance(alert, CrisisAlert):
                continue
            if self._statuses.get(alert.alert_id) == alert.status:
                continue
            self._statuses[alert.alert_id] = alert.status
            happening = Happening(alert)
            self._happenings.append(happening)
            if self._live is None:
                for line in _told(happening):
                    self._say(line)

    def show(self, progress: Progress) -> None:
        """Draws the present state; without a terminal, says how far it is now and then."""
        if self._live is not None:
            self._live.update(render(self._ledger, progress, list(self._happenings)), refresh=True)
            return
        share = _share(self._ledger, progress)
        steps = int(share * PLAIN_STEPS)
        if steps > self._told_steps:
            self._told_steps = steps
            self._say(
                Text(
                    f"{share:4.0%}  {_reached(self._ledger)}  {progress.posts} posts, "
                    f"{progress.posts_per_s:.0f} a second, {progress.elapsed_s:.0f} s"
                )
            )

    def tell_foot(self, progress: Progress) -> None:
        """Without a terminal, says what the drawn view has at its foot: the page, what to do."""
        if self._live is None:
            self._say(_foot(progress))

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def spark(points: Sequence[PastMinute], columns: int = SPARK_COLUMNS) -> str:
    """Volume as a row of blocks, oldest first, scaled to the largest.

    Example:
        >>> spark([])
        ''
    """
    recent = points[-SPARK_BUCKETS:]
    if not recent:
        return ""
    size = max(1, -(-len(recent) // columns))
    groups = [recent[at : at + size] for at in range(0, len(recent), size)]
    means = [sum(point.mentions for point in group) / len(group) for group in groups]
    top = max(means) or 1.0
    last = len(SPARK_LEVELS) - 1
    return "".join(SPARK_LEVELS[round(mean / top * last)] for mean in means)


def _head(ledger: Ledger, progress: Progress) -> RenderableType:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(
        Text(_reached(ledger), style="bold"),
        ProgressBar(total=1.0, completed=_share(ledger, progress)),
        Text(
            f"{progress.posts:,} posts · {progress.posts_per_s:,.0f}/s · {progress.elapsed_s:.0f} s"
        ),
    )
    return Panel(table, title=Text("Czujka"), title_align="left", border_style="blue")


def _brands(views: Sequence[BrandView]) -> RenderableType:
    table = Table(expand=True, box=None, header_style="dim", padding=(0, 1))
    table.add_column("brand", ratio=1, min_width=14, no_wrap=True)
    table.add_column("volume", no_wrap=True)
    table.add_column("a minute", justify="right", no_wrap=True)
    table.add_column("expected", justify="right", no_wrap=True)
    table.add_column("mood", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for view in views[:BRANDS_SHOWN]:
        latest = view.latest
        table.add_row(
            Text(one_line(view.name, NAME_CHARS), style="bold"),
            Text(spark(view.history), style=STATE_STYLE[view.state]),
            f"{latest.rolling_mentions_per_min:.1f}" if latest else "",
            f"{latest.expected:.1f}" if latest else "",
            _mood(latest),
            _state(view),
        )
    if not views:
        table.add_row(Text("waiting for the first closed minute", style="dim"))
    if len(views) > BRANDS_SHOWN:
        table.add_row(Text(f"and {len(views) - BRANDS_SHOWN} more, see the page", style="dim"))
    return table


def _mood(latest: SeriesPoint | None) -> Text:
    if latest is None or latest.rolling_sentiment is None:
        return Text("")
    mood = latest.rolling_sentiment
    return Text(f"{mood:+.2f}", style="red" if mood < -0.2 else "green" if mood > 0.2 else "")


def _state(view: BrandView) -> Text:
    state = Text(view.state, style=STATE_STYLE[view.state])
    if view.severity is not None:
        state.append(f" {view.severity.value}")
    return state


def _happenings(happenings: Sequence[Happening]) -> RenderableType:
    lines = [line for happening in happenings[-EVENTS_SHOWN:] for line in _told(happening)]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Panel(
        Group(*lines) if lines else Text("no alert so far", style="dim"),
        title=Text("alerts"),
        title_align="left",
        border_style="dim",
    )


def _told(happening: Happening) -> list[Text]:
    spark = happening.spark()
    return [happening.line()] if spark is None else [happening.line(), spark]


def _foot(progress: Progress) -> Text:
    foot = Text()
    if progress.address:
        foot.append("page: ")
        foot.append(progress.address, style=f"bold underline link {progress.address}")
    if progress.note:
        foot.append("   " if progress.address else "")
        foot.append(printable(progress.note), style="dim")
    return foot


def _share(ledger: Ledger, progress: Progress) -> float:
    """Share of the story that is decided, by event time."""
    if ledger.watermark is None or progress.to_ms <= progress.from_ms:
        return 0.0
    reached = ledger.watermark.timestamp() * 1000 - progress.from_ms
    return min(1.0, max(0.0, reached / (progress.to_ms - progress.from_ms)))


def _reached(ledger: Ledger) -> str:
    if ledger.watermark is None:
        return "not begun"
    return f"{ledger.watermark:%a %d %b %Y %H:%M}"
