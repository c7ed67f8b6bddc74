"""Alarms against labelled incidents: precision, recall, delay, false alarms.

An alarm belongs to an incident if it fired between the incident's beginning and its end, both
included, and at the same brand. An alarm before the beginning is a false one, however near it was:
labels are taken at their word. There is no adjustment by which one lucky minute finds them all.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from statistics import median

from models.errors import UserError

COLUMNS = ("begin", "end")
WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Incident:
    """What somebody labelled; `brand` is empty where the data have no brands."""

    begin_ms: int
    end_ms: int
    brand: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert that fired; `until_ms` is None while it still fires."""

    at_ms: int
    brand: str = ""
    what: str = ""
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """An incident and the first alarm in it, None where it was missed."""

    incident: Incident
    alarm: Alarm | None

    @property
    def delay_min(self) -> float | None:
        """Minutes from the labelled beginning to the alarm."""
        return None if self.alarm is None else (self.alarm.at_ms - self.incident.begin_ms) / 60_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of incidents and alarms.

    Attributes:
        findings: one an incident, in the order of their beginnings.
        alarms: all that fired.
        false_alarms: those that lie in no incident.
        span_ms: event time that was looked at.
        brands: brands that were looked at.
    """

    findings: tuple[Finding, ...]
    alarms: tuple[Alarm, ...]
    false_alarms: tuple[Alarm, ...]
    span_ms: int
    brands: int

    @property
    def found(self) -> int:
        """Incidents with an alarm."""
        return sum(finding.alarm is not None for finding in self.findings)

    @property
    def recall(self) -> float | None:
        """Share of incidents found; None without incidents."""
        return self.found / len(self.findings) if self.findings else None

    @property
    def precision(self) -> float | None:
        """Share of alarms that lie in an incident; None without alarms."""
        if not self.alarms:
            return None
        return 1.0 - len(self.false_alarms) / len(self.alarms)

    @property
    def median_delay_min(self) -> float | None:
        """Median delay over the incidents found."""
        delays = [f.delay_min for f in self.findings if f.delay_min is not None]
        return median(delays) if delays else None

    @property
    def false_alarms_per_week(self) -> float | None:
        """Over all brands; None where no time passed."""
        return len(self.false_alarms) * WEEK_MS / self.span_ms if self.span_ms > 0 else None

    @property
    def false_alarms_per_brand_in_4_weeks(self) -> float | None:
        """In the unit of the watchlist's budget."""
        weekly = self.false_alarms_per_week
        return None if weekly is None else 4.0 * weekly / max(self.brands, 1)


def judge(
    incidents: Sequence[Incident], alarms: Sequence[Alarm], span_ms: int, brands: int
) -> Judgement:
    """Lays alarms against incidents.

    Args:
        incidents: in any order.
        alarms: in any order.
        span_ms: event time that was looked at.
        brands: brands that were looked at.
    """
    ordered = sorted(alarms, key=lambda alarm: (alarm.at_ms, alarm.brand, alarm.what))
    findings = []
    for incident in sorted(incidents, key=lambda i: (i.begin_ms, i.brand, i.name)):
        inside = (alarm for alarm in ordered if lies_in(alarm, incident))
        findings.append(Finding(incident, next(inside, None)))
    false = tuple(a for a in ordered if not any(lies_in(a, i) for i in incidents))
    return Judgement(tuple(findings), tuple(ordered), false, span_ms, brands)


def lies_in(alarm: Alarm, incident: Incident) -> bool:
    """Whether an alarm fired within an incident of its brand."""
    return alarm.brand == incident.brand and incident.begin_ms <= alarm.at_ms <= incident.end_ms


def read_incidents(source: Path, brands: Collection[str]) -> list[Incident]:
    """Reads a CSV with the columns begin, end and, where there are brands, brand; name if given.

    Args:
        source: times are ISO 8601, UTC where no zone is given.
        brands: ids that may be named; empty where the data have none.

    Raises:
        UserError: the file cannot be read, or a row is broken (file and line are named).
    """
    wanted = (*COLUMNS, "brand") if brands else COLUMNS
    incidents = []
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in wanted if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{source}:1: no column {missing[0]}; wanted: {','.join(wanted)} "
                    "(and name, if you like)"
                )
            for row in reader:
                place = f"{source}:{reader.line_num}"
                brand = (row["brand"] or "").strip() if brands else ""
                if brands and brand not in brands:
                    raise UserError(f"{place}: {_unknown(brand, brands)}")
                begin_ms, end_ms = (_time(row[name], name, place) for name in COLUMNS)
                if end_ms < begin_ms:
                    raise UserError(f"{place}: ends before it begins")
                incidents.append(Incident(begin_ms, end_ms, brand, (row.get("name") or "").strip()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {source}: {error}") from error
    return incidents


def _unknown(brand: str, brands: Collection[str]) -> str:
    near = get_close_matches(brand, brands, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(brands)[:10])}"
    return f"no brand {brand!r} in the watchlist; {hint}"


def _time(text: str | None, name: str, place: str) -> int:
    try:
        time = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise UserError(
            f"{place}: {name} {text!r} is no time; write it like 2015-02-22T09:00"
        ) from None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
