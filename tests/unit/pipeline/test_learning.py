"""What score learns from the `feedback` topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pytest

from models.feedback import LEARNED_AFTER_MS, Answer, Feedback, Sentiment
from models.sentiment.answers import milliseconds
from models.sentiment.base import NEGATIVE
from models.sentiment.feedback import AdaptiveScorer, make_lesson
from models.sentiment.scorer import load_scorer
from pipeline.feedback import MOMENT_HEADER, with_lesson
from pipeline.learning import take_record
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms

BASE = load_scorer()
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
NOW_MS = milliseconds(NOW)
COUNTS_MS = NOW_MS + LEARNED_AFTER_MS
TEXT = "padł system w banku"


@dataclass
class Record:
    """What the client gives."""

    key: bytes | None
    value: bytes | None
    timestamp: int = NOW_MS
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    topic: str = "feedback"
    offset: int = 0


def said(i: int = 0, **more: object) -> Feedback:
    fields: dict[str, object] = {
        "alert_id": "",
        "brand": "klos",
        "answer": Answer.WRONG_SENTIMENT,
        "at": NOW,
        "post": f"text:{i}",
        "sentiment": Sentiment.NEGATIVE,
        "lesson": make_lesson(BASE, TEXT),
    }
    return Feedback.model_validate(fields | more)


def told(*records: Record) -> AdaptiveScorer:
    scorer = AdaptiveScorer(BASE)
    for record in records:
        take_record(scorer, record)
    return scorer


def negative(scorer: AdaptiveScorer, seen_ms: int) -> float:
    return float(scorer.score([TEXT], None, [seen_ms])[0, NEGATIVE])


def test_an_answer_counts_for_posts_seen_five_minutes_after_it_and_on() -> None:
    answer = said()
    scorer = told(Record(answer.key(), answer.encode()))
    base = float(BASE.score([TEXT])[0, NEGATIVE])
    assert negative(scorer, COUNTS_MS - 1) == base
    assert negative(scorer, COUNTS_MS) > base


def test_in_a_replay_the_time_that_the_person_saw_counts() -> None:
    long_ago = datetime(2015, 2, 22, 10, 0, tzinfo=UTC)
    answer = said(as_of=long_ago)
    scorer = told(Record(answer.key(), answer.encode()))
    counts_ms = milliseconds(long_ago) + LEARNED_AFTER_MS
    assert negative(scorer, counts_ms) > negative(scorer, counts_ms - 1)


@pytest.mark.parametrize(
    ("headers", "until_ms"),
    [
        ([], COUNTS_MS + 1_000),
        ([(MOMENT_HEADER, str(NOW_MS + 500).encode())], COUNTS_MS + 500),
    ],
    ids=["live", "in a replay"],
)
def test_an_answer_taken_back_is_unlearnt_from_its_moment_on(
    headers: list[tuple[str, bytes]], until_ms: int
) -> None:
    answer = said()
    scorer = told(
        Record(answer.key(), answer.encode()),
        Record(answer.key(), None, NOW_MS + 1_000, headers),
    )
    assert negative(scorer, until_ms - 1) > negative(scorer, until_ms)
    assert negative(scorer, until_ms) == float(BASE.score([TEXT])[0, NEGATIVE])
    assert scorer.corrections == 0


def test_the_state_is_rebuilt_from_the_topic_however_much_of_it_was_compacted() -> None:
    answers = [said(i) for i in range(5)]
    records = [Record(answer.key(), answer.encode()) for answer in answers]
    gone = Record(answers[0].key(), None, NOW_MS + 1)
    whole, compacted = told(*records, gone), told(*records[1:])
    later = COUNTS_MS + 10
    assert negative(whole, later) == negative(compacted, later)


@pytest.mark.parametrize(
    "record",
    [
        Record(b"k", b"no answer"),
        Record(b"k", b"{}"),
        Record(None, None),
        Record(b"k", None, headers=[(MOMENT_HEADER, b"noon")]),
        Record(b"k", said(lesson=None).encode()),
        Record(b"k", Feedback(alert_id="a", brand="b", answer="acknowledge", at=NOW).encode()),
    ],
    ids=["bytes", "empty", "tombstone of nothing", "odd header", "no lesson", "acknowledgement"],
)
def test_what_teaches_nothing_is_left_out(record: Record) -> None:
    scorer = told(record)
    assert scorer.corrections == 0
    np.testing.assert_array_equal(scorer.score([TEXT]), BASE.score([TEXT]))


def test_an_answer_about_an_exhibit_carries_what_it_teaches_and_others_nothing() -> None:
    exhibit = {
        "post": "x:1",
        "created_at": from_ms(NOON_MS),
        "platform": "x",
        "p_negative": 0.9,
        "text": TEXT,
    }
    alert = crisis_alert(exhibits=[exhibit, exhibit | {"post": "x:2", "text": ""}])
    about = [
        Feedback(alert_id="a", brand="b", answer=Answer.NOT_NEGATIVE, at=NOW, post=post)
        for post in ("x:1", "x:2", "x:3")
    ]
    assert with_lesson(about[0], alert).lesson == make_lesson(BASE, TEXT)
    assert with_lesson(about[1], alert).lesson is None  # erased
    assert with_lesson(about[2], alert).lesson is None  # not shown
    seen = Feedback(alert_id="a", brand="b", answer=Answer.ACKNOWLEDGE, at=NOW)
    assert with_lesson(seen, alert) == seen
