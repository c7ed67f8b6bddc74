"""What a source is: it gives pages of posts, and knows nothing of Kafka.

A connector for a platform is one file with two parts: `parse`, a pure function from a native
record to posts (or `MalformedError`), and the I/O that fetches native records and gives pages.
What all connectors share (publishing, cursors, back-off, heartbeats, pace) is done around the
source, by wrappers and by the runner.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from models.post import Post

RAW_LIMIT_BYTES = 65_536
"""A reject keeps so much of its record."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A native record that could not become a post; it goes to the dead letters.

    Attributes:
        raw: the record as it came, cut after `RAW_LIMIT_BYTES`.
        reason: what is wrong with it, in one sentence.
        place: where it stood, for example ``posts.csv:17``.
    """

    raw: bytes
    reason: str
    place: str

    @property
    def kind(self) -> str:
        """The reason in one of a few words, for counting: the field that is wrong, or the format.

        Example:
            >>> Reject(b"{}", "created_ms: Field required", "a.jsonl:1").kind
            'created_ms'
            >>> Reject(b"{", "not JSON: truncated", "a.jsonl:1").kind
            'format'
        """
        field = self.reason.partition(":")[0].partition(".")[0]
        return field if field in Post.model_fields else "format"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of which the source cannot give the posts any more.

    Attributes:
        from_ms: where it begins, milliseconds since the epoch.
        to_ms: where it ends.
        reason: why it cannot be filled, in one sentence.
    """

    from_ms: int
    to_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a source has to say at once.

    Attributes:
        posts: in the order in which they are to be published.
        cursor: where to resume once this page is published. Opaque: only the source reads it.
            None says nothing new: the cursor before stays.
        until_ms: everything created before this time was seen and stands in this page or in one
            before, milliseconds since the epoch, UTC. It leads to a heartbeat behind the posts of
            the page. None: no word on that.
        final: the source has ended; no page follows.
        rejects: what could not become a post.
        gap: what was lost before this page, if something was.
    """

    posts: tuple[Post, ...] = ()
    cursor: str | None = None
    until_ms: int | None = None
    final: bool = False
    rejects: tuple[Reject, ...] = ()
    gap: Gap | None = None


Pages = AsyncGenerator[Page, None]
"""An asynchronous generator of pages; whoever opens it closes it (``aclose``)."""


class Source(Protocol):
    """Where posts come from.

    A live source gives a page every few seconds at the latest, empty if need be: an empty page
    with `until_ms` says "nothing was posted", silence says "I am blind".
    """

    @property
    def name(self) -> str:
        """Name of this instance: stands in `Post.source` and in heartbeats, and files cursors."""
        ...

    def pages(self, cursor: str | None) -> Pages:
        """All pages after a cursor, from the beginning (or the present) if it is None.

        The generator is closed when the runner stops; what it opened, it closes then.

        Raises:
            RetryError, RateLimitedError, ConfigurationError, FatalError: see `connectors.errors`.
        """
        ...


@runtime_checkable
class Budgeted(Protocol):
    """A source that can say what it will use of a limited allowance."""

    def budget(self) -> str:
        """What it plans to use, and of how much, in one line.

        Raises:
            ConfigurationError: there is nothing to ask for.
        """
        ...


@runtime_checkable
class Acknowledging(Protocol):
    """A source that must know what is kept, because it answers for it to somebody else."""

    def acknowledge(self, cursor: str) -> None:
        """Everything up to this cursor is with the broker, and the cursor is saved."""
        ...
