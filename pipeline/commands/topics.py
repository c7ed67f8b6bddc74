"""``czujka topics``: makes the topics on the broker, or says what is wrong with them."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings

HELP = "make the topics on the broker, or check them"

EPILOG = """\
examples:
  czujka topics create                       make what is missing; safe to repeat
  czujka topics create --recreate tallies    delete a topic with all it holds, and make it anew
  czujka topics check --json                 what is wrong, for a program

exit codes: 0 all as it should be, 1 the check found problems, 2 broker or settings"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("action", choices=["create", "check"])
    parser.add_argument("--json", action="store_true", help="answer as JSON on standard output")
    parser.add_argument(
        "--recreate",
        action="append",
        default=[],
        metavar="TOPIC",
        help="with create: delete this topic first; what it holds is lost",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Creates or checks the topics."""
    return _create(args, settings) if args.action == "create" else _check(args, settings)


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
