"""``czujka topics``: makes the topics on the broker, compares, saves and restores them."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "make the topics on the broker, check, save, restore and rewind them"

EPILOG = """\
examples:
  czujka topics create                       make what is missing; safe to repeat
  czujka topics create --recreate tallies    delete a topic with all it holds, and make it anew
  czujka topics check --json                 what is wrong, for a program
  czujka topics save czujka.backup           alerts, answers, cursors and what watch has learned
  czujka topics restore czujka.backup        the same into empty topics, before any role starts
  czujka topics rewind 2026-11-20T06:00:00Z  score and watch decide again what has come since

exit codes: 0 all as it should be, 1 the check found problems, 2 broker or settings"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("action", choices=["create", "check", "save", "restore", "rewind"])
    parser.add_argument(
        "what",
        nargs="?",
        metavar="FILE|TIME",
        help="with save and restore a file, with rewind a time",
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON on standard output")
    parser.add_argument(
        "--recreate",
        action="append",
        default=[],
        metavar="TOPIC",
        help="with create: delete this topic first; what it holds is lost",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Does what was asked for with the topics."""
    actions = {"create": _create, "check": _check, "save": _copy, "restore": _copy}
    actions["rewind"] = _rewind
    return actions[args.action](args, settings)


def _create(args: argparse.Namespace, settings: Settings) -> int:
    from pipeline.topics import create_topics, expected_topics

    made = create_topics(settings, recreate=args.recreate)
    wanted = expected_topics(settings)
    if args.json:
        rows = [
            {"topic": topic.name, "partitions": topic.partitions, "made": topic.name in made}
            for topic in wanted
        ]
        print(json.dumps(rows))
        return 0
    for topic in wanted:
        done = "made" if topic.name in made else "was there"
        print(f"{topic.name:32} {topic.partitions:4} partitions  {topic.cleanup:15} {done}")
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> int:
    from pipeline.topics import check_topics, expected_topics

    problems = check_topics(settings)
    if args.json:
        rows = [
            {
                "topic": problem.topic,
                "fault": problem.fault.value,
                "found": problem.found,
                "expected": problem.expected,
                "mend": problem.mend,
            }
            for problem in problems
        ]
        print(json.dumps({"ok": not problems, "problems": rows}))
    elif problems:
        for problem in problems:
            print(problem)
    else:
        count = len(expected_topics(settings))
        print(f"{count} topics are there as they should be")
    return 1 if problems else 0


def _copy(args: argparse.Namespace, settings: Settings) -> int:
    from pipeline.backup import restore, save

    if args.what is None:
        raise UserError(f"name a file: czujka topics {args.action} FILE")
    counts = (save if args.action == "save" else restore)(settings, Path(args.what))
    if args.json:
        print(json.dumps(counts))
        return 0
    for name, count in counts.items():
        print(f"{settings.topic(name):32} {count:8} records")
    return 0


def _rewind(args: argparse.Namespace, settings: Settings) -> int:
    from pipeline.rewind import read_time, rewind

    if args.what is None:
        raise UserError("name a time: czujka topics rewind 2026-11-20T06:00:00Z")
    to = read_time(args.what)
    logging.getLogger("kafka").setLevel(
        logging.ERROR
    )  # it warns that Faust's members are not its own
    offsets = rewind(settings, to)
    if args.json:
        print(json.dumps({"to": to.isoformat(), "offsets": offsets}))
        return 0
    print(f"what arrived since {to.isoformat()} is decided again when score and watch start:")
    for partition, offset in offsets.items():
        print(f"{settings.topic('posts')} {partition}: from offset {offset}")
    return 0
