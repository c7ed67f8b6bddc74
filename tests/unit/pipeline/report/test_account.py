"""The account says what happened, when, and what was done; from what is there, in any order."""

from __future__ import annotations

import random

import pytest

from models.detection.base import Phase
from models.errors import UserError
from models.feedback import Answer
from pipeline.report.account import Account, write_account
from pipeline.report.dossier import Dossier
from tests.unit.pipeline.alert_samples import crisis_alert
from tests.unit.pipeline.report.samples import (
    FIRED_MIN,
    HALF_MIN,
    LIFE,
    PEAK_MIN,
    RESOLVED_MIN,
    answer,
    at,
    dossier,
    minute,
    revision,
)


def event_of(account: Account, name: str) -> list[str]:
    return [f"{event.at:%H:%M} {event.what}" for event in account.events if event.name == name]


def test_the_timeline_tells_the_life_in_order_with_peak_and_turning_point() -> None:
    account = write_account(dossier())
    assert [event.at for event in account.events] == sorted(e.at for e in account.events)
    assert event_of(account, "onset") == ["12:00 Began"]
    assert event_of(account, "pending") == ["12:05 Came near the threshold"]
    assert event_of(account, "fired") == ["12:20 Fired first", "12:50 Escalated to error"]
    assert event_of(account, "resolved") == ["15:00 Resolved"]
    assert [account.letter(event) for event in account.events[:3]] == ["A", "B", "C"]


def test_the_peak_is_the_quarter_with_the_largest_excess_and_the_turn_is_where_half_is_left() -> (
    None
):
    measures = write_account(dossier()).measures
    assert measures is not None
    assert measures.peak is not None
    assert abs((measures.peak.at - at(PEAK_MIN)).total_seconds()) <= 10 * 60
    assert measures.peak.per_min == pytest.approx(61)
    assert measures.peak.usual_per_min == pytest.approx(1)
    assert measures.turned_at is not None
    assert at(PEAK_MIN) < measures.turned_at < at(HALF_MIN)
    assert measures.calm_at is not None
    assert abs((measures.calm_at - at(HALF_MIN)).total_seconds()) <= 60


def test_the_delay_is_told_with_what_had_been_seen_by_then() -> None:
    measures = write_account(dossier()).measures
    assert measures is not None
    assert measures.seen_when_fired == FIRED_MIN * 21
    total = HALF_MIN * 21 + 20 * 40 + (RESOLVED_MIN - HALF_MIN)
    assert measures.after_firing_share == pytest.approx(1 - FIRED_MIN * 21 / total)
    assert any("fired 20 min later" in sentence for sentence in write_account(dossier()).summary)


def test_recovery_compares_the_mood_with_the_day_before() -> None:
    measures = write_account(dossier()).measures
    assert measures is not None
    assert [mood.name for mood in measures.moods] == [
        "the day before",
        "during",
        "day 1 after",
        "day 2 after",
    ]
    assert measures.moods[0].sentiment == pytest.approx(0.1)
    assert measures.residual == pytest.approx(0)
    during = measures.moods[1].sentiment
    assert during is not None
    assert during < -0.5


def test_it_does_not_depend_on_the_order_of_reading_nor_on_repeats() -> None:
    records = [revision(n, phase, when) for n, (phase, when) in enumerate(LIFE)] * 2
    points = [minute(number) for number in range(-100, 300)] * 2
    told = []
    for seed in range(3):
        gathered = Dossier(records[0].alert_id)
        shuffled = random.Random(seed)
        shuffled.shuffle(records)
        shuffled.shuffle(points)
        for record in records:
            gathered.take_alert(record)
        for point in points:
            gathered.take_point(point)
        account = write_account(gathered)
        told.append((account.summary, account.events, account.measures, account.lessons))
    assert told[0] == told[1] == told[2]


def test_an_erased_post_is_gone_though_older_revisions_still_hold_it() -> None:
    exhibit = {
        "post": "x:1",
        "created_at": at(1),
        "platform": "x",
        "text": "secret",
        "p_negative": 0.9,
    }
    gathered = dossier(exhibits=[exhibit])
    gathered.take_alert(revision(len(LIFE), Phase.RESOLVED, RESOLVED_MIN, exhibits=[]))
    assert write_account(gathered).alert.exhibits == ()


def test_an_acknowledgement_in_time_needs_no_escalation_and_a_late_one_did() -> None:
    gathered = dossier()
    said = answer(Answer.ACKNOWLEDGE, FIRED_MIN + 30, by="duty")
    gathered.take_answer(said.key(), said)
    account = write_account(gathered)
    assert event_of(account, "said") == ["12:50 duty acknowledged"]
    kept = {due.what: due.kept for due in account.dues}
    assert kept["Tell duty-manager"] == "due: acknowledged only 30 min after it fired"
    assert kept["Tell board"] == "not needed: acknowledged 30 min after it fired"
    assert any("more than 15 min" in lesson for lesson in account.lessons)


def test_an_answer_that_was_taken_back_is_not_told() -> None:
    gathered = dossier()
    said = answer(Answer.FALSE_ALARM, 40)
    gathered.take_answer(said.key(), said)
    gathered.take_answer(said.key(), None)
    assert write_account(gathered).answers == ()


def test_facts_raise_questions() -> None:
    lessons = " ".join(write_account(dossier()).lessons)
    assert "fired 20 min after it began" in lessons
    assert "Nobody acknowledged" in lessons
    assert "was in de" in lessons
    assert "was in pl" not in lessons
    assert "Nobody has said so yet" in lessons


def test_earlier_alerts_of_the_brand_that_fired_stand_beside_it() -> None:
    gathered = dossier()
    for changes in (
        {"minute": -900, "brand": "orzel-air"},
        {"minute": -800, "brand": "orzel-air", "fired_at": None},
        {"minute": -700, "brand": "another"},
        {"minute": 900, "brand": "orzel-air"},
    ):
        gathered.take_alert(crisis_alert(1, "resolved", **changes))
    account = write_account(gathered)
    assert [alert.onset for alert in account.earlier] == [at(-900)]


def test_without_its_minutes_an_alert_still_has_a_report() -> None:
    gathered = Dossier(revision(0, Phase.WATCH, 5).alert_id)
    gathered.take_alert(revision(4, Phase.RESOLVED, RESOLVED_MIN, step=None))
    account = write_account(gathered)
    assert account.measures is None
    assert event_of(account, "resolved") == ["15:00 Resolved"]
    assert any("no step" in lesson for lesson in account.lessons)


def test_an_alert_that_never_fired_is_told_as_such() -> None:
    gathered = Dossier(revision(0, Phase.WATCH, 5).alert_id)
    gathered.take_alert(revision(1, Phase.RESOLVED, 90, fired_at=None))
    account = write_account(gathered)
    assert "It did not fire." in account.summary[0]
    assert event_of(account, "resolved") == ["13:30 Faded without firing"]
    assert account.dues == ()


def test_an_alert_that_nothing_is_known_of_is_refused() -> None:
    gathered = dossier()
    gathered.forget_alert(gathered.alert_id)
    with pytest.raises(UserError, match="nothing is known"):
        write_account(gathered)


def test_a_mood_that_became_a_crisis_is_not_said_to_be_over() -> None:
    account = write_account(dossier(superseded=True))
    said = " ".join(account.summary)
    assert "it became a crisis, which has its own alert" in said
    assert "It was over" not in said
