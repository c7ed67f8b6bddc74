"""The watch stage hears verdicts, and waits until it has heard them all."""

from __future__ import annotations

from models.feedback import Answer, Feedback
from pipeline.watch.verdicts import Verdicts
from tests.unit.pipeline.alert_samples import NOON_MS, from_ms


def verdict(answer: Answer, alert: str = "a") -> Feedback:
    return Feedback(alert_id=alert, brand="ash", answer=answer, at=from_ms(NOON_MS))


def heard(*answers: Feedback) -> Verdicts:
    verdicts = Verdicts()
    for answer in answers:
        verdicts.take(answer.key(), answer.encode())
    verdicts.complete = True
    return verdicts


def test_nothing_is_said_before_all_was_heard() -> None:
    verdicts = heard(verdict(Answer.FALSE_ALARM))
    verdicts.complete = False
    assert verdicts.halvings(NOON_MS) is None


def test_the_last_word_on_an_alert_counts_and_may_be_taken_back() -> None:
    wrong, right = verdict(Answer.FALSE_ALARM), verdict(Answer.RIGHT_ALERT)
    assert heard(wrong).halvings(NOON_MS) == {"ash": 1}
    assert heard(wrong, wrong).halvings(NOON_MS) == {"ash": 1}
    assert heard(wrong, right).halvings(NOON_MS) == {}
    back = heard(wrong, verdict(Answer.FALSE_ALARM, "b"))
    back.take(wrong.key(), None)
    assert back.halvings(NOON_MS) == {"ash": 1}


def test_what_cannot_be_read_is_left_out_and_stops_nothing() -> None:
    verdicts = heard(verdict(Answer.FALSE_ALARM))
    verdicts.take(b"a#verdict#", b"{")
    verdicts.take(None, b"{}")
    verdicts.take(b"nobody", None)
    assert verdicts.halvings(NOON_MS) == {"ash": 1}
