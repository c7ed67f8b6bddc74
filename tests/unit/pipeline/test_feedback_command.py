"""`czujka feedback` checks an answer before it is written."""

from __future__ import annotations

import argparse

import pytest

from models.errors import UserError
from models.feedback import Answer
from pipeline.commands.feedback import add_arguments, make_answer
from pipeline.commands.report import choose
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms

ALERT = crisis_alert(
    exhibits=[{"post": "x:1", "created_at": from_ms(NOON_MS), "platform": "x", "p_negative": 0.9}]
)


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([ALERT.alert_id, *words])


def test_an_answer_carries_who_said_it_of_what() -> None:
    args = arguments("not-negative", "--post", "x:1", "--by", "Ala", "--note", "irony")
    said = make_answer(ALERT, Answer.NOT_NEGATIVE, args)
    assert (said.alert_id, said.brand, said.post) == (ALERT.alert_id, "orzel-air", "x:1")
    assert (said.by, said.note) == ("Ala", "irony")


def test_without_a_name_it_is_the_users() -> None:
    assert make_answer(ALERT, Answer.ACKNOWLEDGE, arguments("acknowledge")).by


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("not-negative",), "--post"),
        (("acknowledge", "--post", "x:1"), "--post"),
        (("not-negative", "--post", "x:2"), "no exhibit"),
        (("wrong-cause",), "--cause"),
        (("acknowledge", "--note", "x" * 501), "note"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(words: tuple[str, ...], message: str) -> None:
    args = arguments(*words)
    with pytest.raises(UserError, match=message):
        make_answer(ALERT, Answer(args.answer), args)


def test_a_report_is_asked_for_by_the_id_or_its_beginning() -> None:
    fired = crisis_alert(1, "resolved", minute=0)
    faded = crisis_alert(1, "resolved", minute=60, fired_at=None)
    known = [fired, faded]
    assert choose(faded.alert_id, known) == faded.alert_id
    assert choose("orzel", known) == fired.alert_id
    with pytest.raises(UserError, match=faded.alert_id):
        choose("mewa", known)
