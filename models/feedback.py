"""Contract of the `feedback` topic: what people say of alerts and of what stands in them.

The topic is compacted. The key names the alert and the question that is answered, so that the last
answer to each question stays, and a tombstone takes it back. No text of a post is repeated here:
who needs it finds it in the alert, from where an erased post is gone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.causes import Cause

FEEDBACK_VERSION = 1
MAX_NAME_CHARS = 64
MAX_NOTE_CHARS = 500
LESSON_BUCKETS = 8192
"""Terms of lessons share this many numbers, so that what is learned from them is bounded."""
MAX_LESSON_TERMS = 256
LEARNED_AFTER_MS = 5 * 60_000
"""From an answer about sentiment to the posts for which it counts.

Longer than an answer is on its way to every worker, so that all of them judge a post alike.
"""


class Answer(StrEnum):
    """What somebody says."""

    ACKNOWLEDGE = "acknowledge"  # I have seen it and am on it
    RIGHT_ALERT = "right-alert"
    FALSE_ALARM = "false-alarm"
    WRONG_CAUSE = "wrong-cause"  # `cause` says which it was
    NOT_NEGATIVE = "not-negative"  # `post` says which
    WRONG_SENTIMENT = "wrong-sentiment"  # of a text that need not stand in an alert; `sentiment`


class Question(StrEnum):
    """What an answer is about; of each question only the last answer counts."""

    SEEN = "seen"
    VERDICT = "verdict"
    CAUSE = "cause"
    SENTIMENT = "sentiment"  # one question for each post


QUESTION_OF = {
    Answer.ACKNOWLEDGE: Question.SEEN,
    Answer.RIGHT_ALERT: Question.VERDICT,
    Answer.FALSE_ALARM: Question.VERDICT,
    Answer.WRONG_CAUSE: Question.CAUSE,
    Answer.NOT_NEGATIVE: Question.SENTIMENT,
    Answer.WRONG_SENTIMENT: Question.SENTIMENT,
}
ABOUT_A_POST = frozenset(answer for answer, q in QUESTION_OF.items() if q is Question.SENTIMENT)

_Line = StringConstraints(strip_whitespace=True, max_length=MAX_NAME_CHARS)


class Sentiment(StrEnum):
    """What a text is."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Lesson(BaseModel):
    """What the sentiment model can learn from a text, without the text."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    terms: tuple[tuple[Annotated[int, Field(ge=0, lt=LESSON_BUCKETS)], float], ...] = Field(
        max_length=MAX_LESSON_TERMS,
        description="Its words and pairs of words, as numbers that many of them share, each with "
        "how telling it is.",
    )
    score: tuple[float, float, float] = Field(
        description="Negative, neutral, positive, as the model had it without corrections."
    )


class Feedback(BaseModel):
    """One answer of one person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = Field(default=FEEDBACK_VERSION, ge=1)
    alert_id: str = Field(
        max_length=255, description="Empty with `wrong-sentiment` of a text outside alerts."
    )
    brand: str = Field(min_length=1)
    answer: Answer
    by: Annotated[str, _Line] = Field(default="", description="Name or team; may be empty.")
    at: AwareDatetime = Field(description="When it was said, wall clock.")
    as_of: AwareDatetime | None = Field(
        default=None,
        description="Event time up to which the person saw decisions; in a replay far from `at`.",
    )
    post: str | None = Field(
        default=None, description="Key of the post, for `not-negative` and `wrong-sentiment`."
    )
    sentiment: Sentiment | None = Field(
        default=None, description="What it is, for `wrong-sentiment`."
    )
    lesson: Lesson | None = Field(
        default=None, description="What the model learns from the post; none: nothing."
    )
    cause: Cause | None = Field(default=None, description="What it was, for `wrong-cause`.")
    note: str = Field(default="", max_length=MAX_NOTE_CHARS)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.answer in ABOUT_A_POST) != (self.post is not None):
            raise ValueError("`post` belongs to answers about sentiment, and to them alone")
        if self.lesson is not None and self.answer not in ABOUT_A_POST:
            raise ValueError("`lesson` belongs to answers about sentiment alone")
        if (self.answer is Answer.WRONG_SENTIMENT) != (self.sentiment is not None):
            raise ValueError("`sentiment` belongs to `wrong-sentiment`, and to it alone")
        if not self.alert_id and self.answer is not Answer.WRONG_SENTIMENT:
            raise ValueError(f"`{self.answer}` names the alert it is about")
        if (self.answer is Answer.WRONG_CAUSE) != (self.cause is not None):
            raise ValueError("`cause` belongs to `wrong-cause`, and to it alone")
        return self

    @property
    def question(self) -> Question:
        """What it answers."""
        return QUESTION_OF[self.answer]

    @property
    def moment(self) -> AwareDatetime:
        """When it was said, in the time that the alert lives in."""
        return self.as_of or self.at

    def key(self) -> bytes:
        """Key of the record."""
        return feedback_key(self.alert_id, self.question, self.post)

    def encode(self) -> bytes:
        """The value as it stands on the topic."""
        return self.model_dump_json(exclude_none=True).encode()


def feedback_key(alert_id: str, question: Question, post: str | None = None) -> bytes:
    """Key of the answer to a question; a record with it and no value takes the answer back.

    Example:
        >>> feedback_key("klos.mood.20150222T1000Z", Question.SEEN)
        b'klos.mood.20150222T1000Z#seen'
    """
    end = f"#{question.value}" + ("" if post is None else f"#{post}")
    return f"{alert_id}{end}".encode("utf-8", "surrogatepass")


def decode_feedback(value: bytes) -> Feedback:
    """Reads an answer.

    Raises:
        ValueError: not one (pydantic's error, which names the fields).
    """
    return Feedback.model_validate_json(value)
