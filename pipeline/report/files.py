"""What the commands that write reports share: where they read, and how they write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from models.errors import UserError


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files of a backtest, to be read instead of topics."""
    files = parser.add_argument_group("from files instead of topics")
    files.add_argument(
        "--alerts", type=Path, metavar="FILE", help="backtest's --alerts, JSON lines"
    )
    files.add_argument(
        "--series", type=Path, metavar="FILE", help="backtest's --minutes, JSON lines"
    )
    files.add_argument("--feedback", type=Path, metavar="FILE", help="answers, JSON lines")


def refuse_files_without_alerts(args: argparse.Namespace) -> None:
    """Refuses files that say nothing by themselves.

    Raises:
        UserError: there are some without --alerts.
    """
    if args.alerts is None and (args.series or args.feedback):
        raise UserError("--series and --feedback go with --alerts")


def write_files(folder: Path, stem: str, texts: Mapping[str, str]) -> None:
    """Writes each text to the file with its ending, and prints where.

    Raises:
        UserError: a file cannot be written.
    """
    for ending, text in texts.items():
        path = folder / f"{stem}.{ending}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        print(path)
