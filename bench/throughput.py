"""Posts a second on one topic: score with all its work, an idle Faust agent, a bare consumer.

`python -m bench.throughput` fills a topic of a real Kafka once, then lets each contender read it
from the start, one after the other, several rounds. Everybody is measured from outside, alike: a
figure is the growth of the group's committed offsets over the time between the first commit seen
and the last, so process start, group join and compilation do not count. The processor time of the
contender over the same stretch stands beside it, for it does not depend on what else the machine
does. Writes ``bench/out/throughput.json`` and a table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError

from bench.contenders import CONTENDERS, Contender
from bench.stream import fill, write_watchlist
from pipeline.child import Child
from pipeline.client import connection_arguments
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from tests.support.kafka import Kafka, open_kafka

OUT = Path(__file__).parent / "out"
POLL_S = 0.05
FIRST_COMMIT_WITHIN_S = 120.0


@dataclass(frozen=True)
class Sample:
    """One contender in one round."""

    contender: str
    round: int
    posts: int  # committed between the first commit seen and the last
    seconds: float
    cpu_s: float | None  # None: this system does not tell
    ready_s: float  # from the start of the process to the first commit seen
    complete: bool  # it reached the end before the limit of time

    @property
    def posts_per_s(self) -> float:
        """Speed."""
        return self.posts / self.seconds


class ContenderError(Exception):
    """A contender ended, or committed nothing."""


def block_end(end: int, block: int) -> int:
    """The last offset that score can have committed: it commits where a next block begins."""
    return max(0, end - 1) // block * block


async def measure(
    contender: Contender,
    settings: Settings,
    ends: dict[int, int],
    round_number: int,
    limit_s: float,
) -> Sample:
    """Starts a contender, and watches its group's offsets until they are at the end.

    Args:
        contender: whom.
        settings: with an `app_id` of its own for this round, so that the group is a new one.
        ends: records in each partition of `posts`.
        round_number: for the report.
        limit_s: stop watching so long after the first commit; the speed so far counts.

    Raises:
        ContenderError: see there; the message has the last of its output.
    """
    goal = sum(block_end(end, settings.block_records) for end in ends.values())
    topic = settings.topic("posts")
    partitions = [TopicPartition(topic, partition) for partition in ends]
    group = settings.group(contender.role)
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    await admin.start()
    log = OUT / f"{contender.role}.log"
    log.unlink(missing_ok=True)
    started = time.perf_counter()
    environment = dict(os.environ) | environment_of(settings) | {"OMP_NUM_THREADS": "1"}
    child = Child([sys.executable, *contender.argv], log, environment)
    try:
        first: tuple[float, int, float | None] | None = None
        while True:
            if not child.running:
                raise ContenderError(
                    f"{contender.name} ended with exit code {child.exit_code}: {child.tail()}"
                )
            committed = await _committed(admin, group, partitions)
            now, cpu_s = time.perf_counter(), _cpu_s(child.pid)
            if first is None:
                if committed:
                    first = (now, committed, cpu_s)
                elif now - started > FIRST_COMMIT_WITHIN_S:
                    raise ContenderError(f"{contender.name} commits nothing: {child.tail()}")
            elif committed >= goal or now - first[0] > limit_s:
                return Sample(
                    contender=contender.name,
                    round=round_number,
                    posts=committed - first[1],
                    seconds=now - first[0],
                    cpu_s=None if cpu_s is None or first[2] is None else cpu_s - first[2],
                    ready_s=first[0] - started,
                    complete=committed >= goal,
                )
            await asyncio.sleep(POLL_S)
    finally:
        child.stop()
        await admin.close()


async def _committed(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> int:
    try:
        offsets = await admin.list_consumer_group_offsets(group, partitions=partitions)
    except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
        return 0  # the broker makes its topic of offsets when the first group asks for it
    # A group that the broker does not know yet has no rows at all.
    return sum(max(0, offsets[tp].offset) for tp in partitions if tp in offsets)


def _cpu_s(pid: int) -> float | None:
    """Processor time of a process so far, user and system."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(kafka: Kafka, options: argparse.Namespace) -> dict[str, Any]:
    """Fills the topic and measures all contenders.

    Returns:
        The report.
    """
    with tempfile.TemporaryDirectory(prefix="czujka-bench-") as folder:
        watchlist = Path(folder) / "watchlist.yaml"
        write_watchlist(watchlist, options.terms)
        base = {
            "bootstrap_servers": kafka.bootstrap_servers,
            "topic_prefix": f"bench{os.getpid()}.",
            "posts_partitions": options.partitions,
            "watchlist": watchlist,
            "log_level": "WARNING",
        }
        settings = Settings(**base)
        await asyncio.to_thread(create_topics, settings)
        started = time.perf_counter()
        ends = await fill(settings, options.posts)
        print(f"{sum(ends.values())} records in {time.perf_counter() - started:.0f} s", flush=True)
        samples = []
        for number in range(1, options.rounds + 1):
            for contender in CONTENDERS:
                if contender.role not in options.only:
                    continue
                of_round = Settings(**(base | {"app_id": f"bench-{number}"}))
                sample = await measure(contender, of_round, ends, number, options.limit_s)
                samples.append(sample)
                print(
                    f"round {number}: {contender.name}: {sample.posts_per_s:,.0f} posts/s "
                    f"({sample.posts:,} in {sample.seconds:.2f} s)",
                    flush=True,
                )
    return {
        "benchmark": "throughput",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "kafka": kafka.origin,
        "posts": options.posts,
        "partitions": options.partitions,
        "terms": options.terms,
        "rounds": options.rounds,
        "results": summarise(samples),
        "samples": [asdict(sample) | {"posts_per_s": sample.posts_per_s} for sample in samples],
    }


def summarise(samples: list[Sample]) -> list[dict[str, Any]]:
    """Median and range of each contender over the rounds, and its ratio to the idle Faust agent."""
    rows = []
    for contender in CONTENDERS:
        own = [sample for sample in samples if sample.contender == contender.name]
        if not own:
            continue
        speeds = [sample.posts_per_s for sample in own]
        cpu = [s.cpu_s / s.posts * 1e6 for s in own if s.cpu_s is not None]
        rows.append(
            {
                "contender": contender.name,
                "does": contender.does,
                "posts_per_s": statistics.median(speeds),
                "least": min(speeds),
                "most": max(speeds),
                "cpu_us_per_post": statistics.median(cpu) if cpu else None,
            }
        )
    idle = next((row["posts_per_s"] for row in rows if "Faust" in row["contender"]), None)
    for row in rows:
        row["times_idle_faust"] = None if idle is None else row["posts_per_s"] / idle
    return rows


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def table(report: dict[str, Any]) -> str:
    """The report for people, Markdown."""
    of = report["machine"]
    lines = [
        f"{report['date']}, {of['processor']}, {of['cores']} cores, Python {of['python']}, "
        f"{report['kafka']}; broker and contender on the same machine; {report['posts']:,} posts, "
        f"{report['partitions']} partitions, {report['terms']:,} brand terms, "
        f"{report['rounds']} rounds: median (least to most).",
        "",
        "| reader of `posts` | posts/s | processor µs a post | × idle Faust |",
        "|---|---:|---:|---:|",
    ]
    for row in report["results"]:
        cpu, times = row["cpu_us_per_post"], row["times_idle_faust"]
        lines.append(
            f"| {row['contender']}: {row['does']} "
            f"| {row['posts_per_s']:,.0f} ({row['least']:,.0f} to {row['most']:,.0f}) "
            f"| {'?' if cpu is None else f'{cpu:.1f}'} "
            f"| {'?' if times is None else f'{times:.1f}'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--posts", type=int, default=600_000, help="records to read (600000)")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of each contender (3)")
    parser.add_argument("--partitions", type=int, default=4, help="of `posts` (4)")
    parser.add_argument("--terms", type=int, default=2_000, help="terms in the watchlist (2000)")
    parser.add_argument(
        "--limit-s", type=float, default=20.0, help="measure a slow one for so long (20)"
    )
    roles = [contender.role for contender in CONTENDERS]
    parser.add_argument("--only", nargs="+", choices=roles, default=roles, help="leave others out")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with open_kafka() as kafka:
        report = asyncio.run(run(kafka, options))
    (OUT / "throughput.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (OUT / "throughput.md").write_text(table(report), encoding="utf-8")
    print(table(report))


if __name__ == "__main__":
    main()
