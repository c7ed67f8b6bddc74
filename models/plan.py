"""Parts of the contingency plan: budgets, deadlines, owners, planned events and playbooks.

They are written as people say them ("1 per 4 weeks", "15m") and validated by pydantic; numbers
inside are minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from models.causes import Cause
from models.detection.base import Kind, PlannedEvent, Severity

UNITS_MIN = {"minute": 1, "hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}
ABBREVIATIONS = {"m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}
MIN_MINUTES_PER_FALSE_ALARM = 60
ANY = "any"
"""In playbooks: every kind, or every severity."""
TIMEZONE = "timezone"
"""Key of the validation context that holds the zone of times written without one."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s+per\s+(?:(\d+(?:\.\d+)?)\s+)?([a-z]+)")
_BUDGET_PATTERN = r"^([0-9.]+ +per +([0-9.]+ +)?(hour|day|week)s?|calm|balanced|eager)$"


def minutes_of(value: Any) -> Any:
    """Minutes of a duration such as ``15m``, ``1h 30m`` or ``2 days``; numbers are minutes.

    Raises:
        ValueError: not a duration.
    """
    if not isinstance(value, str):
        return value
    text, total, place = value.strip().lower(), 0.0, 0
    while place < len(text) and (part := _DURATION.match(text, place)):
        total += float(part[1]) * _unit_min(part[2])
        place = part.end()
    if place < len(text) or not text:
        raise ValueError("is no duration: write for example 15m, 1h 30m or 2 days")
    return total


def _unit_min(word: str) -> float:
    unit = ABBREVIATIONS.get(word, word.removesuffix("s"))
    if unit not in UNITS_MIN:
        raise ValueError(f"has an unknown unit {word!r}: use minutes, hours, days or weeks")
    return UNITS_MIN[unit]


Minutes = Annotated[
    float,
    BeforeValidator(minutes_of),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]}),
]


def known_zone(name: str) -> str:
    """Checks the name of a time zone.

    Raises:
        ValueError: the zone is unknown.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is no time zone: write for example Europe/Warsaw or UTC") from error
    return name


Zone = Annotated[str, AfterValidator(known_zone)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class Part(BaseModel):
    """A part of the watchlist: frozen, unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )


class Budget(Part):
    """How many false alarms are allowed: `count` per `period_min` minutes."""

    count: float = Field(gt=0, allow_inf_nan=False)
    period_min: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = value.strip().lower()
        if text in PRESETS:
            return PRESETS[text]
        match = _BUDGET.fullmatch(text)
        if match is None:
            raise ValueError("is no budget: write for example 1 per 4 weeks, calm, balanced, eager")
        return {"count": match[1], "period_min": float(match[2] or 1) * _unit_min(match[3])}

    @model_validator(mode="after")
    def _not_absurd(self) -> Budget:
        if self.period_min / self.count < MIN_MINUTES_PER_FALSE_ALARM:
            raise ValueError("allows more than one false alarm an hour; nobody would look any more")
        return self


PRESETS = {
    "calm": {"count": 1.0, "period_min": 12.0 * UNITS_MIN["week"]},
    "balanced": {"count": 1.0, "period_min": 4.0 * UNITS_MIN["week"]},
    "eager": {"count": 1.0, "period_min": 1.0 * UNITS_MIN["week"]},
}
BALANCED = Budget.model_validate("balanced")

FalseAlarms = Annotated[
    Budget,
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": _BUDGET_PATTERN,
                    "examples": ["1 per 4 weeks", "2 per week", "calm"],
                },
                {
                    "type": "object",
                    "properties": {
                        "count": {"type": "number", "exclusiveMinimum": 0},
                        "period_min": {"type": "number", "exclusiveMinimum": 0},
                    },
                    "required": ["count", "period_min"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Escalation(Part):
    """Who is told next if nobody has acknowledged."""

    after_min: Minutes = Field(alias="after", description="After firing, for example 15m.")
    to: str = Field(min_length=1)


class Owner(Part):
    """Who answers for a brand."""

    team: str = Field(min_length=1)
    escalate: tuple[Escalation, ...] = ()

    @field_validator("escalate")
    @classmethod
    def _in_order(cls, steps: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
        times = [step.after_min for step in steps]
        if times != sorted(times):
            raise ValueError("must be in the order of `after`, shortest first")
        return steps


def _time_of(text: str) -> datetime:
    if ":" in text:  # a date alone leaves open whether its day is meant to be in or out
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise ValueError("is no time: write for example 2026-11-27T00:00+01:00")


def _instant(value: Any, info: ValidationInfo) -> Any:
    """A time with a zone, in UTC; the zone may come from the validation context."""
    time = value if isinstance(value, datetime) else _time_of(str(value))
    if time.tzinfo is None:
        zone: tzinfo | None = (info.context or {}).get(TIMEZONE)
        if zone is None:
            raise ValueError("has no time zone: add one, as in +01:00, or set defaults.timezone")
        time = time.replace(tzinfo=zone)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999") from error


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "examples": ["2026-11-27T00:00+01:00"]}),
]


class Event(Part):
    """A stretch in which more posts are expected; it never hides a negative surge."""

    name: str = Field(min_length=1)
    from_: Instant = Field(alias="from")
    to: Instant = Field(description="Not included.")

    @field_validator("to")
    @classmethod
    def _after_beginning(cls, to: datetime, info: ValidationInfo) -> datetime:
        begin = info.data.get("from_")
        if begin is not None and to <= begin:
            raise ValueError(f"is not after the beginning: the event begins {begin.isoformat()}")
        return to

    def planned(self) -> PlannedEvent:
        """The event as detection takes it."""
        return PlannedEvent(
            from_ms=int(self.from_.timestamp() * 1000),
            to_ms=int(self.to.timestamp() * 1000),
            name=self.name,
        )


class Measures(Part):
    """What to do; a field left out comes from the next less specific playbook."""

    runbook: str | None = Field(default=None, min_length=1, description="Link.")
    first_steps: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    deadline_min: Minutes | None = Field(
        default=None, alias="deadline", description="First answer in public, for example 1h."
    )
    holding_statement: dict[Language, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description="By language."
    )


CauseKey = Literal[
    "misfire",
    "moderation",
    "outage",
    "data-breach",
    "product",
    "service",
    "people",
    "misinformation",
    "external",
    "unknown",
]


class Playbook(Measures):
    """What to do, and what else where the cause is known."""

    causes: dict[CauseKey, Measures] = Field(
        default_factory=dict, description="Before the rest, once the cause seems known."
    )


KindKey = Literal["surge-negative", "surge", "mood", "coordinated", "coverage", "any"]
SeverityKey = Literal["info", "warning", "error", "critical", "any"]
Playbooks = dict[KindKey, dict[SeverityKey, Playbook]]
"""By kind of signal, then by severity."""


def applicable(
    playbooks: Playbooks, kind: Kind, severity: Severity, cause: Cause | None = None
) -> Iterator[Measures]:
    """What applies to a kind, severity and cause, the most specific first.

    What is written for a cause goes before what is written for none.
    """
    by_kind = cast(Mapping[str, Mapping[str, Playbook]], playbooks)
    books = [
        by_severity[severity_key]
        for kind_key in (kind.value, ANY)
        for by_severity in (by_kind.get(kind_key, {}),)
        for severity_key in (severity.value, ANY)
        if severity_key in by_severity
    ]
    if cause is not None:
        for book in books:
            by_cause = cast(Mapping[str, Measures], book.causes)
            if cause.value in by_cause:
                yield by_cause[cause.value]
    yield from books
