"""How many records a second connectors read, make up and publish.

Run it with ``python -m bench.connectors`` (``--kafka`` adds a real Kafka). Times are CPU time of
this process, so that a busy machine disturbs them little; publishing is also given by the clock.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.fields import FieldMap
from connectors.file import FileOptions, FileReader
from connectors.publisher import Publisher
from connectors.simulator import Story, simulate
from models.post import Post
from pipeline.commands.connect import target
from pipeline.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.kafka import open_kafka

RECORDS = 200_000
PUBLISHED = 50_000
FIELDS = FileOptions(fields=FieldMap.parse(["native_id=id"]))
Round = Callable[[], int]


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kafka", action="store_true", help="publish to a real Kafka as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines, table = Path(folder) / "posts.jsonl", Path(folder) / "posts.csv"
        _write(lines, table)
        report("read JSON lines", lambda: _read(lines), args.rounds)
        report("read CSV", lambda: _read(table), args.rounds)
    report("simulate", lambda: sum(len(page.posts) for page in simulate(Story.plan())), args.rounds)
    posts = [post for page in simulate(Story.plan(days=2)) for post in page.posts][:PUBLISHED]
    with EmbeddedBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        with _publisher(settings) as publisher:
            report("publish, embedded", lambda: _publish(publisher, posts), args.rounds)
    if args.kafka:
        with open_kafka() as kafka:
            settings = Settings(bootstrap_servers=kafka.bootstrap_servers)
            with _publisher(settings) as publisher:
                report("publish, Kafka", lambda: _publish(publisher, posts), args.rounds)


def report(name: str, work: Round, rounds: int) -> None:
    """Prints records a second: median and range over the rounds, by CPU time and by the clock."""
    by_cpu, by_clock = [], []
    for _ in range(rounds):
        cpu_s, clock_s = time.process_time(), time.perf_counter()
        records = work()
        by_cpu.append(records / (time.process_time() - cpu_s))
        by_clock.append(records / (time.perf_counter() - clock_s))
    cells = [
        f"{statistics.median(rates):,.0f} ({min(rates):,.0f} … {max(rates):,.0f})"
        for rates in (by_cpu, by_clock)
    ]
    print(f"{name:20} {cells[0]:>32} a CPU second {cells[1]:>32} a second")


def _write(lines: Path, table: Path) -> None:
    with lines.open("w", encoding="utf-8") as objects, table.open("w", encoding="utf-8") as rows:
        writer = csv.writer(rows)
        writer.writerow(["id", "created_at", "text", "author"])
        for n in range(RECORDS):
            text = f"Dzień dobry, lecę dziś do Krakowa numer {n}"
            at = f"2015-02-17T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z"
            record = {"id": str(n), "created_at": 1_424_158_565 + n, "text": text, "author": "ola"}
            objects.write(json.dumps(record, ensure_ascii=False) + "\n")
            writer.writerow([n, at, text, "ola"])


def _read(path: Path) -> int:
    return sum(len(page.posts) for page in FileReader(path, FIELDS).pages())


@contextmanager
def _publisher(settings: Settings) -> Iterator[Publisher]:
    settings = settings.model_copy(update={"topic_prefix": f"bench-{time.time_ns()}."})
    create_topics(settings)
    with Publisher(target(settings)) as publisher:
        yield publisher


def _publish(publisher: Publisher, posts: list[Post]) -> int:
    for post in posts:
        publisher.post(post)
    publisher.flush()
    return len(posts)


if __name__ == "__main__":
    main()
