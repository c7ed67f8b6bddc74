"""`czujka sentiment`, and why a score is what it is."""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment import command
from models.sentiment.explanation import explain
from models.sentiment.scorer import load_scorer

SCORER = load_scorer()
ANY_LINE = st.text(alphabet=st.characters(codec=None, exclude_characters="\r\n"), max_size=200)


def test_each_line_gives_one_json_object(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(
        sys,
        "stdin",
        io.TextIOWrapper(io.BytesIO("Love it!\n\nNie polecam\r\n\xff".encode("latin1"))),
    )
    parser = ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args([])) == 0
    records = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [set(record) for record in records] == [{"negative", "neutral", "positive"}] * 4
    assert records[0]["positive"] > 0.5
    assert records[2]["negative"] > 0.5


def test_lines_scored_together_and_one_by_one_give_the_same() -> None:
    lines = ["great", "awful", "", "ok", "świetnie"]
    one = list(command.describe(SCORER, lines, batch=1))
    assert one == list(command.describe(SCORER, lines, batch=3))


def test_an_explanation_names_the_word_that_weighed_most() -> None:
    text = "The 😀 crew was terrible today"
    first = explain(SCORER, text, "en")[0]
    assert first.text == "terrible"
    assert text[first.start : first.end] == "terrible"
    assert first.negative > 0 > first.positive


def test_explained_lines_carry_the_pieces() -> None:
    record = json.loads(next(command.describe(SCORER, ["worst bank ever"], "en", explained=True)))
    assert record["because"][0]["text"] == "worst"
    assert record["because"][0]["negative"] > 0


@settings(deadline=None, max_examples=150)
@given(ANY_LINE)
def test_any_text_is_explained_by_pieces_of_itself(text: str) -> None:
    pieces = explain(SCORER, text, most=1_000)
    assert all(piece.text == text[piece.start : piece.end] for piece in pieces)
    assert len({(piece.start, piece.end) for piece in pieces}) == len(pieces)
    for line in command.describe(SCORER, [text], explained=True):
        json.loads(line)
