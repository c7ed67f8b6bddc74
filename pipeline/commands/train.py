"""`czujka train`: from data and a seed to a weights file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "train the sentiment model from a folder of data"

EPILOG = """\
examples:
  czujka train --data data --out weights.bin           as the shipped weights were made
  czujka sentiment --weights weights.bin < posts.txt   try them

It needs the extra czujka[train]. What may be trained on: docs/model-card.md."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from models.sentiment import train

    parser.epilog = EPILOG
    train.add_arguments(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Trains.

    Raises:
        UserError: data is missing, or the extra is not installed.
    """
    from models.errors import UserError
    from models.sentiment import train

    try:
        return train.run(args)
    except (ImportError, OSError) as error:
        raise UserError(f"cannot train: {error}; see `czujka train --help`") from error
