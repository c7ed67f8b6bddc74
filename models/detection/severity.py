"""How bad a signal is, from its impact; how sure we are plays no part.

Evidence answers "is it real", severity "how much does it matter". Reach has heavy tails and would
break a likelihood; here it may count.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.detection.base import Kind, Severity

ORDER = (Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Impact:
    """What a signal has done so far.

    Attributes:
        excess_authors: authors of negative posts since the onset above the usual number.
        rate_ratio: negative posts of the last 30 minutes over the usual number.
        reach_ratio: reach of the negative posts since the onset over the usual reach.
        platforms: platforms it is on.
        copies: near-duplicates of the last 30 minutes.
        minutes: minutes since the onset.
    """

    excess_authors: float
    rate_ratio: float
    reach_ratio: float
    platforms: float
    copies: float
    minutes: float


def rank_of(severity: Severity) -> int:
    """Position of a severity from least to worst."""
    return ORDER.index(severity)


def rate_severity(kind: Kind, impact: Impact) -> Severity:
    """Severity of a signal of a kind with an impact."""
    match kind:
        case Kind.SURGE_NEGATIVE:
            return _rate_crisis(impact)
        case Kind.MOOD:
            wide = impact.excess_authors >= 100 and impact.rate_ratio >= 2
            return Severity.ERROR if wide else Severity.WARNING
        case Kind.COORDINATED:
            return Severity.WARNING if impact.copies >= 200 else Severity.INFO
        case Kind.COVERAGE:
            return Severity.ERROR if impact.minutes >= 60 else Severity.WARNING
        case Kind.SURGE:
            return Severity.INFO


def _rate_crisis(impact: Impact) -> Severity:
    need = 0.7 if impact.platforms >= 3 else 1.0
    authors, ratio, reach = impact.excess_authors, impact.rate_ratio, impact.reach_ratio
    if (authors >= 250 * need and ratio >= 6) or (authors >= 100 * need and reach >= 30):
        return Severity.CRITICAL
    if (authors >= 40 * need and ratio >= 3) or (authors >= 15 * need and reach >= 10):
        return Severity.ERROR
    return Severity.WARNING
