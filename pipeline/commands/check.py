"""``czujka check``: looks at everything that a role needs before it starts."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import EXIT_CONFIGURATION, EXIT_OK, UserError

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "say what is missing here, and how to mend it"

EPILOG = """\
examples:
  czujka check                                        with the settings of the environment
  czujka check --bootstrap-servers kafka:9092 --json  another broker; the answer for a program

exit codes: 0 all is well (there may be warnings), 2 something must be mended"""


class Level(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARNING = "warning"  # works, but likely not as meant
    PROBLEM = "problem"  # a role would not start, or would do the wrong thing
    SKIPPED = "skipped"  # could not be looked at because of a problem before


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--json", action="store_true", help="answer as JSON on standard output")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Prints what was found."""
    findings = []
    for finding in inspect(settings, os.environ):
        findings.append(finding)
        if not args.json:
            for line in finding.text.splitlines():
                print(f"{finding.level.value:8} {finding.subject:10} {line}", flush=True)
    well = all(finding.level in (Level.OK, Level.WARNING) for finding in findings)
    if args.json:
        print(json.dumps({"ok": well, "findings": [asdict(finding) for finding in findings]}))
    return EXIT_OK if well else EXIT_CONFIGURATION


def inspect(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Looks at settings, watchlist, state folder, broker and topics, in this order."""
    yield from _settings(environment)
    yield _watchlist(settings.watchlist)
    yield _state(settings.state_dir)
    yield from _broker_and_topics(settings)


def _settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    from pipeline.settings import PREFIX, unknown_variables

    misspelt = unknown_variables(environment)
    for name, meant in misspelt.items():
        yield Finding(
            "settings", Level.WARNING, f"{name} is no setting and is ignored: {meant} was meant?"
        )
    if not misspelt:
        given = sum(name.startswith(PREFIX) for name in environment)
        yield Finding("settings", Level.OK, f"valid, {given} from the environment")


def _watchlist(path: Path) -> Finding:
    from models.watchlist import WatchlistError, load_watchlist
    from pipeline.settings import option, variable

    if not path.exists():
        return Finding(
            "watchlist",
            Level.PROBLEM,
            f"{path} is not there: write it, or name another with {option('watchlist')} "
            f"or {variable('watchlist')}",
        )
    try:
        watchlist = load_watchlist(path)
    except WatchlistError as error:
        return Finding("watchlist", Level.PROBLEM, str(error))
    return Finding("watchlist", Level.OK, f"{path}: {len(watchlist.brands)} brands")


def _state(folder: Path) -> Finding:
    from pipeline.settings import variable

    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("state", Level.OK, f"{folder} can be written")
    return Finding(
        "state",
        Level.PROBLEM,
        f"{folder} cannot be made or written ({there} does not let us): name another with "
        f"{variable('state_dir')}",
    )


def _broker_and_topics(settings: Settings) -> Iterator[Finding]:
    from pipeline.client import ensure_broker
    from pipeline.topics import check_topics, expected_topics

    try:
        brokers = ensure_broker(settings)
    except UserError as error:
        yield Finding("broker", Level.PROBLEM, str(error))
        yield Finding("topics", Level.SKIPPED, "not looked at: no broker")
        return
    yield Finding(
        "broker", Level.OK, f"{settings.bootstrap_servers} answers, brokers: {len(brokers)}"
    )
    try:
        problems = check_topics(settings)
    except UserError as error:
        yield Finding("topics", Level.PROBLEM, str(error))
        return
    for problem in problems:
        yield Finding("topics", Level.PROBLEM, str(problem))
    if not problems:
        count = len(expected_topics(settings))
        yield Finding("topics", Level.OK, f"{count} are there as they should be")
