"""The roles as a deployment runs them: child processes of the command, told by variables alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pipeline.child import Child
from pipeline.settings import Settings, environment_of

ROOT = Path(__file__).parents[2]
DEMO_WATCHLIST = ROOT / "deploy" / "demo" / "watchlist.yaml"
WALL_CLOCK_FIELDS = ("pipeline_sent_ms",)
"""When the heartbeat left that completed a bucket: a replay of the same posts has another time."""

Revision = tuple[str, int]
Point = tuple[str, int]


def command(*arguments: object) -> list[str]:
    """The command line of a subcommand."""
    return [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]


def environment(settings: Settings) -> dict[str, str]:
    """The variables of a process with these settings; the code is that under test."""
    return {**os.environ, **environment_of(settings), "PYTHONPATH": str(ROOT)}


def start_role(settings: Settings, role: str, log: Path, *arguments: object) -> Child:
    """Starts a role; its output is appended to the log."""
    return Child(command(role, *arguments), log, environment(settings))


def run_command(
    settings: Settings, *arguments: object, limit_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


@dataclass
class Decided:
    """What `series` and `alerts` hold, without what tells of the wall clock."""

    series: dict[Point, dict[str, Any]]
    alerts: dict[Revision, dict[str, Any]]

    @classmethod
    def of(cls, series: Iterable[bytes], alerts: Iterable[bytes]) -> Decided:
        """Gathers records; one that stands twice must say the same thing twice."""
        decided = cls({}, {})
        for point in map(_timeless, series):
            place = (point["brand"], point["bucket_ms"])
            first = decided.series.setdefault(place, point)
            assert first == point, f"{place}: {_differences(first, point)}"
        for alert in map(_timeless, alerts):
            revision = (alert["alert_id"], alert["revision"])
            known = decided.alerts.setdefault(revision, alert)
            assert known == alert, f"{revision}: {_differences(known, alert)}"
        return decided

    @classmethod
    def of_files(cls, series: Path, alerts: Path) -> Decided:
        """What a backtest wrote."""
        return cls.of(series.read_bytes().splitlines(), alerts.read_bytes().splitlines())


def _differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(one.keys() | other.keys())
    return {n: (one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)}


def _timeless(record: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(record)
    for name in WALL_CLOCK_FIELDS:
        del fields[name]
    return fields


def read_decided(settings: Settings) -> Decided:
    """What stands on the broker now."""
    series, alerts = (
        [record.value for record in read_topic(settings, name)] for name in ("series", "alerts")
    )
    return Decided.of(series, alerts)


def read_topic(settings: Settings, name: str) -> list[Any]:
    """Every record of a topic, partition by partition."""
    return asyncio.run(_read_topic(settings, settings.topic(name)))


async def _read_topic(settings: Settings, topic: str) -> list[Any]:
    async with _reader(settings, topic) as (consumer, tps):
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        records: dict[TopicPartition, list[Any]] = {tp: [] for tp in tps}
        async with asyncio.timeout(60):
            for tp in tps:
                while await consumer.position(tp) < ends[tp]:
                    for other, batch in (await consumer.getmany(timeout_ms=200)).items():
                        records[other] += batch
        return [record for tp in tps for record in records[tp]]


@contextlib.asynccontextmanager
async def _reader(
    settings: Settings, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        fetch_max_wait_ms=100,
        max_poll_records=10_000,
        # By default it goes to the end once it is assigned, at times behind a seek of ours.
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        assert tps, f"no topic {topic}"
        consumer.assign(tps)
        yield consumer, tps
    finally:
        await consumer.stop()


def count_records(settings: Settings, name: str) -> int:
    """How many records a topic has had."""
    return asyncio.run(_count_records(settings, settings.topic(name)))


async def _count_records(settings: Settings, topic: str) -> int:
    async with _reader(settings, topic) as (consumer, tps):
        return sum((await consumer.end_offsets(tps)).values())


def send(
    settings: Settings,
    name: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    partition: int | None = None,
) -> None:
    """Puts records, keys and values, on a topic in their order."""
    asyncio.run(_send(settings, settings.topic(name), records, partition))


async def _send(
    settings: Settings,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    partition: int | None,
) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_idempotence=True,
        compression_type="gzip",
        max_request_size=16 << 20,
        max_batch_size=256 << 10,
        linger_ms=10,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value, partition=partition, key=key)
            for key, value in records
        ]
        for one in sent:
            await one
    finally:
        await producer.stop()


def until(
    condition: Callable[[], bool],
    children: Iterable[Child] = (),
    limit_s: float = 100,
    every_s: float = 0.5,
) -> None:
    """Waits for a condition; a child that dies meanwhile, or the limit, fails the test."""
    deadline = time.monotonic() + limit_s
    while not condition():
        for child in children:
            assert child.running, f"{child.log.name}, {child.exit_code}: {child.tail()}"
        assert time.monotonic() < deadline, [
            f"{child.log.name}: {child.tail()}" for child in children
        ]
        time.sleep(every_s)
