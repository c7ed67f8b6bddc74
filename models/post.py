"""Contract of the `posts` topic: what connectors publish.

A value is a `Post` or a `Heartbeat`, told apart by its field ``type``. Unknown fields are accepted
and ignored, so that a newer connector can talk to an older score stage. Times are milliseconds
since the Unix epoch, UTC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

POSTS_VERSION = 1
"""Version of this contract; raised when a reader of the old one would misread a record."""

MAX_TEXT_CHARS = 20_000
"""Connectors cut longer texts and set `truncated`."""

EARLIEST_MS = 0
LATEST_MS = 253_402_300_799_000
"""Times lie between 1970 and 9999, so that every one of them is also a date."""

MAX_COUNT = 10**12
"""No count of people or of deeds is larger; sums of such counts stay far within 64 bits."""

TimestampMs = Annotated[int, Field(ge=EARLIEST_MS, le=LATEST_MS)]

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class Op(StrEnum):
    """What happened to the post."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    AUTHOR_DELETE = "author-delete"  # the author asked to be forgotten, or left the platform


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = Field(
        default=POSTS_VERSION,
        ge=1,
        le=POSTS_VERSION,
        description="Version of the contract; a newer one would be misread.",
    )


class Engagement(BaseModel):
    """Counters of the post when it was observed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    likes: Count = 0
    reposts: Count = 0
    replies: Count = 0
    quotes: Count = 0
    views: Count = 0


class Post(_Record):
    """One thing somebody published, or what became of it."""

    type: Literal["post"] = "post"
    platform: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="Platform, for example `bluesky`."
    )
    native_id: str = Field(
        min_length=1,
        max_length=512,
        description="The platform's own id; the author's for `author-delete`.",
    )
    op: Op = Op.CREATE
    author: str | None = Field(
        default=None, max_length=256, description="Keyed pseudonym of the author."
    )
    reach: Count = Field(default=0, description="People who may see it: followers, as a rule.")
    text: str = Field(default="", description="Text, masked at the edge.")
    truncated: bool = Field(default=False, description="The text was cut at the edge.")
    language: str | None = Field(
        default=None, max_length=35, description="BCP 47 tag where the platform gives one."
    )
    created_ms: TimestampMs = Field(description="When it was published, says the platform.")
    observed_ms: TimestampMs = Field(description="When the connector saw it.")
    engagement: Engagement = Engagement()
    reply_to: str | None = Field(default=None, description="Native id it replies to.")
    repost_of: str | None = Field(default=None, description="Native id it repeats.")
    quote_of: str | None = Field(default=None, description="Native id it quotes.")
    url: str | None = Field(default=None, max_length=2048)
    source: str = Field(min_length=1, max_length=128, description="Connector instance.")

    @property
    def key(self) -> str:
        """Key of the record: all operations on one post have the same, and so keep their order."""
        return f"{self.platform}:{self.native_id}"


class Missed(BaseModel):
    """A stretch of time of which a source cannot give all posts any more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    from_ms: TimestampMs = Field(description="Where it begins.")
    to_ms: TimestampMs = Field(description="Where it ends.")


class Heartbeat(_Record):
    """A connector's word that it has published all that it saw up to a time.

    It goes into every partition of `posts`, after a flush. The watermark of a partition is the
    least `until_ms` of its live connectors.
    """

    type: Literal["heartbeat"] = "heartbeat"
    source: str = Field(min_length=1, max_length=128, description="Connector instance.")
    until_ms: TimestampMs = Field(description="All posts created before this were published.")
    sent_ms: TimestampMs = Field(description="Wall clock of the connector when it sent this.")
    final: bool = Field(default=False, description="The source has ended; wait for it no longer.")
    gap: Missed | None = Field(
        default=None, description="What was lost for good; the source does not count there."
    )


Record = Annotated[Post | Heartbeat, Field(discriminator="type")]

record_adapter: TypeAdapter[Post | Heartbeat] = TypeAdapter(Record)
"""Reads either record: ``record_adapter.validate_json(value)``."""


def encode(record: Post | Heartbeat) -> bytes:
    """The record as it stands on the topic."""
    return record.model_dump_json(exclude_defaults=False, exclude_none=True).encode()
