"""`czujka sentiment --teach`: lines that say what the sentiment of their like is."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest

from models.errors import UserError
from models.feedback import Sentiment
from models.sentiment.feedback import make_lesson
from models.sentiment.scorer import load_scorer
from pipeline.commands.sentiment import add_arguments, make_answers, run
from pipeline.settings import Settings

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
BASE = load_scorer()


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(list(words))


def test_each_line_is_an_answer_with_a_lesson_and_without_its_text() -> None:
    args = arguments("--teach", "negative", "--brand", "bank", "--lang", "pl")
    lines = ["padł system", "", "znowu padł system"]
    first, second = make_answers(args, lines, BASE, NOW)
    assert (first.brand, first.sentiment) == ("bank", Sentiment.NEGATIVE)
    assert first.lesson == make_lesson(BASE, "padł system", "pl")
    assert first.key() != second.key()
    assert b"system" not in first.encode()


def test_the_same_line_again_answers_the_same_question() -> None:
    keys = set()
    for label in ("negative", "positive"):
        args = arguments("--teach", label, "--brand", "bank")
        keys |= {answer.key() for answer in make_answers(args, ["padł system"], BASE, NOW)}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--teach", "negative"), "--teach needs --brand"),
        (("--brand", "bank"), "go with --teach"),
        (("--withdraw",), "go with --teach"),
        (("--teach", "neutral", "--brand", "b", "--explain"), "do not go with --teach"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(arguments(*words), Settings())
