"""`czujka report`: what happened in an alert, as one HTML file and as Markdown."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import EXIT_OK, UserError
from pipeline.language import DEFAULT, LANGUAGES, speaking
from pipeline.report.files import add_file_arguments, refuse_files_without_alerts, write_files

if TYPE_CHECKING:
    from models.alert import CrisisAlert
    from pipeline.settings import Settings

HELP = "write the report on an alert, as HTML and as Markdown"

EPILOG = """\
examples:
  czujka report --list                                   alerts that there are, newest last
  czujka report orzel-air.surge-negative.20261128T0812Z  writes two files into the folder
  czujka report orzel-air --out reports                  the brand's newest alert that fired
  czujka report orzel-air --language pl                  in Polish
  czujka report ID --alerts a.jsonl --series s.jsonl     of a backtest, without a broker

The HTML file holds everything it needs; print it to get a PDF."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "alert", nargs="?", metavar="ALERT", help="its id, or how the id begins (see --list)"
    )
    parser.add_argument("--list", action="store_true", help="list the alerts instead")
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where to write")
    parser.add_argument(
        "--language", choices=list(LANGUAGES), default=DEFAULT, help=f"of the report ({DEFAULT})"
    )
    add_file_arguments(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Writes the report, or lists what one could be written of."""
    import asyncio

    from pipeline.report.reading import (
        dossier_of_files,
        list_alerts,
        read_alert_file,
        read_dossier,
    )

    refuse_files_without_alerts(args)
    if args.alert is None and not args.list:
        raise UserError("name an alert, or give --list to see which there are")
    alerts = read_alert_file(args.alerts) if args.alerts else asyncio.run(list_alerts(settings))
    newest = {alert.alert_id: alert for alert in sorted(alerts, key=lambda a: a.revision)}
    known = sorted(newest.values(), key=lambda alert: (alert.onset, alert.alert_id))
    if args.list:
        for alert in known:
            print(_line(alert))
        return EXIT_OK
    alert_id = choose(args.alert, known)
    if args.alerts:
        dossier = dossier_of_files(alert_id, args.alerts, args.series, args.feedback)
    else:
        dossier = asyncio.run(read_dossier(settings, alert_id))
    from pipeline.report.account import write_account
    from pipeline.report.html import write_html
    from pipeline.report.markdown import write_markdown

    with speaking(args.language):
        account = write_account(dossier)
        texts = {"html": write_html(account), "md": write_markdown(account)}
    write_files(args.out, alert_id.replace("/", "_"), texts)
    return EXIT_OK


def choose(wanted: str, known: list[CrisisAlert]) -> str:
    """The alert that is meant: by its id, else the newest that fired of those that begin so.

    Raises:
        UserError: none does.
    """
    from pipeline.report.reading import no_such_alert

    if any(alert.alert_id == wanted for alert in known):
        return wanted
    begin = [alert for alert in known if alert.alert_id.startswith(wanted)]
    fired = [alert for alert in begin if alert.fired_at is not None]
    if not begin:
        raise no_such_alert(wanted, [alert.alert_id for alert in known])
    return (fired or begin)[-1].alert_id


def _line(alert: CrisisAlert) -> str:
    if alert.resolved_at is not None:
        state = "resolved" if alert.fired_at else "did not fire"
    else:
        state = alert.status
    return f"{alert.onset:%Y-%m-%d %H:%M}  {alert.severity.value:8}  {state:12}  {alert.alert_id}"
