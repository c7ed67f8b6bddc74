"""Answers are complete, and of each question the last one counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from models.causes import Cause
from models.feedback import (
    Answer,
    Feedback,
    Lesson,
    Question,
    Sentiment,
    decode_feedback,
    feedback_key,
)

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
ALERT = "klos.mood.20261128T0812Z"
LESSON = Lesson(terms=((7, 0.5), (8191, 0.1)), score=(0.1, 0.8, 0.1))


def answer(kind: Answer, **more: Any) -> Feedback:
    return Feedback(**{"alert_id": ALERT, "brand": "klos", "answer": kind, "at": NOW, **more})


def test_the_verdicts_answer_one_question_so_the_later_replaces_the_earlier() -> None:
    assert answer(Answer.RIGHT_ALERT).key() == answer(Answer.FALSE_ALARM).key()
    assert answer(Answer.RIGHT_ALERT).key() != answer(Answer.ACKNOWLEDGE).key()


def test_each_post_is_a_question_of_its_own() -> None:
    one, two = (answer(Answer.NOT_NEGATIVE, post=post) for post in ("x:1", "x:2"))
    assert one.key() != two.key()
    assert one.key() == feedback_key(ALERT, Question.SENTIMENT, "x:1")


def test_keys_begin_with_the_alert_so_that_its_answers_are_found_unread() -> None:
    assert answer(Answer.ACKNOWLEDGE).key().startswith(f"{ALERT}#".encode())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Answer.NOT_NEGATIVE, {}),
        (Answer.RIGHT_ALERT, {"post": "x:1"}),
        (Answer.WRONG_CAUSE, {}),
        (Answer.ACKNOWLEDGE, {"cause": Cause.OUTAGE}),
        (Answer.ACKNOWLEDGE, {"note": "x" * 501}),
        (Answer.ACKNOWLEDGE, {"by": "x" * 65}),
        (Answer.WRONG_SENTIMENT, {"post": "x:1"}),
        (Answer.NOT_NEGATIVE, {"post": "x:1", "sentiment": Sentiment.POSITIVE}),
        (Answer.ACKNOWLEDGE, {"lesson": LESSON}),
        (Answer.FALSE_ALARM, {"alert_id": ""}),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_refused(
    kind: Answer, more: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        answer(kind, **more)


def test_an_answer_comes_back_as_it_was_written() -> None:
    said = answer(Answer.WRONG_CAUSE, cause=Cause.EXTERNAL, by=" duty ", note="strike")
    assert decode_feedback(said.encode()) == said
    assert said.by == "duty"


def test_in_a_replay_the_moment_is_that_of_the_story() -> None:
    then = datetime(2015, 2, 22, 12, 0, tzinfo=UTC)
    assert answer(Answer.ACKNOWLEDGE, as_of=then).moment == then
    assert answer(Answer.ACKNOWLEDGE).moment == NOW


def test_the_sentiment_of_a_text_outside_alerts_can_be_corrected_with_what_it_teaches() -> None:
    said = answer(
        Answer.WRONG_SENTIMENT,
        alert_id="",
        post="text:1",
        sentiment=Sentiment.NEGATIVE,
        lesson=LESSON,
    )
    assert decode_feedback(said.encode()) == said
    assert said.key() == b"#sentiment#text:1"


@pytest.mark.parametrize("bucket", [-1, 8192])
def test_a_lesson_with_a_term_that_no_model_has_is_refused(bucket: int) -> None:
    with pytest.raises(ValidationError):
        Lesson(terms=((bucket, 0.5),), score=(0.1, 0.8, 0.1))
