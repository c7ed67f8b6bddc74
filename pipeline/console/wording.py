"""Words and figures for people, in the language spoken now (`pipeline.language`).

The tables hold English marked with `N_`; whoever shows an entry translates it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from babel.dates import format_datetime, get_day_names

from models.causes import Cause
from models.detection.base import Kind, Phase, Severity
from models.feedback import Answer
from pipeline.language import N_, _, spoken
from pipeline.ledger import BrandState

KINDS: Final[Mapping[Kind, str]] = {
    Kind.SURGE_NEGATIVE: N_("Negative surge"),
    Kind.SURGE: N_("Surge"),
    Kind.MOOD: N_("Worse mood"),
    Kind.COORDINATED: N_("Flood of copies"),
    Kind.COVERAGE: N_("Coverage lost"),
}
SEVERITIES: Final[Mapping[Severity, str]] = {
    Severity.INFO: N_("Info"),
    Severity.WARNING: N_("Warning"),
    Severity.ERROR: N_("Error"),
    Severity.CRITICAL: N_("Critical"),
}
STATUSES: Final[Mapping[str, str]] = {
    "pending": N_("Pending"),
    "firing": N_("Firing"),
    "resolved": N_("Resolved"),
}
PHASES: Final[Mapping[Phase, str]] = {
    Phase.CALM: N_("Calm"),
    Phase.WATCH: N_("Near the threshold"),
    Phase.FIRING: N_("Firing"),
    Phase.ESCALATED: N_("Escalated"),
    Phase.COOLING: N_("Cooling down"),
    Phase.RESOLVED: N_("Resolved"),
}
BRAND_STATES: Final[Mapping[BrandState, str]] = {
    "firing": N_("Firing"),
    "pending": N_("Pending"),
    "blind": N_("Partly blind"),
    "calm": N_("Calm"),
    "unknown": N_("No data yet"),
}
CAUSES: Final[Mapping[Cause, str]] = {
    Cause.MISFIRE: N_("A post or campaign of ours"),
    Cause.MODERATION: N_("How comments were handled"),
    Cause.OUTAGE: N_("A technical failure"),
    Cause.DATA_BREACH: N_("A leak of data"),
    Cause.PRODUCT: N_("A product"),
    Cause.SERVICE: N_("Service"),
    Cause.PEOPLE: N_("Staff or leaders"),
    Cause.MISINFORMATION: N_("Something untrue"),
    Cause.EXTERNAL: N_("Something outside of us"),
    Cause.UNKNOWN: N_("Not known"),
}
ANSWERS: Final[Mapping[Answer, str]] = {
    Answer.ACKNOWLEDGE: N_("acknowledged"),
    Answer.RIGHT_ALERT: N_("called it right"),
    Answer.FALSE_ALARM: N_("called it a false alarm"),
    Answer.WRONG_CAUSE: N_("corrected the cause:"),
    Answer.NOT_NEGATIVE: N_("said that a post is not negative"),
    Answer.WRONG_SENTIMENT: N_("corrected the sentiment of a post"),
}
VOICES: Final[Mapping[str, str]] = {
    "loudest": N_("Loud against us"),
    "turned": N_("Turned the tone"),
    "calming": N_("Calming"),
}

NOTHING: Final = "–"


def figure(value: float | None) -> str:
    """A figure as exact as a reader needs, with narrow spaces or a suffix.

    Example:
        >>> [figure(x) for x in (None, 0, 0.278, 3.14159, 41.4, 12_345, 1_250_000)]
        ['–', '0', '0.28', '3.1', '41', '12\u202f345', '1.25\u202fM']
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 1_000_000:
        return _("%(figure)s\u202fM", figure=decimal(f"{value / 1_000_000:.3g}"))
    if abs(value) >= 10 or value == int(value):
        return f"{value:,.0f}".replace(",", "\u202f")
    return decimal(f"{value:.2g}")


def decimal(figure: str) -> str:
    """A figure with the decimal sign of the language: Polish has a comma."""
    return figure.replace(".", ",") if spoken() == "pl" else figure


def percentage(share: float | None) -> str:
    """A share in [0, 1] as per cent; never rounded up to a full hundred.

    Example:
        >>> [percentage(x) for x in (None, 0.314, 0.999, 1.0)]
        ['–', '31\u202f%', '99\u202f%', '100\u202f%']
    """
    if share is None or not math.isfinite(share):
        return NOTHING
    rounded = round(share * 100)
    return f"{99 if rounded == 100 and share < 1 else rounded}\u202f%"


def signed(value: float | None) -> str:
    """A sentiment with its sign.

    Example:
        >>> [signed(x) for x in (None, -0.617, 0.2, 0.0)]
        ['–', '−0.62', '+0.20', '0.00']
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    text = decimal(f"{abs(value):.2f}")
    return text if text in ("0.00", "0,00") else f"{'−' if value < 0 else '+'}{text}"


def chance(probability: float) -> str:
    """A small probability.

    Example:
        >>> [chance(p) for p in (0.0, 1e-9, 0.0123, 0.5)]
        ['< 10⁻¹²', '10⁻⁹', '0.012', '0.5']
    """
    if probability >= 0.001:
        return decimal(f"{probability:.2g}")
    exponent = math.floor(math.log10(probability)) if probability > 0 else -math.inf
    if exponent < -12:
        return "< 10⁻¹²"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def moment(time: datetime | None) -> str:
    """A point in time, UTC.

    Example:
        >>> from datetime import UTC
        >>> moment(datetime(2015, 2, 22, 9, 5, tzinfo=UTC))
        '22 Feb 2015, 09:05'
    """
    if time is None:
        return NOTHING
    written: str = format_datetime(time, "d MMM y, HH:mm", locale=spoken())
    return written


def day(time: datetime) -> str:
    """A day, UTC.

    Example:
        >>> from datetime import UTC
        >>> day(datetime(2015, 2, 22, tzinfo=UTC))
        '22 Feb 2015'
    """
    written: str = format_datetime(time, "d MMM y", locale=spoken())
    return written


def month_name(time: datetime) -> str:
    """A month of a year."""
    written: str = format_datetime(time, "LLLL y", locale=spoken())
    return written


def weekday(number: int) -> str:
    """A day of the week, 0 for Monday."""
    name: str = get_day_names("abbreviated", "stand-alone", locale=spoken())[number]
    return name


def stretch(span: timedelta) -> str:
    """A length of time.

    Example:
        >>> [stretch(timedelta(minutes=m)) for m in (0.5, 45, 60, 61, 1500, 5000)]
        ['< 1 min', '45 min', '1 h', '1 h 1 min', '1 d 1 h', '3 d 11 h']
    """
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "< 1 min"
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes if not days else 0, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
