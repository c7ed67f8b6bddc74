"""`czujka sentiment`: lines of text in, one JSON object a line out; or lines for score to learn."""

from __future__ import annotations

import argparse
import hashlib
import sys
from typing import TYPE_CHECKING

from models.errors import EXIT_OK, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from models.feedback import Feedback
    from models.sentiment.scorer import HashedScorer
    from pipeline.settings import Settings

HELP = "score the sentiment of lines on standard input, or say what it is"

EPILOG = """\
examples:
  echo "Odwołali mi lot, dno." | czujka sentiment
  czujka sentiment --explain --lang pl < posts.txt
  czujka sentiment --teach negative --brand bank < outages.txt    score learns from them
  czujka sentiment --teach negative --brand bank --withdraw < outages.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from models.feedback import Sentiment
    from models.sentiment import command

    parser.epilog = EPILOG
    command.add_arguments(parser)
    teaching = parser.add_argument_group("teaching a running score, through the broker")
    teaching.add_argument(
        "--teach",
        choices=[sentiment.value for sentiment in Sentiment],
        help="what every line is; counts for posts seen five minutes later and on",
    )
    teaching.add_argument("--brand", metavar="ID", help="for whom it is said")
    teaching.add_argument("--withdraw", action="store_true", help="take it back")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Scores standard input, or sends it to the `feedback` topic.

    Raises:
        UserError: the weights cannot be read, or the broker does not take an answer.
    """
    from models.sentiment import command
    from models.sentiment.weights import WeightsError

    if args.teach is not None:
        return _teach(args, settings)
    if args.brand is not None or args.withdraw:
        raise UserError("--brand and --withdraw go with --teach")
    try:
        return command.run(args)
    except (WeightsError, OSError) as error:
        raise UserError(f"--weights {args.weights}: {error}") from error


def _teach(args: argparse.Namespace, settings: Settings) -> int:
    import asyncio
    from datetime import UTC, datetime

    from models.sentiment.scorer import load_scorer
    from pipeline.feedback import send_answers

    if args.brand is None:
        raise UserError("--teach needs --brand: for whom it is said")
    if args.weights is not None or args.explain:
        raise UserError("--weights and --explain score lines; they do not go with --teach")
    lines = [line.decode("utf-8", "replace").strip() for line in sys.stdin.buffer]
    answers = list(make_answers(args, lines, load_scorer(), datetime.now(tz=UTC)))
    said = [(answer.key(), None if args.withdraw else answer) for answer in answers]
    asyncio.run(send_answers(settings, said))
    print(f"{'taken back' if args.withdraw else 'sent'}: {len(said)} × {args.teach}")
    return EXIT_OK


def make_answers(
    args: argparse.Namespace, lines: list[str], base: HashedScorer, now: datetime
) -> Iterator[Feedback]:
    """What the lines say; empty ones say nothing.

    Args:
        args: what `add_arguments` declares.
        lines: texts.
        base: the model that they correct.
        now: wall clock.
    """
    from models.feedback import Answer, Feedback, Sentiment
    from models.sentiment.feedback import make_lesson
    from pipeline.commands.feedback import user_name

    for line in filter(None, lines):
        digest = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
        yield Feedback(
            alert_id="",
            brand=args.brand,
            answer=Answer.WRONG_SENTIMENT,
            by=user_name(),
            at=now,
            post=f"text:{digest[:16]}",
            sentiment=Sentiment(args.teach),
            lesson=make_lesson(base, line, args.lang),
        )
