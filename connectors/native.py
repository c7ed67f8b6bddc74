"""From native records to posts: what the pure `parse` of every platform needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from html.parser import HTMLParser
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from connectors.base import RAW_LIMIT_BYTES, Reject
from connectors.errors import MalformedError
from models.post import MAX_COUNT, MAX_TEXT_CHARS, Op, Post

T = TypeVar("T")

MAX_URL_CHARS = 2048
_BLOCKS = frozenset([
    "p", "br", "div", "li", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "tr",
    "table", "pre", "hr", "article", "section",
])  # fmt: skip
_SILENT = frozenset(("script", "style", "template"))
_BLANKS = re.compile(r"[ \t\r\f\v]+")
_LINES = re.compile(r" ?\n[ \n]*")


@dataclass(frozen=True, slots=True)
class Sight:
    """Who saw a record, and when.

    Attributes:
        source: name of the connector instance.
        at_ms: milliseconds since the epoch.
    """

    source: str
    at_ms: int


def convert(record: object, kind: type[T]) -> T:
    """A decoded record as a struct.

    Raises:
        MalformedError: a field is missing or of another kind; says which.
    """
    try:
        return msgspec.convert(record, kind, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedError(str(error)) from error


def make_post(
    sight: Sight, *, platform: str, native_id: str, created_ms: int, **values: Any
) -> Post:
    """A post whose text has a bound, whose counts make sense, and which is not of the future.

    Args:
        sight: who saw it, and when.
        platform: name of the platform.
        native_id: of the post.
        created_ms: a time after `sight` is taken for a wrong clock, and cut.
        values: further fields of `Post`; those that are None or empty are left out.

    Raises:
        MalformedError: a field does not fit the contract.
    """
    fields: dict[str, Any] = {
        name: value for name, value in values.items() if value not in (None, "")
    }
    text = fields.get("text", "")
    if len(text) > MAX_TEXT_CHARS:
        fields |= {"text": text[:MAX_TEXT_CHARS], "truncated": True}
    if len(fields.get("url", "")) > MAX_URL_CHARS:
        del fields["url"]
    if "reach" in fields:
        fields["reach"] = min(max(int(fields["reach"]), 0), MAX_COUNT)
    if "engagement" in fields:
        counts = fields["engagement"].items()
        fields["engagement"] = {name: min(max(int(n or 0), 0), MAX_COUNT) for name, n in counts}
    fields |= {
        "platform": platform,
        "native_id": native_id,
        "created_ms": min(created_ms, sight.at_ms),
        "observed_ms": sight.at_ms,
        "source": sight.source,
    }
    try:
        return Post.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise MalformedError(f"{where}: {first['msg']}") from error


def deletion(sight: Sight, platform: str, native_id: str) -> Post:
    """The word that a post was taken back."""
    return make_post(
        sight, platform=platform, native_id=native_id, created_ms=sight.at_ms, op=Op.DELETE
    )


def reject_of(record: object, reason: object, place: str) -> Reject:
    """A record that could not become a post.

    Args:
        record: bytes as they came, or what was decoded from them.
        reason: the error.
        place: where it stood.
    """
    raw = record if isinstance(record, bytes) else msgspec.json.encode(record)
    return Reject(raw[:RAW_LIMIT_BYTES] or b"-", str(reason)[:500], place)


def opaque_id(*parts: str) -> str:
    """A stable id in which nobody's name can be read.

    For platforms whose ids are made of the author's. It has no key, so that it is the same after
    the key of the pseudonyms was changed; who can compute it has the post itself.
    """
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def text_of(markup: str) -> str:
    r"""The text of a piece of HTML, one line a block.

    Example:
        >>> text_of("<p>Zażółć&nbsp;<b>gęślą</b></p><p>jaźń&#33;</p>")
        'Zażółć gęślą\njaźń!'
    """
    if "<" not in markup and "&" not in markup:
        return tidy(markup)
    reader = _TextReader()
    reader.feed(markup)
    reader.close()
    return tidy("".join(reader.parts))


def tidy(text: str) -> str:
    """Text without superfluous white space."""
    return _LINES.sub("\n", _BLANKS.sub(" ", text.replace("\u00a0", " "))).strip()


class _TextReader(HTMLParser):
    """Gathers text; Mastodon's invisible parts of long links stay, they are part of the link."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data.replace("\n", " "))
