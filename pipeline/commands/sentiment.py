"""`czujka sentiment`: lines of text in, one JSON object a line out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "score the sentiment of lines on standard input"

EPILOG = """\
examples:
  echo "Odwołali mi lot, dno." | czujka sentiment
  czujka sentiment --explain --lang pl < posts.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from models.sentiment import command

    parser.epilog = EPILOG
    command.add_arguments(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Scores standard input.

    Raises:
        UserError: the weights cannot be read.
    """
    from models.errors import UserError
    from models.sentiment import command
    from models.sentiment.weights import WeightsError

    try:
        return command.run(args)
    except (WeightsError, OSError) as error:
        raise UserError(f"--weights {args.weights}: {error}") from error
