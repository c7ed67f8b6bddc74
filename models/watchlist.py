"""The watchlist: brands, what matches them, how many false alarms are allowed, and what to do.

`load_watchlist` reads a file and reports every problem with file, line and field at once. What a
brand leaves out it takes from `defaults`, so every `Brand` of a `Watchlist` is complete. How to
write one: `docs/watchlist.md`.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from models.alert import ALL_BRANDS, EscalationStep, Step
from models.brand import Brand, Defaults, Follow, Match, PublicFigure
from models.causes import Cause
from models.detection.base import Kind, RowSettings, Severity
from models.detection.settings import DEFAULT, DetectionSettings
from models.errors import UserError
from models.marked_yaml import Fault, Location, MarkedYaml
from models.plan import TIMEZONE, Escalation, Event, Owner, Part, Playbook, applicable, known_zone

WATCHLIST_VERSION = 1
MAX_FAULTS_SHOWN = 50
_REPEATED = "repeated_id"


class WatchlistError(UserError, ValueError):
    """A watchlist that cannot be used.

    Attributes:
        name: the file.
        faults: everything that is wrong, by line.
    """

    def __init__(self, name: str, faults: list[Fault]) -> None:
        self.name = name
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        lines = [
            f"{name}:{fault.line}: {field_of(fault.location)}: {fault.message}"
            for fault in self.faults[:MAX_FAULTS_SHOWN]
        ]
        if len(self.faults) > MAX_FAULTS_SHOWN:
            lines.append(f"… and {len(self.faults) - MAX_FAULTS_SHOWN} more")
        super().__init__("\n".join(lines))


class Watchlist(Part):
    """Everything that Czujka watches, and the contingency plan."""

    version: int = Field(ge=1)
    defaults: Defaults = Defaults()
    detectors: tuple[str, ...] = Field(
        default=DEFAULT.detectors,
        description='"two-null", which decides, and import paths of River\'s detectors, which vote '
        "beside it; votes are in the alert.",
    )
    brands: tuple[Brand, ...]

    @field_validator("version")
    @classmethod
    def _known(cls, version: int) -> int:
        if version > WATCHLIST_VERSION:
            raise ValueError(f"is newer than this release reads, which is {WATCHLIST_VERSION}")
        return version

    @field_validator("detectors")
    @classmethod
    def _there(cls, detectors: tuple[str, ...]) -> tuple[str, ...]:
        if detectors != DEFAULT.detectors:
            from models.detection.votes import check_detectors  # River takes a second to import

            check_detectors(detectors)
        return detectors

    @field_validator("brands")
    @classmethod
    def _complete(cls, brands: tuple[Brand, ...], info: ValidationInfo) -> tuple[Brand, ...]:
        if not brands:
            raise ValueError("names no brand")
        repeated = [name for name, n in Counter(brand.id for brand in brands).items() if n > 1]
        if repeated:
            raise PydanticCustomError(_REPEATED, f"share an id: {', '.join(repeated)}")
        defaults = info.data.get("defaults", Defaults())
        return tuple(brand.completed(defaults) for brand in brands)

    @cached_property
    def config_hash(self) -> str:
        """12 hexadecimal digits that change with any setting, not with how it is written."""
        content = self.model_dump(mode="json", by_alias=True)
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @cached_property
    def _by_id(self) -> dict[str, Brand]:
        return {brand.id: brand for brand in self.brands}

    def brand(self, brand_id: str) -> Brand:
        """The brand with an id.

        Raises:
            KeyError: there is none.
        """
        return self._by_id[brand_id]

    def row_settings(self) -> list[RowSettings]:
        """Settings for the bank of detectors, in the order of `brands`."""
        return [
            RowSettings(
                false_alarms=brand.false_alarms.count,
                period_min=brand.false_alarms.period_min,
                events=tuple(event.planned() for event in brand.events),
            )
            for brand in self.brands
        ]

    def detection_settings(self) -> DetectionSettings:
        """How the bank decides."""
        return DetectionSettings(detectors=self.detectors)

    def step(
        self, brand_id: str, kind: Kind, severity: Severity, cause: Cause | None = None
    ) -> Step | None:
        """The step of the plan that applies to an alert.

        Each field comes from the most specific playbook that has it: the brand's before the
        defaults', the cause's before none, the kind's before `any`, the severity's before `any`.
        What concerns all brands together has the defaults' alone.

        Returns:
            None if the plan says nothing: no playbook applies and nobody owns the brand.

        Raises:
            KeyError: no such brand.
        """
        owner = None
        books = [*applicable(self.defaults.playbooks, kind, severity, cause)]
        if brand_id != ALL_BRANDS:
            brand = self.brand(brand_id)
            owner = brand.owner
            books = [*applicable(brand.playbooks, kind, severity, cause), *books]
        if not books and owner is None:
            return None
        plan: dict[str, Any] = {}
        for book in books:
            for name in book.model_fields_set:
                plan.setdefault(name, getattr(book, name))
        return Step(
            owner=owner.team if owner else "",
            severity=severity,
            runbook=plan.get("runbook"),
            first_steps=plan.get("first_steps", ()),
            deadline_minutes=plan.get("deadline_min"),
            holding_statement=plan.get("holding_statement", {}),
            escalate=tuple(
                EscalationStep(after_minutes=step.after_min, to=step.to)
                for step in (owner.escalate if owner else ())
            ),
        )


def load_watchlist(path: Path) -> Watchlist:
    """Reads a watchlist from a YAML file in UTF-8.

    Raises:
        WatchlistError: it cannot be read or is wrong; the message names file, line and field of
            every problem.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        fault = Fault(1, (), f"cannot be read: {error.strerror or error}")
        raise WatchlistError(str(path), [fault]) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise WatchlistError(str(path), [Fault(line, (), "is not UTF-8")]) from error
    return parse_watchlist(text, str(path))


def parse_watchlist(text: str, name: str = "watchlist.yaml") -> Watchlist:
    """Reads a watchlist from YAML text.

    Args:
        text: the YAML.
        name: what errors call the file.

    Raises:
        WatchlistError: it is wrong; the message names file, line and field of every problem.
    """
    with _collector_paused():
        return _parse(text, name)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cycle collector, which would walk the many nodes again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parse(text: str, name: str) -> Watchlist:
    marked = MarkedYaml(text)
    faults = list(marked.faults)
    if marked.data is None and not faults:
        faults.append(Fault(1, (), "is empty: it needs `version` and `brands`"))
    if marked.data is None:
        raise WatchlistError(name, faults)
    faults += [
        Fault(marked.line(location), location, message)
        for location, message in _repeated_ids(marked.data)
    ]
    try:
        watchlist = Watchlist.model_validate(
            marked.data, context={TIMEZONE: _default_zone(marked.data)}
        )
    except ValidationError as error:
        faults += [
            _fault(details, marked)
            for details in error.errors(include_url=False)
            if details["type"] != _REPEATED
        ]
        raise WatchlistError(name, faults) from error
    if faults:
        raise WatchlistError(name, faults)
    return watchlist


def field_of(location: Location) -> str:
    """A location as people write it.

    Example:
        >>> field_of(("brands", 3, "match", "stems"))
        'brands[3].match.stems'
    """
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return name.removeprefix(".") or "the file"


def _default_zone(data: Any) -> ZoneInfo | None:
    """The zone of the defaults; UTC for an unknown one, which is reported where it stands."""
    defaults = data.get("defaults") if isinstance(data, dict) else None
    name = defaults.get("timezone") if isinstance(defaults, dict) else None
    if name is None:
        return None
    try:
        return ZoneInfo(known_zone(str(name)))
    except ValueError:
        return ZoneInfo("UTC")


def _repeated_ids(data: Any) -> Iterator[tuple[Location, str]]:
    """Second and further uses of an id, in data that may be wrong otherwise."""
    brands = data.get("brands") if isinstance(data, dict) else None
    first: dict[str, int] = {}
    for index, brand in enumerate(brands if isinstance(brands, list) else ()):
        brand_id = brand.get("id") if isinstance(brand, dict) else None
        if not isinstance(brand_id, str):
            continue
        if brand_id in first:
            yield (
                ("brands", index, "id"),
                f"{brand_id!r} is also the id of brands[{first[brand_id]}]",
            )
        else:
            first[brand_id] = index


def _fault(details: ErrorDetails, marked: MarkedYaml) -> Fault:
    location = tuple(part for part in details["loc"] if part != "[key]")
    return Fault(marked.line(location), location, _message(details))


def _message(details: ErrorDetails) -> str:
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        *parent, name = details["loc"]
        return "is unknown" + _suggestion(str(name), _fields_at(tuple(parent)))
    if kind == "missing":
        return "is missing"
    if kind in ("tuple_type", "dict_type", "model_type", "model_attributes_type"):
        wanted = "a list, as in [a, b]" if kind == "tuple_type" else "a block of `key: value`"
        return f"must be {wanted}" + (" (it is empty)" if found is None else "")
    if found is None:
        return "is empty; a value that begins with # needs quotes"
    context = details.get("ctx", {})
    if kind == "literal_error":
        expected = str(context["expected"])
        names = [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]
        return f"is unknown: use {expected}" + _suggestion(str(found), names)
    if kind == "string_pattern_mismatch":
        return f"{found!r} must have the form {context['pattern']}"
    if kind == "value_error":
        return f"{context['error']}" + (f" (found {found!r})" if isinstance(found, str) else "")
    message = details["msg"]
    return (
        message[0].lower() + message[1:] + (f" (found {found!r})" if isinstance(found, str) else "")
    )


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else ""


def _fields_at(location: Location) -> list[str]:
    """Names of the fields that may stand at a location of a watchlist."""
    names = [part for part in location if isinstance(part, str)]
    model = _PARTS.get(names[-1], Playbook) if names else Watchlist
    return [field.alias or name for name, field in model.model_fields.items()]


_PARTS: dict[str, type[Part]] = {
    "defaults": Defaults,
    "brands": Brand,
    "match": Match,
    "follow": Follow,
    "owner": Owner,
    "escalate": Escalation,
    "events": Event,
    "public_figures": PublicFigure,
}
"""What stands under a key; under the keys of playbooks, a `Playbook`."""
