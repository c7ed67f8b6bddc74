"""Which column of a foreign file is which field of a post, and the step from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from hashlib import blake2b
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from connectors.errors import ConfigurationError, MalformedError
from connectors.times import parse_time
from models.post import MAX_TEXT_CHARS, Post

Getter = Callable[[Any], object]
"""Takes one field out of a record, None where the record lacks it."""

COUNTERS = ("likes", "reposts", "replies", "quotes", "views")
_WORDS = ("language", "reply_to", "repost_of", "quote_of", "url", "op", "author")
FIELDS = ("text", "created_at", "native_id", "platform", "reach", *_WORDS, *COUNTERS)
"""Fields that ``--map FIELD=COLUMN`` knows."""

_OTHER_NAMES = {
    "created_at": ("created_ms",),
    **{name: (f"engagement.{name}",) for name in COUNTERS},
}
"""Where a field stands in a file of posts as they are on the topic."""


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Columns by field. A field that is not named here is looked for under its own name.

    Attributes:
        columns: column by field; in JSON, ``a.b`` reaches into the object ``a``.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> FieldMap:
        """Reads ``FIELD=COLUMN`` pairs.

        Raises:
            ConfigurationError: not such a pair, an unknown field, or a field named twice.

        Example:
            >>> FieldMap.parse(["author=name"]).columns["author"]
            'name'
        """
        columns: dict[str, str] = {}
        for pair in pairs:
            name, equals, column = pair.partition("=")
            if not equals or not column:
                raise ConfigurationError(f"--map {pair}: expected FIELD=COLUMN")
            if name not in FIELDS:
                raise ConfigurationError(
                    f"--map {pair}: unknown field '{name}' (known: {', '.join(FIELDS)})"
                )
            if name in columns:
                raise ConfigurationError(f"--map {pair}: field '{name}' is mapped twice")
            columns[name] = column
        return cls(MappingProxyType(columns))

    def getters_for_header(self, header: Sequence[str], place: str) -> dict[str, Getter]:
        """How to take each field out of a row under this header.

        Raises:
            ConfigurationError: a column that is mapped, or the text or the time, is not there.
        """
        index = {column: number for number, column in reversed(list(enumerate(header)))}
        getters: dict[str, Getter] = {}
        for name in FIELDS:
            for column in self._candidates(name):
                if column in index:
                    getters[name] = itemgetter(index[column])
                    break
            else:
                if name in self.columns or name in ("text", "created_at"):
                    wanted = self.columns.get(name, name)
                    raise ConfigurationError(
                        f"{place}: no column '{wanted}' for the field '{name}': "
                        f"add --map {name}=COLUMN; columns are: {', '.join(header)}"
                    )
        return getters

    def getters_for_objects(self) -> dict[str, Getter]:
        """How to take each field out of a JSON object."""
        return {name: _first_of(self._candidates(name)) for name in FIELDS}

    def _candidates(self, name: str) -> tuple[str, ...]:
        if name in self.columns:
            return (self.columns[name],)
        return (name, *_OTHER_NAMES.get(name, ()))


def _first_of(columns: tuple[str, ...]) -> Getter:
    getters = [_path(column) for column in columns]
    if len(getters) == 1:
        return getters[0]

    def first(record: Any) -> object:
        for getter in getters:
            value = getter(record)
            if value is not None:
                return value
        return None

    return first


def _path(column: str) -> Getter:
    """``a.b`` is the field ``b`` of the object ``a``, else a field that has a dot in its name."""
    head, dot, rest = column.partition(".")
    if not dot:
        return lambda record: record.get(column)
    inner = _path(rest)

    def walk(record: Any) -> object:
        part = record.get(head)
        return inner(part) if isinstance(part, dict) else record.get(column)

    return walk


class PostBuilder:
    """Makes posts out of records with the same getters."""

    def __init__(
        self, getters: Mapping[str, Getter], *, source: str, platform: str, zone: tzinfo = UTC
    ) -> None:
        self._text = getters["text"]
        self._created = getters["created_at"]
        self._native_id = getters.get("native_id")
        self._platform_of = getters.get("platform")
        self._reach = getters.get("reach")
        self._words = [(name, getters[name]) for name in _WORDS if name in getters]
        self._counters = [(name, getters[name]) for name in COUNTERS if name in getters]
        self._source = source
        self._platform = platform
        self._zone = zone
        self._validate = Post.__pydantic_validator__.validate_python

    def build(self, record: object, number: int, raw: bytes) -> Post:
        """The post that a record describes; it was observed when it was created.

        Args:
            record: what the getters take fields from.
            number: of its line, and
            raw: its bytes: together they give the id of a record that has none.

        Raises:
            MalformedError: says which field is wrong.
        """
        created_ms = parse_time(self._created(record), self._zone)
        text = self._text(record)
        if not isinstance(text, str):
            if text is None:
                raise MalformedError("no text")
            text = _word("text", text)
        values: dict[str, object] = {
            "source": self._source,
            "platform": self._platform,
            "created_ms": created_ms,
            "observed_ms": created_ms,
            "text": text,
        }
        if len(text) > MAX_TEXT_CHARS:
            values["text"] = text[:MAX_TEXT_CHARS]
            values["truncated"] = True
        native_id = self._native_id(record) if self._native_id else None
        values["native_id"] = (
            _word("native_id", native_id)
            if native_id not in (None, "")
            else content_id(number, raw)
        )
        if self._platform_of and (platform := self._platform_of(record)):
            values["platform"] = _word("platform", platform).strip().lower()
        if self._reach:
            values["reach"] = _count("reach", self._reach(record))
        for name, get in self._words:
            if (value := get(record)) not in (None, ""):
                values[name] = _word(name, value)
        counts = {name: n for name, get in self._counters if (n := _count(name, get(record)))}
        if counts:
            values["engagement"] = counts
        try:
            post: Post = self._validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            raise MalformedError(f"{where}: {first['msg']}") from error
        return post


def _word(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise MalformedError(f"{name}: neither a text nor a number")


def _count(name: str, value: object) -> int:
    if value in (None, ""):
        return 0
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return int(float(value))
        except (ValueError, OverflowError):
            pass
    raise MalformedError(f"{name}: not a number: {str(value)[:40]!r}")


def content_id(number: int, raw: bytes) -> str:
    """A stable id for a record without one: the same content on the same line has the same."""
    return blake2b(b"%d:%b" % (number, raw), digest_size=12).hexdigest()
