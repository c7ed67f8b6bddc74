"""`czujka sentiment`: lines of text in, one JSON object a line out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE
from models.sentiment.explanation import explain
from models.sentiment.scorer import HashedScorer, load_scorer

HELP = "score the sentiment of lines on standard input"

BATCH = 256
"""Lines scored at once when the input is no terminal."""

_DIGITS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `czujka sentiment`."""
    parser.add_argument("--lang", help="language of the lines, such as pl; not needed")
    parser.add_argument(
        "--explain", action="store_true", help="add the pieces of the text that weighed most"
    )
    parser.add_argument("--weights", type=Path, help="a file that czujka train wrote")


def run(args: argparse.Namespace) -> int:
    """Reads standard input to its end and writes a JSON object for each line.

    Args:
        args: what `add_arguments` declares.

    Returns:
        The exit status.

    Raises:
        models.sentiment.weights.WeightsError: the weights file is damaged or foreign.
        OSError: it cannot be read.
    """
    scorer = load_scorer(args.weights)
    lines = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    batch = 1 if sys.stdin.isatty() else BATCH
    out = sys.stdout.buffer
    for record in describe(scorer, lines, args.lang, explained=args.explain, batch=batch):
        out.write(record + b"\n")
        if batch == 1:
            out.flush()
    out.flush()
    return 0


def describe(
    scorer: HashedScorer,
    lines: Iterable[str],
    language: str | None = None,
    *,
    explained: bool = False,
    batch: int = BATCH,
) -> Iterator[bytes]:
    """Scores lines.

    Args:
        scorer: the model.
        lines: texts; a line break at their end does not count.
        language: language tag of all, or None.
        explained: whether to add `because`, the pieces that weighed most.
        batch: how many to score at once.

    Yields:
        For each line a JSON object with `negative`, `neutral` and `positive`.
    """
    source = iter(lines)
    while texts := [line.rstrip("\r\n") for line in islice(source, batch)]:
        for text, score in zip(texts, scorer.score(texts, [language] * len(texts)), strict=True):
            record: dict[str, object] = {
                "negative": round(float(score[NEGATIVE]), _DIGITS),
                "neutral": round(float(score[NEUTRAL]), _DIGITS),
                "positive": round(float(score[POSITIVE]), _DIGITS),
            }
            if explained:
                record["because"] = [
                    {
                        "text": piece.text.encode("utf-8", "replace").decode(),
                        "start": piece.start,
                        "negative": round(piece.negative, _DIGITS),
                        "neutral": round(piece.neutral, _DIGITS),
                        "positive": round(piece.positive, _DIGITS),
                    }
                    for piece in explain(scorer, text, language)
                ]
            yield msgspec.json.encode(record)
