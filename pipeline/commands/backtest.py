"""`czujka backtest`: what would have fired, and when."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from connectors.fields import FieldMap
from connectors.file import FileOptions, FileReader
from connectors.privacy import Privacy
from models.alert import CrisisAlert
from models.errors import EXIT_OK, UserError
from models.post import Heartbeat
from models.sentiment import load_scorer
from models.series import SeriesPoint
from pipeline import counts
from pipeline.assembly import make_brands, read_watchlist, score_settings, watch_factory
from pipeline.backtest import (
    BacktestResult,
    Chunk,
    TrackKeeper,
    alarms_of,
    describe,
    describe_judgement,
    run_backtest,
    summarise_judgement,
)
from pipeline.incidents.judging import Judgement, judge, read_incidents
from pipeline.incidents.page import write_page
from pipeline.local import LocalRun
from pipeline.progress import progress_bar
from pipeline.settings import Settings

HELP = "run a file of posts through the detectors, without a broker"

EPILOG = """\
examples:
  czujka backtest posts.jsonl.gz --watchlist watchlist.yaml --alerts alerts.jsonl
  czujka backtest tweets.csv --watchlist w.yaml --map text=body --map created_at=time \\
      --map author=user --map native_id=tweet_id
  czujka backtest posts.csv --watchlist w.yaml --incidents incidents.csv --html report.html
  czujka backtest --series volumes.csv --scores scores.csv     counts alone: timestamp,value
  czujka backtest --series volumes.csv --incidents incidents.csv --json

--incidents is a CSV with the columns begin, end, brand (its id in the watchlist; not with --series)
and, if you like, name. An alarm counts as right if it fired between begin and end; surge-negative
and mood are judged, the kinds that page.

Times may be ISO 8601, epoch seconds or milliseconds, or "Wed Jan 01 03:59:03 +0000 2014".
The file may be .csv, .tsv or .jsonl, each also .gz. It gives the same alerts as the stream."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the file and where results go."""
    parser.epilog = EPILOG
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="posts: .csv, .tsv or .jsonl (.gz)"
    )
    parser.add_argument(
        "--series", type=Path, metavar="FILE", help="counts instead of posts: CSV, timestamp,value"
    )
    parser.add_argument(
        "--scores", type=Path, metavar="OUT", help="timestamp,value,anomaly_score (standard output)"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="which column is which field (text, created_at, author, native_id, reach, …)",
    )
    parser.add_argument(
        "--authors",
        choices=["names", "pseudonyms"],
        default="names",
        help="what the file calls authors: names become pseudonyms, pseudonyms stay (names)",
    )
    parser.add_argument("--alerts", type=Path, metavar="OUT", help="each revision as a JSON line")
    parser.add_argument("--minutes", type=Path, metavar="OUT", help="each closed minute likewise")
    parser.add_argument(
        "--incidents",
        type=Path,
        metavar="FILE",
        help="labelled incidents: precision, recall, delay and false alarms a week",
    )
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="a page of plots: seen, expected, when it fired"
    )
    parser.add_argument("--json", action="store_true", help="the summary as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs the backtest and prints the summary.

    Raises:
        UserError: a file cannot be read or written, or the watchlist is wrong.
    """
    if (args.file is None) == (args.series is None):
        raise UserError("name a FILE of posts, or --series FILE with counts")
    if args.series is not None:
        return _run_series(args)
    watchlist = read_watchlist(settings)
    sentiment = load_scorer()
    brands = make_brands(watchlist, settings)
    incidents = []
    if args.incidents is not None:
        incidents = read_incidents(args.incidents, {brand.id for brand in watchlist.brands})
    judged = args.incidents is not None or args.html is not None
    keeper = TrackKeeper()
    privacy = Privacy.for_files(known_pseudonyms=args.authors == "pseudonyms")
    pseudonyms = None if privacy.known_pseudonyms else privacy.pseudonyms
    factory = watch_factory(watchlist, settings, sentiment.version, pseudonyms)
    local = LocalRun(
        settings.posts_partitions, brands, sentiment, score_settings(settings), factory
    )
    options = FileOptions(fields=FieldMap.parse(args.map), privacy=privacy)
    reader = FileReader(args.file, options)
    rejects: list[str] = []
    with ExitStack() as stack:
        write_alert = _Writer(stack, args.alerts)
        write_point = _Writer(stack, args.minutes)
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("posts", total=reader.total_bytes, event_time="")

        def on_point(point: SeriesPoint) -> None:
            write_point(point)
            if judged:
                keeper.add(point)
            bar.update(task, completed=reader.read_bytes)

        result = run_backtest(local, _chunks(reader, rejects), write_alert, on_point)
        bar.update(task, completed=reader.total_bytes)
    result.refused.update({"broken record in the file": len(rejects)} if rejects else {})
    judgement = None
    if judged:
        judgement = judge(incidents, alarms_of(result), keeper.span_ms(), len(watchlist.brands))
    if args.html is not None and judgement is not None:
        _write_html(args.html, write_page(args.file.name, judgement, keeper.tracks()))
    _report(
        result,
        rejects,
        reader,
        judgement if args.incidents is not None else None,
        as_json=args.json,
    )
    return EXIT_OK


def _run_series(args: argparse.Namespace) -> int:
    wanted = args.incidents is not None or args.html is not None or args.json
    incidents = [] if args.incidents is None else read_incidents(args.incidents, ())
    track = counts.score_file(args.series, args.scores, quiet=wanted)
    if not wanted:
        return EXIT_OK
    times = track.times_ms
    span_ms = int(times[-1] - times[0]) if len(times) else 0
    judgement = judge(incidents, counts.alarms_of(track), span_ms, 1)
    if args.html is not None:
        _write_html(args.html, write_page(args.series.name, judgement, [track]))
    if args.json:
        print(json.dumps({"rows": len(times), "judgement": summarise_judgement(judgement)}))
    elif args.scores is not None or args.html is not None or args.incidents is not None:
        print("\n".join(describe_judgement(judgement)))
    return EXIT_OK


def _write_html(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _chunks(reader: FileReader, rejects: list[str]) -> Iterator[Chunk]:
    for page in reader.pages():
        rejects.extend(f"{reject.place}: {reject.reason}" for reject in page.rejects)
        beat = None
        if page.until_ms is not None:
            beat = Heartbeat(
                source="file", until_ms=page.until_ms, sent_ms=page.until_ms, final=page.final
            )
        yield Chunk(page.posts, beat)


class _Writer:
    """Appends records to a file as JSON lines; without a file it does nothing."""

    def __init__(self, stack: ExitStack, path: Path | None) -> None:
        self._file = None
        if path is not None:
            try:
                self._file = stack.enter_context(path.open("wb"))
            except OSError as error:
                raise UserError(f"cannot write {path}: {error.strerror}") from error

    def __call__(self, record: CrisisAlert | SeriesPoint) -> None:
        if self._file is not None:
            self._file.write(record.encode() + b"\n")


def _report(
    result: BacktestResult,
    rejects: list[str],
    reader: FileReader,
    judgement: Judgement | None,
    *,
    as_json: bool,
) -> None:
    for line in rejects[:5]:
        print(line, file=sys.stderr)
    if len(rejects) > 5:
        print(f"… and {len(rejects) - 5} more broken records", file=sys.stderr)
    if reader.late:
        print(
            f"{reader.late} posts stood too far from their place in time and came late: sort the "
            "file by time",
            file=sys.stderr,
        )
    if as_json:
        summary: dict[str, object] = {
            "posts": result.posts,
            "mentions": dict(result.mentions),
            "refused": dict(result.refused),
            "minutes": result.buckets,
            "alerts": [alert.model_dump(mode="json") for alert in result.fired],
        }
        if judgement is not None:
            summary["judgement"] = summarise_judgement(judgement)
        print(json.dumps(summary, ensure_ascii=False))
    else:
        print("\n".join(describe(result)))
        if judgement is not None:
            print("\n".join(describe_judgement(judgement)))
