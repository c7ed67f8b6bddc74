"""`czujka connect` and `czujka replay`: posts from a source into the posts topic."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import logging
import sys
import time
from contextlib import aclosing, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

from connectors.base import Budgeted, Source
from connectors.catalog import CATALOG, Entry, entry_of
from connectors.context import Context
from connectors.cursors import Cursors, FileCursors, MemoryCursors
from connectors.errors import ConnectorError, RateLimitedError, RetryError
from connectors.fields import FIELDS, FieldMap
from connectors.file import FileOptions, FileSource, Format
from connectors.http import HttpSettings
from connectors.metrics import ConnectorMetrics
from connectors.ordering import REORDER_RECORDS
from connectors.pacing import PacedSource, parse_speed
from connectors.privacy import Privacy, private
from connectors.publisher import Publisher, Target
from connectors.queries import FixedQueries, QuerySource, WatchedQueries
from connectors.runner import Runner, Totals
from connectors.simulator import SimulatorSource, Story, simulate
from connectors.topic_cursors import CursorTopic, TopicCursors
from models.errors import EXIT_FAILED, EXIT_OK, UserError
from models.post import Post, encode
from pipeline.client import connection_arguments
from pipeline.metrics import serve_metrics
from pipeline.role import Pulse, StopLimit, stop_on_signals
from pipeline.settings import Settings
from pipeline.topics import refuse_unfit_topics

STALLED_AFTER_S = 60.0
"""Without a turn of the event loop for so long, ``/healthz`` says that the process is stuck."""
CHECK_S = 20.0
"""``--check`` waits so long for a post."""

HELP = "publish posts from a platform, a file or the simulator"

EPILOG = """\
examples:
  czujka connect --list                                    what there is, needs and costs
  czujka connect mastodon --check                          tries the credentials, shows a post
  czujka connect bluesky --set version=v1
  czujka connect rss --name press --set feeds=https://a.example/feed.xml
  czujka connect file posts.jsonl.gz
  czujka connect file tweets.csv --map text=body --map created_at=time --map author=user \\
      --map native_id=tweet_id --platform x
  czujka connect simulator --seed 7 --days 4 --speed 600 --story truth.json
  czujka connect simulator --dump posts.jsonl.gz           into a file, without a broker

A field that --set gives is also an environment variable: CZUJKA_MASTODON_TOKEN, … Secrets belong
there. CZUJKA_PSEUDONYM_KEY is the key of the authors' pseudonyms. More: docs/connectors.md.

A connector that was stopped goes on where it was; --from-start begins again."""

REPLAY_EPILOG = """\
examples:
  czujka replay posts.jsonl.gz                             as fast as possible
  czujka replay posts.jsonl.gz --speed 600                 ten minutes in a second
  czujka replay tweets.csv --speed 1 --map text=body --map created_at=time

A replay always begins at the start of the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to connect, and how."""
    parser.add_argument(
        "connector",
        nargs="?",
        metavar="NAME",
        choices=[entry.name for entry in CATALOG],
        help=", ".join(entry.name for entry in CATALOG),
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="of the connector file")
    parser.add_argument("--list", action="store_true", help="what there is, needs and costs")
    parser.add_argument(
        "--check", action="store_true", help="try it without publishing, and show a post"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a setting of the platform, in place of its environment variable",
    )
    parser.add_argument("--name", help="name of this instance (that of the connector)")
    parser.add_argument("--from-start", action="store_true", help="forget how far it came before")
    _add_speed(parser)
    _add_file_arguments(parser)
    group = parser.add_argument_group("simulator")
    group.add_argument("--seed", type=int, default=1, help="the same seed gives the same posts (1)")
    group.add_argument("--days", type=int, default=4, help="days of the story (4)")
    group.add_argument(
        "--start", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first day (2026-11-04)"
    )
    group.add_argument("--story", type=Path, metavar="OUT", help="write what is true as JSON")
    group.add_argument(
        "--dump", type=Path, metavar="OUT", help="write posts there as JSON lines (.gz), and end"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs a connector until its source ends or it is told to stop."""
    if args.list:
        _print_catalog()
        return EXIT_OK
    if args.connector is None:
        raise UserError("name a connector: see `czujka connect --list`")
    name: str = args.name or args.connector
    entry = entry_of(args.connector)
    metrics = ConnectorMetrics()
    source: Source
    if entry.module is None and args.set:
        raise UserError(f"--set is for platforms; {entry.name} is none")
    if args.connector == "file":
        if args.file is None:
            raise UserError("name a file: czujka connect file FILE")
        source = FileSource(args.file, _file_options(args, name))
    elif args.file is not None:
        raise UserError(f"the connector {args.connector} takes no file ({args.file})")
    elif entry.module is not None:
        source = _platform(entry, name, args.set, settings, metrics)
        if args.check and isinstance(source, Budgeted):
            print(f"{name}: {source.budget()}")
        source = private(source, Privacy.from_environment())
    else:
        story = Story.plan(args.seed, args.days, **({"start": args.start} if args.start else {}))
        if args.story is not None:
            _write(args.story, story.to_json().encode())
        if args.dump is not None:
            return _dump(story, name, args.dump)
        source = SimulatorSource(story, name)
    if args.check:
        return asyncio.run(_check(source))
    if settings.cursors == "file":
        return _carry(args, source, FileCursors(settings.state_dir / "cursors"), settings, metrics)
    if settings.embedded:
        raise UserError("the embedded broker forgets cursors: set CZUJKA_CURSORS=file")
    topic = CursorTopic(
        connection_arguments(settings), settings.topic("cursors"), settings.connect_timeout_s
    )
    with closing(TopicCursors(topic)) as cursors:
        return _carry(args, source, cursors, settings, metrics)


def _carry(
    args: argparse.Namespace,
    source: Source,
    cursors: Cursors,
    settings: Settings,
    metrics: ConnectorMetrics,
) -> int:
    return publish(
        source,
        args.speed,
        _Restarted(cursors) if args.from_start else cursors,
        settings,
        metrics,
    )


def _platform(
    entry: Entry, name: str, given: list[str], settings: Settings, metrics: ConnectorMetrics
) -> Source:
    """The source of a live platform."""
    platform = entry.load()
    fields: dict[str, str] = {}
    for pair in given:
        field, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: expected FIELD=VALUE")
        fields[field] = value
    queries: QuerySource = FixedQueries()
    if settings.watchlist.exists():
        queries = WatchedQueries(settings.watchlist)
    context = Context(name, queries, HttpSettings.load(), metrics=metrics)
    return platform.open_source(platform.SETTINGS.load(fields), context)


async def _check(source: Source) -> int:
    """Opens a platform, waits for a post and shows it; nothing is published or saved."""
    answered = False
    try:
        async with asyncio.timeout(CHECK_S), aclosing(source.pages(None)) as pages:
            async for page in pages:
                answered = True
                if page.posts:
                    print(_shown(source.name, page.posts[-1]))
                    return EXIT_OK
                if page.rejects:
                    reject = page.rejects[0]
                    print(f"{source.name}: {reject.place}: {reject.reason}", file=sys.stderr)
    except TimeoutError:
        if not answered:
            print(f"{source.name}: nothing came within {CHECK_S:g} s", file=sys.stderr)
            return EXIT_FAILED
    except (RetryError, RateLimitedError) as error:
        print(f"{source.name}: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{source.name}: works; no new post within {CHECK_S:g} s")
    return EXIT_OK


def _shown(name: str, post: Post) -> str:
    """A post in three lines."""
    created = f"{datetime.fromtimestamp(post.created_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = " ".join(post.text.split())
    return (
        f"{name}: works; for example\n"
        f"  {post.op.value} {post.key} by {post.author or 'nobody'}, {created}\n"
        f"  {text if len(text) <= 200 else text[:199] + '…'}"
    )


def add_replay_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `czujka replay`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="posts: .csv, .tsv, .jsonl (.gz)")
    parser.add_argument("--name", default="replay", help="name of the source in the posts (replay)")
    _add_speed(parser)
    _add_file_arguments(parser)


def run_replay(args: argparse.Namespace, settings: Settings) -> int:
    """Publishes a file from its start."""
    source = FileSource(args.file, _file_options(args, args.name))
    return publish(source, args.speed, MemoryCursors(), settings)


def publish(
    source: Source,
    speed: str,
    cursors: Cursors,
    settings: Settings,
    metrics: ConnectorMetrics | None = None,
) -> int:
    """Carries a source into the posts topic until it ends or SIGINT or SIGTERM comes.

    Args:
        source: where posts come from.
        speed: as people write it, see `connectors.pacing.parse_speed`.
        cursors: where to go on.
        settings: where to publish.
        metrics: to count with.

    Raises:
        UserError: a setting is wrong, the broker or a topic is not there.
    """
    pace = parse_speed(speed)
    if pace > 0:
        source = PacedSource(source, pace)
    # The client logs each of its attempts; a failure comes to us as an error, and is told once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    topics = ["posts", "dead-letters", *(["cursors"] if settings.cursors == "topic" else [])]
    refuse_unfit_topics(settings, topics)
    metrics = metrics or ConnectorMetrics()
    pulse = Pulse(STALLED_AFTER_S)
    if settings.metrics_port:
        serve_metrics(
            settings.host, settings.metrics_port, registry=metrics.registry, healthy=pulse.beats
        )
    began_s = time.monotonic()
    try:
        with StopLimit(settings.stop_timeout_s) as limit, Publisher(target(settings)) as publisher:
            totals = asyncio.run(_run(Runner(source, publisher, cursors, metrics), pulse, limit))
    except UserError:
        raise
    except ConnectorError as error:
        print(f"czujka: {source.name}: {error}", file=sys.stderr)
        return EXIT_FAILED
    return _report(source.name, totals, time.monotonic() - began_s)


def target(settings: Settings) -> Target:
    """Where the publisher publishes, by the settings."""
    return Target(
        connection=connection_arguments(settings),
        posts_topic=settings.topic("posts"),
        dead_letters_topic=settings.topic("dead-letters"),
        partitions=settings.posts_partitions,
        idempotent=not settings.embedded,
        connect_timeout_s=settings.connect_timeout_s,
    )


async def _run(runner: Runner, pulse: Pulse, limit: StopLimit) -> Totals:
    stop = asyncio.Event()
    stop_on_signals(stop, limit)
    beats = asyncio.create_task(pulse.run())
    try:
        return await runner.run(stop)
    finally:
        beats.cancel()


def _report(name: str, totals: Totals, seconds: float) -> int:
    end = "ended" if totals.finished else "stopped"
    print(
        f"{name}: {end} after {seconds:.1f} s: {totals.posts} posts, {totals.rejects} rejects, "
        f"{totals.heartbeats} heartbeats, {totals.retries} retries, {totals.gaps} gaps",
        file=sys.stderr,
    )
    if totals.first_reject is not None:
        first = totals.first_reject
        print(f"first reject: {first.place}: {first.reason}", file=sys.stderr)
        if totals.posts == 0 and totals.finished:
            print("no record could be read: is the --map right?", file=sys.stderr)
            return EXIT_FAILED
    return EXIT_OK


class _Restarted:
    """Keeps cursors, but knows of none at first."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors

    def load(self, source: str) -> str | None:
        return None

    def save(self, source: str, cursor: str) -> None:
        self._cursors.save(source, cursor)


def _add_speed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        default="max",
        metavar="N",
        help="seconds of event time in a second: 1, 600, … (max: do not wait)",
    )


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("file")
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help=f"which column is which field: {', '.join(FIELDS)}; in JSON a.b reaches into a",
    )
    group.add_argument("--format", choices=get_args(Format), help="if the name does not tell")
    group.add_argument("--encoding", default="utf-8", help="of the text (utf-8)")
    group.add_argument(
        "--timezone", default="UTC", metavar="ZONE", help="of times that name none (UTC)"
    )
    group.add_argument("--platform", default="file", help="of posts that name none (file)")
    group.add_argument(
        "--authors",
        choices=["names", "pseudonyms"],
        default="names",
        help="what the file calls authors: names become pseudonyms, pseudonyms stay (names)",
    )
    group.add_argument(
        "--reorder",
        type=int,
        default=REORDER_RECORDS,
        metavar="N",
        help=f"records held back to put them in the order of time ({REORDER_RECORDS})",
    )


def _file_options(args: argparse.Namespace, name: str) -> FileOptions:
    try:
        zone = ZoneInfo(args.timezone)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"--timezone {args.timezone}: no such zone; write for example Europe/Warsaw"
        ) from error
    return FileOptions(
        fields=FieldMap.parse(args.map),
        source=name,
        platform=args.platform,
        format=args.format,
        encoding=args.encoding,
        zone=zone,
        reorder=args.reorder,
        privacy=Privacy.for_files(known_pseudonyms=args.authors == "pseudonyms"),
    )


def _print_catalog() -> None:
    rows = [("NAME", "WHAT", "NEEDS", "COSTS")]
    rows += [(entry.name, entry.what, entry.needs, entry.costs) for entry in CATALOG]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, what, needs, costs in rows:
        print(f"{name:{widths[0]}}  {what:{widths[1]}}  {needs:{widths[2]}}  {costs}")


def _dump(story: Story, name: str, path: Path) -> int:
    lines = [encode(post) for page in simulate(story, name) for post in page.posts]
    content = b"\n".join(lines) + b"\n"
    _write(path, gzip.compress(content, 6, mtime=0) if path.suffix == ".gz" else content)
    print(f"{len(lines)} posts in {path}", file=sys.stderr)
    return EXIT_OK


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
