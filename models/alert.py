"""Contract of the `alerts` topic: crisis signals with an identity and a life.

Each record is one revision of one alert. The identity is a pure function of brand, kind and onset,
so that sending a revision twice changes nothing. Unknown fields are accepted. The key of the record
is the alert's id; the value is this model as JSON, in CloudEvents binary mode.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from models.causes import Cause
from models.detection.base import Kind, Phase, Severity

ALERT_VERSION = 1
ALL_BRANDS = "_all-brands"
"""Stands for the brand in alerts of what befalls all brands together: lost coverage, a platform on
which everything rises. No brand of a watchlist can have this id; grouped by brand, it pages once,
though each watch worker sees brands of its own."""
CLOUDEVENT_TYPE = "czujka.crisis-alert.v1"

Status = Literal["pending", "firing", "resolved"]
Role = Literal["loudest", "turned", "calming"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Observed(_Part):
    """What was seen since the onset."""

    minutes: int = Field(ge=0, description="Length of the stretch.")
    mentions: FiniteFloat = Field(ge=0)
    negative: FiniteFloat = Field(ge=0, description="Negative mentions.")
    authors: FiniteFloat = Field(ge=0, description="Distinct authors, estimated.")
    negative_authors: FiniteFloat = Field(ge=0)
    reach: FiniteFloat = Field(ge=0, description="Sum of the authors' reach.")
    sentiment: FiniteFloat | None = Field(
        default=None, ge=-1, le=1, description="Mean of P(positive) - P(negative)."
    )
    weighted_sentiment: FiniteFloat | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="The same over a sample, each post weighted by its author's influence.",
    )


class Expected(_Part):
    """What a usual stretch of the same length brings."""

    mentions: FiniteFloat = Field(ge=0)
    low: FiniteFloat = Field(ge=0, description="Lower end of the 95 % interval of the mentions.")
    high: FiniteFloat = Field(ge=0, description="Upper end.")
    negative: FiniteFloat = Field(ge=0)
    negative_share: FiniteFloat = Field(ge=0, le=1)


class Evidence(_Part):
    """Why it fired, in the detector's terms."""

    statistic: FiniteFloat = Field(description="Natural log units.")
    threshold: FiniteFloat
    p_chance: FiniteFloat = Field(
        ge=0, le=1, description="Probability of such minutes by chance within the budget's period."
    )
    votes: dict[str, FiniteFloat] = Field(
        default_factory=dict, description="Other detectors' scores."
    )
    baseline: dict[str, FiniteFloat] = Field(default_factory=dict)
    sentiment_model: str = ""
    config_hash: str = Field(default="", description="Hash of watchlist and detection settings.")


class Exhibit(_Part):
    """A redacted post kept as evidence."""

    post: str = Field(description="Key of the post: platform:native_id.")
    created_at: AwareDatetime
    platform: str
    author: str | None = Field(default=None, description="A pseudonym.")
    handle: str | None = Field(
        default=None, description="Of a public figure, as the watchlist has it; of nobody else."
    )
    reach: int = Field(default=0, ge=0)
    text: str = ""
    language: str | None = None
    url: str | None = None
    p_negative: float = Field(ge=0, le=1)
    alike: int = Field(
        default=1, ge=1, description="Posts that say nearly the same, with it; estimated."
    )


class TakeOff(_Part):
    """The post after which negative mentions rose most; in a flood of copies, all mentions.

    The rise of the minutes after it over as many before it, in standard deviations, is weighted
    by the reach of its author.
    """

    exhibit: Exhibit
    minutes: int = Field(ge=1, description="Length of the stretches before and after it.")
    before_per_min: FiniteFloat = Field(ge=0)
    after_per_min: FiniteFloat = Field(ge=0)


class Term(_Part):
    """A word, or two, that rose against the brand's usual posts."""

    term: str
    z: FiniteFloat = Field(description="Standard deviations above the background, in log-odds.")
    share: FiniteFloat = Field(ge=0, le=1, description="Of the story's posts that hold it.")
    usual_share: FiniteFloat = Field(ge=0, le=1, description="Of usual posts that do.")


class Organic(_Part):
    """How a story is spread over posts and authors: a mark, never an accusation."""

    copies: FiniteFloat = Field(ge=0, le=1, description="Share of near-duplicates.")
    authors: FiniteFloat = Field(ge=0, le=1, description="Distinct authors over mentions.")
    entropy: FiniteFloat | None = Field(
        default=None, ge=0, le=1, description="Of the authors; 1: nobody stands out."
    )


class ProbableCause(_Part):
    """What the story seems to be about."""

    cause: Cause
    share: FiniteFloat = Field(ge=0, le=1, description="Of negative posts with a sign of it.")
    reasons: tuple[str, ...] = Field(default=(), description="Words that spoke for it.")


class Voice(_Part):
    """Somebody who shaped the story, as a pseudonym."""

    author: str
    handle: str | None = Field(
        default=None, description="Of a public figure, as the watchlist has it; of nobody else."
    )
    platform: str = ""
    role: Role = Field(
        description="`loudest`: brought most reach to the negative side; `turned`: the negative "
        "share rose after a post of this author; `calming`: brought most reach to the other side."
    )
    reach: int = Field(ge=0)
    tone: FiniteFloat = Field(ge=-1, le=1, description="P(positive) - P(negative), mean.")


class Forecast(_Part):
    """Mentions from the decision on, if things go on as they are; with an 80 % interval."""

    hours: int = Field(ge=1, description="From the decision until then.")
    mentions: FiniteFloat = Field(ge=0)
    low: FiniteFloat = Field(ge=0)
    high: FiniteFloat = Field(ge=0)


class EscalationStep(_Part):
    """Who is told next if nobody has acknowledged."""

    after_minutes: FiniteFloat = Field(ge=0, description="After firing.")
    to: str


class Step(_Part):
    """The step of the contingency plan that applies now."""

    owner: str = ""
    severity: Severity
    runbook: str | None = None
    first_steps: tuple[str, ...] = ()
    deadline_minutes: FiniteFloat | None = None
    holding_statement: dict[str, str] = Field(default_factory=dict, description="By language.")
    escalate: tuple[EscalationStep, ...] = Field(default=(), description="Shortest first.")


class CrisisAlert(_Part):
    """One revision of an alert."""

    version: int = Field(default=ALERT_VERSION, ge=1)
    alert_id: str = Field(min_length=1, max_length=255)
    revision: int = Field(ge=0, description="Counts up within the life of the alert.")
    brand: str
    brand_name: str
    kind: Kind
    status: Status
    phase: Phase = Field(description="Finer than `status`.")
    severity: Severity
    summary: str = Field(description="One sentence for a page.")
    reason: str = Field(default="", description="Why this revision was sent.")
    onset: AwareDatetime = Field(description="Best estimate of when it began.")
    onset_low: AwareDatetime
    onset_high: AwareDatetime
    decided_at: AwareDatetime = Field(description="Event time of the decision.")
    fired_at: AwareDatetime | None = None
    resolved_at: AwareDatetime | None = None
    superseded: bool = Field(
        default=False, description="It ended as it became a crisis, which has its own alert."
    )
    observed: Observed
    expected: Expected
    evidence: Evidence
    coverage: float = Field(default=1.0, ge=0, le=1, description="Share that we see of it all.")
    platforms: dict[str, int] = Field(default_factory=dict, description="Mentions by platform.")
    languages: dict[str, int] = Field(default_factory=dict, description="Mentions by language.")
    exhibits: tuple[Exhibit, ...] = ()
    first_post: Exhibit | None = Field(
        default=None, description="The earliest negative post since the onset that was kept."
    )
    take_off: TakeOff | None = Field(
        default=None, description="The negative post after which the story took off."
    )
    terms: tuple[Term, ...] = Field(default=(), description="What rose, the surest first.")
    cause: ProbableCause | None = None
    organic: Organic | None = None
    voices: tuple[Voice, ...] = ()
    growth_per_hour: FiniteFloat | None = Field(
        default=None, ge=0, description="Ratio of the excess in an hour to that of now."
    )
    forecast: tuple[Forecast, ...] = Field(default=(), description="The next hours, nearest first.")
    step: Step | None = None
    pipeline_sent_ms: int = Field(
        default=0,
        description="Wall clock of the heartbeat that let the bucket close, for measuring delay.",
    )

    @property
    def active(self) -> bool:
        """Whether somebody should be looking at it."""
        return self.status == "firing"

    def encode(self) -> bytes:
        """The value as it stands on the topic."""
        return self.model_dump_json(exclude_none=True).encode()

    def headers(self) -> list[tuple[str, bytes]]:
        """CloudEvents headers, Kafka binary content mode."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": f"{self.alert_id}#{self.revision}",
            "ce_source": "/czujka/watch",
            "ce_type": CLOUDEVENT_TYPE,
            "ce_subject": self.brand,
            "ce_time": self.decided_at.isoformat(),
            "ce_partitionkey": self.alert_id,
            "content-type": "application/json",
        }
        return [(name, value.encode()) for name, value in attributes.items()]


def alert_id(brand: str, kind: Kind, onset_ms: int) -> str:
    """Identity of an alert.

    Example:
        >>> alert_id("orzel-air", Kind.SURGE_NEGATIVE, 1_424_599_200_000)
        'orzel-air.surge-negative.20150222T1000Z'
    """
    return f"{brand}.{kind.value}.{from_ms(onset_ms):%Y%m%dT%H%MZ}"


def from_ms(time_ms: int) -> datetime:
    """Milliseconds since the epoch as an aware datetime, UTC."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def status_of(phase: Phase, fired: bool) -> Status:
    """The coarse status of a phase; `fired` tells whether the alert ever fired."""
    if phase is Phase.RESOLVED:
        return "resolved"
    if phase in (Phase.FIRING, Phase.ESCALATED, Phase.COOLING) or fired:
        return "firing"
    return "pending"
