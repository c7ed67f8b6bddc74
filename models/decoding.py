"""Fast reading of the `posts` topic: the fields that score needs, a batch at a time.

Accepts and rejects what `models.post.record_adapter` does, as far as those fields go; what stands
in other fields is skipped unread. A record that the fast path does not take is shown to the
contract itself, which either takes it after all (``"12"`` is a number to it) or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models.post import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_COUNT,
    POSTS_VERSION,
    Op,
    Post,
    record_adapter,
)

_Version = Annotated[int, Meta(ge=1, le=POSTS_VERSION)]
_TimestampMs = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
_Source = Annotated[str, Meta(min_length=1, max_length=128)]

EMPTY = "empty"
INVALID_UTF8 = "invalid-utf8"
INVALID_JSON = "invalid-json"
NOT_AN_OBJECT = "not-an-object"
UNKNOWN_TYPE = "unknown-type"
UNSUPPORTED_VERSION = "unsupported-version"
MISSING_FIELD = "missing-field"
OUT_OF_RANGE = "out-of-range"
INVALID_VALUE = "invalid-value"
WRONG_TYPE = "wrong-type"

REASONS = (
    EMPTY,
    INVALID_UTF8,
    INVALID_JSON,
    NOT_AN_OBJECT,
    UNKNOWN_TYPE,
    UNSUPPORTED_VERSION,
    MISSING_FIELD,
    OUT_OF_RANGE,
    INVALID_VALUE,
    WRONG_TYPE,
)
"""Every reason that a `Bad` can have: they are labels of a metric, so none goes away lightly."""

_BY_ERROR = {
    "json_invalid": INVALID_JSON,
    "dict_type": NOT_AN_OBJECT,
    "union_tag_invalid": UNKNOWN_TYPE,
    "union_tag_not_found": MISSING_FIELD,
    "missing": MISSING_FIELD,
    "greater_than_equal": OUT_OF_RANGE,
    "less_than_equal": OUT_OF_RANGE,
    "int_parsing_size": OUT_OF_RANGE,
    "string_too_short": OUT_OF_RANGE,
    "string_too_long": OUT_OF_RANGE,
    "enum": INVALID_VALUE,
    "string_pattern_mismatch": INVALID_VALUE,
}
MAX_DETAIL_CHARS = 300


class PostRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", tag="post"):
    """The fields of a `models.post.Post` that score reads."""

    platform: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
    native_id: Annotated[str, Meta(min_length=1, max_length=512)]
    op: Op = Op.CREATE
    author: Annotated[str, Meta(max_length=256)] | None = None
    reach: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 0
    text: str = ""
    language: Annotated[str, Meta(max_length=35)] | None = None
    created_ms: _TimestampMs
    observed_ms: _TimestampMs
    url: Annotated[str, Meta(max_length=2048)] | None = None
    source: _Source
    repost_of: str | None = None
    version: _Version = POSTS_VERSION

    @property
    def key(self) -> str:
        """Key of the record."""
        return f"{self.platform}:{self.native_id}"


class MissedRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The fields of a `models.post.Missed`."""

    from_ms: _TimestampMs
    to_ms: _TimestampMs


class HeartbeatRow(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type", tag="heartbeat"
):
    """The fields of a `models.post.Heartbeat`."""

    source: _Source
    until_ms: _TimestampMs
    sent_ms: _TimestampMs
    final: bool = False
    gap: MissedRow | None = None
    version: _Version = POSTS_VERSION


class Bad(msgspec.Struct, frozen=True):
    """A record that cannot be read; it belongs in `dead-letters`.

    Attributes:
        reason: one of `REASONS`.
        detail: what is wrong with which field, for a person; has no text of the post.
    """

    reason: str
    detail: str


_decode = msgspec.json.Decoder(PostRow | HeartbeatRow).decode


def decode(values: Sequence[bytes | None]) -> list[PostRow | HeartbeatRow | Bad]:
    """Reads the values of a batch of records, in their order; raises nothing on any content."""
    rows: list[PostRow | HeartbeatRow | Bad] = []
    for value in values:
        try:
            rows.append(_decode(value or b""))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows.append(_decode_slowly(value or b""))
    return rows


def _decode_slowly(value: bytes) -> PostRow | HeartbeatRow | Bad:
    try:
        record = record_adapter.validate_json(value)
    except ValidationError as error:
        return _bad(value, error)
    if isinstance(record, Post):
        return PostRow(**{name: getattr(record, name) for name in PostRow.__struct_fields__})
    return HeartbeatRow(**{name: getattr(record, name) for name in HeartbeatRow.__struct_fields__})


def _bad(value: bytes, error: ValidationError) -> Bad:
    if not value:
        return Bad(EMPTY, "the record has no value")
    try:
        value.decode()
    except UnicodeDecodeError as utf8:
        return Bad(INVALID_UTF8, f"byte {utf8.start} of {len(value)}: {utf8.reason}")
    details = error.errors(include_url=False, include_input=False)
    first = next((one for one in details if _newer(one)), details[0])
    reason = UNSUPPORTED_VERSION if _newer(first) else _BY_ERROR.get(first["type"], WRONG_TYPE)
    field = ".".join(str(part) for part in first["loc"])
    message = f"{field}: {first['msg']}" if field else first["msg"]
    if reason == UNSUPPORTED_VERSION:
        message += "; upgrade score before the connectors"
    return Bad(reason, message[:MAX_DETAIL_CHARS])


def _newer(details: ErrorDetails) -> bool:
    return details["loc"][-1:] == ("version",) and details["type"] == "less_than_equal"
