"""Contract of the `series` topic: one closed bucket of one brand, observed beside expected.

The key of the record is the brand; the value is this model as JSON. Records may be repeated, for a
replay closes a bucket again: readers key on ``(brand, bucket_ms)`` and let the later one replace
the earlier. Unknown fields are accepted.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from models.post import TimestampMs

SERIES_VERSION = 1
"""Version of this contract; raised when a reader of the old one would misread a record."""


class SeriesTerm(BaseModel):
    """A term that rose in the hour before; posts of at least three authors hold it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    term: str
    share: FiniteFloat = Field(ge=0, le=1, description="Of the hour's posts that hold it.")


class SeriesPoint(BaseModel):
    """What is known of one brand in one closed bucket."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = Field(default=SERIES_VERSION, ge=1, description="Version of the contract.")
    brand: str = Field(min_length=1, description="Id of the brand in the watchlist.")
    brand_name: str = Field(default="", description="Its name for people; empty: the id serves.")
    bucket_ms: TimestampMs = Field(description="Start of the bucket, event time, ms UTC.")

    mentions: int = Field(ge=0, description="All mentions, copies and late ones included.")
    negative: FiniteFloat = Field(ge=0, description="Negative ones among those that count.")
    sentiment: FiniteFloat | None = Field(
        default=None, ge=-1, le=1, description="Mean of P(positive) - P(negative); none: no posts."
    )
    late: int = Field(default=0, ge=0, description="Posts of earlier, closed buckets.")
    copies: int = Field(default=0, ge=0, description="Near-duplicates and loud authors, left out.")
    reach: int = Field(default=0, ge=0, description="Sum of the authors' reach.")
    authors: FiniteFloat = Field(default=0, ge=0, description="Distinct authors, estimated.")

    weighted_sentiment: FiniteFloat | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="The same weighted by influence, 1 + log2(1 + reach); from a sample.",
    )
    platforms: dict[str, int] = Field(default_factory=dict, description="Mentions by platform.")
    terms: tuple[SeriesTerm, ...] = Field(
        default=(), description="What rose in the last hour; told once an hour."
    )

    expected: FiniteFloat = Field(ge=0, description="Expected mentions of the bucket.")
    low: FiniteFloat = Field(ge=0, description="Lower end of their 95 % interval.")
    high: FiniteFloat = Field(ge=0, description="Upper end.")
    expected_negative_share: FiniteFloat = Field(ge=0, le=1)
    statistic: FiniteFloat = Field(description="Of the crisis test, natural log units.")
    threshold: FiniteFloat = Field(description="It fires at or above this.")

    rolling_mentions_per_min: FiniteFloat = Field(default=0, ge=0, description="Rolling volume.")
    rolling_sentiment: FiniteFloat | None = Field(
        default=None, ge=-1, le=1, description="Rolling mean of the sentiment; none: no posts yet."
    )
    coverage: FiniteFloat = Field(default=1, ge=0, le=1, description="Share that we see of it all.")
    pipeline_sent_ms: int = Field(
        default=0,
        ge=0,
        description="Wall clock of the heartbeat that let the bucket close, for measuring delay.",
    )

    def key(self) -> bytes:
        """Key of the record."""
        return self.brand.encode()

    def encode(self) -> bytes:
        """The value as it stands on the topic."""
        return self.model_dump_json(exclude_none=True).encode()


def decode_series_point(value: bytes) -> SeriesPoint:
    """Reads a point.

    Raises:
        ValueError: not a point (pydantic's error, which names the fields).
    """
    return SeriesPoint.model_validate_json(value)
