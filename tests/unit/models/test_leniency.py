"""Verdicts on alarms narrow a brand's budget: bounded, fading, and gone when taken back."""

from __future__ import annotations

from datetime import timedelta

from models.feedback import Answer, Feedback
from models.leniency import MOST_HALVINGS, SPENT_AFTER_MS, halvings, spent_ms
from tests.unit.pipeline.alert_samples import NOON_MS, from_ms


def said(answer: Answer, alert: int = 0, brand: str = "orzel-air", days_ago: float = 0) -> Feedback:
    return Feedback(
        alert_id=f"{brand}.surge.{alert}",
        brand=brand,
        answer=answer,
        at=from_ms(NOON_MS) - timedelta(days=days_ago),
    )


def test_each_false_alarm_halves_the_budget_of_its_brand_alone() -> None:
    verdicts = [said(Answer.FALSE_ALARM, n) for n in range(2)]
    verdicts += [said(Answer.FALSE_ALARM, brand="klos"), said(Answer.RIGHT_ALERT, 7)]
    verdicts += [said(Answer.ACKNOWLEDGE, 8, brand="mewa")]
    assert halvings(verdicts, NOON_MS) == {"klos": 1, "orzel-air": 2}


def test_it_is_never_halved_more_than_so_often() -> None:
    verdicts = [said(Answer.FALSE_ALARM, number) for number in range(50)]
    assert halvings(verdicts, NOON_MS) == {"orzel-air": MOST_HALVINGS}


def test_a_verdict_is_spent_after_twelve_weeks() -> None:
    verdict = said(Answer.FALSE_ALARM, days_ago=80)
    assert halvings([verdict], NOON_MS) == {"orzel-air": 1}
    assert halvings([verdict], spent_ms(verdict)) == {}
    assert spent_ms(verdict) - verdict.at.timestamp() * 1000 == SPENT_AFTER_MS


def test_in_a_replay_of_the_past_a_verdict_of_today_counts() -> None:
    assert halvings([said(Answer.FALSE_ALARM)], 0) == {"orzel-air": 1}
