"""`czujka digest`: the week of all brands, as one HTML file and as Markdown."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import EXIT_OK, UserError
from pipeline.language import DEFAULT, LANGUAGES, speaking
from pipeline.report.files import add_file_arguments, refuse_files_without_alerts, write_files

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "write the week of all brands, as HTML and as Markdown"

EPILOG = """\
examples:
  czujka digest --out digests                       the seven days before the newest minute
  czujka digest --until 2026-11-23 --language pl    a week that ended then, in Polish
  czujka digest --alerts a.jsonl --series s.jsonl   of a backtest, without a broker

Two files digest-DATE.html and .md, named after the day on which the week ends."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--until", metavar="DATE", help="end of the week, UTC, as 2026-11-23")
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where to write")
    parser.add_argument("--language", choices=list(LANGUAGES), default=DEFAULT)
    add_file_arguments(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Writes the two files."""
    import asyncio

    from pipeline.progress import progress_bar
    from pipeline.report.digest import WEEK, digest_html, digest_markdown, write_digest
    from pipeline.report.reading import history_of_files, read_history

    refuse_files_without_alerts(args)
    until = read_day(args.until)
    if args.alerts:
        history = history_of_files(args.alerts, args.series, args.feedback)
    else:
        since = None if until is None else until - 2 * WEEK - timedelta(days=1)
        with progress_bar() as bar:
            task = bar.add_task("minutes read", total=1.0)
            history = asyncio.run(
                read_history(settings, since, tell=lambda share: bar.update(task, completed=share))
            )
    end = until or history.newest
    if end is None:
        raise UserError("there is neither a minute nor an alert yet: nothing to tell of")
    with speaking(args.language):
        digest = write_digest(history, end)
        texts = {"html": digest_html(digest), "md": digest_markdown(digest)}
    write_files(args.out, f"digest-{end:%Y-%m-%d}", texts)
    return EXIT_OK


def read_day(text: str | None) -> datetime | None:
    """Midnight of a day, UTC.

    Raises:
        UserError: not a day.
    """
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UserError(f"--until {text} is no day: write it as 2026-11-23") from error
