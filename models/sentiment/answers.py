"""From what people answer to what the sentiment model learns."""

from __future__ import annotations

from datetime import datetime

from models.feedback import LEARNED_AFTER_MS, Answer, Feedback, Sentiment
from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE
from models.sentiment.feedback import NOT_NEGATIVE, AdaptiveScorer, Correction

_LABELS = {
    Sentiment.NEGATIVE: NEGATIVE,
    Sentiment.NEUTRAL: NEUTRAL,
    Sentiment.POSITIVE: POSITIVE,
}


def learn_answer(scorer: AdaptiveScorer, key: bytes, answer: Feedback | None, said_ms: int) -> None:
    """Takes one record of the `feedback` topic into account.

    Args:
        scorer: learns.
        key: of the record.
        answer: what it says, or None: what stands under the key is taken back.
        said_ms: when it was taken back; of an answer its own time counts.
    """
    if answer is None:
        scorer.withdraw(key, said_ms + LEARNED_AFTER_MS)
        return
    if answer.lesson is None:
        return
    label = NOT_NEGATIVE
    if answer.answer is Answer.WRONG_SENTIMENT and answer.sentiment is not None:
        label = _LABELS[answer.sentiment]
    from_ms = milliseconds(answer.moment) + LEARNED_AFTER_MS
    scorer.learn(key, Correction(answer.lesson, label, from_ms))


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(moment.timestamp() * 1000)
