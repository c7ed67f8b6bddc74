"""The page of a brand: how it does now, what was and what is planned, and how lenient we are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from models.alert import CrisisAlert, from_ms
from models.brand import Brand
from models.feedback import Answer, Feedback
from models.leniency import budget_factor, halvings, spent_ms
from models.plan import Budget, Event
from models.watchlist import Watchlist
from pipeline.console.charts import Marker, volume_chart
from pipeline.console.views import CHART_COLUMNS, Share, shares
from pipeline.console.wording import KINDS, SEVERITIES, decimal
from pipeline.language import _
from pipeline.ledger import BrandView, Ledger, PastMinute
from pipeline.plaintext import printable

SMOOTH_MIN = 15
"""Sentiment of single minutes is noise: it is shown as the mean of so many."""
RECENT_MIN = 60
ALERTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """A false alarm that narrows the budget, and until when."""

    answer: Feedback
    until: datetime


@dataclass(frozen=True, slots=True)
class BrandPage:
    """What the page shows.

    Attributes:
        view: of the brand.
        drawing: its minutes, for browsers without scripts.
        mentions_per_min, negative_share, sentiment, weighted: of the last hour.
        alerts: newest first.
        events: planned, those that are over left out.
        hours: terms that rose, by hour, newest first.
        platforms: of the minutes in memory.
        budget: as the watchlist has it, None where it is not known.
        left: share of the budget that is left, in (0, 1].
        verdicts: why.
    """

    view: BrandView
    drawing: Markup
    mentions_per_min: float | None
    negative_share: float | None
    sentiment: float | None
    weighted: float | None
    alerts: list[CrisisAlert]
    events: list[Event]
    hours: list[tuple[datetime, tuple[tuple[str, float], ...]]]
    platforms: list[Share]
    budget: Budget | None
    left: float
    verdicts: list[Verdict]


def show_brand(view: BrandView, ledger: Ledger, watchlist: Watchlist | None) -> BrandPage:
    """Gathers the page of a brand."""
    recent = view.history[-RECENT_MIN:]
    mentions = sum(minute.mentions for minute in recent)
    platforms: Counter[str] = Counter()
    for minute in view.history:
        platforms.update(dict(minute.platforms))
    alerts = sorted(ledger.alerts(brand=view.brand), key=lambda a: a.onset, reverse=True)
    now_ms = int(ledger.watermark.timestamp() * 1000) if ledger.watermark else 0
    verdicts = [
        Verdict(answer, from_ms(spent_ms(answer)))
        for answer in ledger.verdicts(view.brand)
        if answer.answer is Answer.FALSE_ALARM and spent_ms(answer) > now_ms
    ]
    brand = _planned(view, watchlist)
    halved = halvings([verdict.answer for verdict in verdicts], now_ms).get(view.brand, 0)
    label = _("Mentions a minute of %(name)s and what is usual", name=printable(view.name))
    return BrandPage(
        view=view,
        drawing=volume_chart(view.history, label, CHART_COLUMNS, list(_markers(alerts))),
        mentions_per_min=mentions / len(recent) if recent else None,
        negative_share=min(1.0, sum(m.negative for m in recent) / mentions) if mentions else None,
        sentiment=_mean(recent, "sentiment"),
        weighted=_mean(recent, "weighted_sentiment"),
        alerts=alerts[:ALERTS_SHOWN],
        events=[] if brand is None else [e for e in brand.events if _ahead(e, ledger)],
        hours=[(from_ms(m.bucket_ms), m.terms) for m in reversed(view.history) if m.terms],
        platforms=shares(platforms),
        budget=None if brand is None else brand.false_alarms,
        left=budget_factor(halved),
        verdicts=verdicts,
    )


def describe_minutes(
    view: BrandView, ledger: Ledger, watchlist: Watchlist | None
) -> dict[str, object]:
    """The minutes of a brand as columns, for the script that draws them."""
    history = view.history
    brand = _planned(view, watchlist)
    return {
        "brand": view.brand,
        "name": printable(view.name),
        "bucket_ms": [minute.bucket_ms for minute in history],
        **{
            name: [getattr(minute, name) for minute in history]
            for name in ("mentions", "negative", "expected", "low", "high", "coverage")
        },
        "sentiment": _smooth(history, "sentiment"),
        "weighted_sentiment": _smooth(history, "weighted_sentiment"),
        "alerts": [
            {
                "alert_id": alert.alert_id,
                "label": f"{_(KINDS[alert.kind])}, {_(SEVERITIES[alert.severity]).lower()}",
                "severity": alert.severity.value,
                "from_ms": int(alert.onset.timestamp() * 1000),
                "to_ms": int((alert.resolved_at or alert.decided_at).timestamp() * 1000),
                "open": alert.status != "resolved",
            }
            for alert in ledger.alerts(brand=view.brand)
        ],
        "events": [
            {
                "name": printable(event.name),
                "from_ms": event.planned().from_ms,
                "to_ms": event.planned().to_ms,
            }
            for event in (brand.events if brand else ())
        ],
        "words": {
            "mentions": _("mentions a minute"),
            "negative": _("negative among them"),
            "expected": _("expected"),
            "band": _("usual minutes"),
            "sentiment": _("sentiment"),
            "weighted": _("weighted by influence"),
            "planned": _("planned"),
            "separators": f"{decimal('.')}\u202f",
        },
    }


def _planned(view: BrandView, watchlist: Watchlist | None) -> Brand | None:
    """The brand in the watchlist, which may be newer or older than what the topics say."""
    brands = () if watchlist is None else watchlist.brands
    return next((brand for brand in brands if brand.id == view.brand), None)


def _ahead(event: Event, ledger: Ledger) -> bool:
    return ledger.watermark is None or event.to > ledger.watermark


def _markers(alerts: Sequence[CrisisAlert]) -> Iterator[Marker]:
    for alert in alerts:
        yield Marker(alert.onset, "onset")
        if alert.fired_at is not None:
            yield Marker(alert.fired_at, "fired")
        if alert.resolved_at is not None:
            yield Marker(alert.resolved_at, "resolved")


def _mean(minutes: Sequence[PastMinute], name: str) -> float | None:
    """Mean over the mentions of some minutes."""
    said = [(m.mentions, getattr(m, name)) for m in minutes if getattr(m, name) is not None]
    total: float = sum(mentions for mentions, _value in said)
    return sum(mentions * value for mentions, value in said) / total if total else None


def _smooth(minutes: Sequence[PastMinute], name: str) -> list[float | None]:
    """Each minute with those before it, over their mentions."""
    return [
        _mean(minutes[max(0, at - SMOOTH_MIN + 1) : at + 1], name) for at in range(len(minutes))
    ]
