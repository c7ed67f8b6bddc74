"""`czujka demo`: the whole product on an embedded broker, with a story to watch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "run the whole product on an embedded broker and tell a story"

EPILOG = """\
examples:
  czujka demo                  watch four days of five invented brands pass in a minute
  czujka demo --exit           end by itself; exit code 0 if the crisis fired and resolved and the
                               giveaway did not fire
  czujka demo --seed 7         another story
  czujka demo --logs /tmp/l    keep the logs of all roles

It needs only Python. Ctrl-C stops everything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--exit", action="store_true", help="end by itself when the story is over")
    parser.add_argument("--seed", type=int, default=1, help="of the story (1)")
    parser.add_argument("--days", type=int, default=4, help="days of the story (4)")
    parser.add_argument("--speed", default="11520", help="times faster than life, or max (11520)")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the roles' logs there")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs the demonstration."""
    from pipeline.demo import DemoOptions, run_demo

    options = DemoOptions(
        speed=args.speed,
        seed=args.seed,
        days=args.days,
        exit_at_end=args.exit,
        keep_logs=args.logs,
    )
    if "watchlist" in settings.model_fields_set:
        options.watchlist = settings.watchlist
    return run_demo(options)
