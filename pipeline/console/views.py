"""What the pages show of brands and alerts, ready for the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from models.alert import CrisisAlert
from pipeline.console.charts import Marker, mood_bar, volume_chart
from pipeline.console.wording import figure
from pipeline.language import _, spoken
from pipeline.ledger import BrandView, Ledger
from pipeline.plaintext import printable

SPARK_BUCKETS = 180
SPARK_COLUMNS = 60
CHART_COLUMNS = 240
CHART_MARGIN = timedelta(minutes=60)
MAX_SHARES = 6


@dataclass(frozen=True, slots=True)
class Share:
    """One row of a small table of shares."""

    name: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class BrandRow:
    """A brand in the overview."""

    view: BrandView
    spark: Markup
    mood: Markup


@dataclass(frozen=True, slots=True)
class AlertChart:
    """The minutes around an alert."""

    drawing: Markup
    start: datetime
    end: datetime
    peak: int


def alert_href(alert_id: str) -> str:
    """Address of an alert's page."""
    return f"/alerts/{quote(alert_id, safe='')}"


def brand_href(brand: str) -> str:
    """Address of a brand's page."""
    return f"/brands/{quote(brand, safe='')}"


def resilience_href(brand: str) -> str:
    """Address of a brand's resilience over months."""
    return f"/resilience/{quote(brand, safe='')}"


def report_href(alert_id: str) -> str:
    """Address of an alert's report."""
    return f"/reports/{quote(alert_id, safe='')}"


def safe_link(url: str | None) -> str | None:
    """The address if a browser may be sent there; a script in disguise is none."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


class BrandRows:
    """Rows of the overview; a drawing is made once for each state of a brand's minutes."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, str], tuple[int, Markup, Markup]] = {}

    def row(self, view: BrandView) -> BrandRow:
        """A brand as the overview shows it."""
        place = (view.brand, spoken())
        drawn = self._drawn.get(place)
        if drawn is None or drawn[0] != view.changes:
            mood = mood_bar(view.latest.rolling_sentiment if view.latest else None)
            drawn = self._drawn[place] = (view.changes, _spark(view), mood)
        return BrandRow(view=view, spark=drawn[1], mood=drawn[2])


def _spark(view: BrandView) -> Markup:
    points = view.history[-SPARK_BUCKETS:]
    latest = view.latest
    if latest is None:
        return Markup("")
    label = _(
        "%(name)s: mentions in the newest minute: %(mentions)s, expected: %(expected)s, "
        "peak of the last %(minutes)s minutes: %(peak)s",
        name=printable(view.name),
        mentions=latest.mentions,
        expected=figure(latest.expected),
        peak=max(point.mentions for point in points),
        minutes=len(points),
    )
    return volume_chart(points, label, SPARK_COLUMNS)


def alert_chart(ledger: Ledger, alert: CrisisAlert) -> AlertChart | None:
    """The brand's minutes around an alert, or None where they are no longer in memory."""
    view = ledger.brand(alert.brand)
    if view is None:
        return None
    start = alert.onset - CHART_MARGIN
    end = (alert.resolved_at or ledger.watermark or alert.decided_at) + CHART_MARGIN
    points = [
        point
        for point in view.history
        if start.timestamp() * 1000 <= point.bucket_ms <= end.timestamp() * 1000
    ]
    if len(points) < 2 or points[0].bucket_ms > alert.onset.timestamp() * 1000:
        return None
    moments = {"onset": alert.onset, "fired": alert.fired_at, "resolved": alert.resolved_at}
    markers = [Marker(at, name) for name, at in moments.items() if at is not None]
    peak = max(point.mentions for point in points)
    label = _(
        "Mentions a minute of %(name)s around the alert, peak %(peak)s",
        name=printable(view.name),
        peak=peak,
    )
    return AlertChart(
        drawing=volume_chart(points, label, CHART_COLUMNS, markers),
        start=datetime.fromtimestamp(points[0].bucket_ms / 1000, tz=alert.onset.tzinfo),
        end=datetime.fromtimestamp(points[-1].bucket_ms / 1000, tz=alert.onset.tzinfo),
        peak=peak,
    )


def shares(counts: Mapping[str, int]) -> list[Share]:
    """The largest counts with their share of all, largest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Share(name, count, count / total) for name, count in ordered[:MAX_SHARES] if total]


def scaled(departure: float | None) -> float | None:
    """A small departure of the mood, stretched fivefold to fill its bar."""
    return None if departure is None else max(-1.0, min(1.0, departure * 5))


def lasted(alert: CrisisAlert, watermark: datetime | None) -> timedelta:
    """From the onset to the resolution, or to what is known up to now (event time)."""
    end = alert.resolved_at or max(watermark or alert.decided_at, alert.decided_at)
    return max(timedelta(0), end - alert.onset)
