"""A file with what the product knows: alerts, answers, cursors, and the state of watch.

Written while everything runs, and put back into empty topics. A state of watch is deleted only once
the next one is whole, so a copy made in the middle of its writing holds one. Layout: gzip of
MessagePack objects, each behind its length (4 bytes, big endian): first a `Header`, then a `Kept`
for each record, in the order of each partition.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from models.errors import UserError
from pipeline.client import connection_arguments, reach, stop_consumer, unreachable
from pipeline.settings import Settings
from pipeline.topics import (
    WATCH_TABLES,
    changelog_topics,
    expected_topics,
    refuse_unfit_topics,
)

VERSION = 1
SILENCE_LIMIT_S = 30.0
_LENGTH_BYTES = 4
_LARGEST_BYTES = 16 << 20


class Header(msgspec.Struct, frozen=True):
    """What a file holds: partitions by topic, without the prefix."""

    version: int
    partitions: dict[str, int]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One record, with its topic without the prefix."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def kept_topics(settings: Settings) -> tuple[str, ...]:
    """Topics that are saved, without their prefix; the others can be done without.

    Example:
        >>> kept_topics(Settings(topic_prefix="dev."))
        ('alerts', 'feedback', 'cursors', 'czujka-watch-state-changelog')
    """
    changelogs = changelog_topics(settings.group("watch"), WATCH_TABLES, 1)
    prefix = settings.topic_prefix
    return ("alerts", "feedback", "cursors", *(t.name.removeprefix(prefix) for t in changelogs))


def save(settings: Settings, file: Path) -> Counter[str]:
    """Writes all that stands in the topics now; returns the records by topic.

    Raises:
        UserError: a topic is missing, the broker is away, or the file cannot be written.
    """
    refuse_unfit_topics(settings, kept_topics(settings))
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("wb") as raw, gzip.open(raw, "wb") as out:
            counts = asyncio.run(_save(settings, out))
        partial.replace(file)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return counts


def restore(settings: Settings, file: Path) -> Counter[str]:
    """Puts a saved file into empty topics; returns the records by topic.

    Raises:
        UserError: it is no such file, a topic is missing, is not empty or has other partitions, or
            the broker is away.
    """
    records = _read(file)
    header = next(records)
    assert isinstance(header, Header)
    wanted = kept_topics(settings)
    foreign = sorted(header.partitions.keys() - set(wanted))
    if foreign:
        raise UserError(f"{file} holds {', '.join(foreign)}, which is no topic of these settings")
    refuse_unfit_topics(settings, wanted)
    return asyncio.run(_restore(settings, header, records))


async def _save(settings: Settings, out: gzip.GzipFile) -> Counter[str]:
    counts: Counter[str] = Counter()
    consumer, ends = await _open(settings)
    try:
        names = {settings.topic(name): name for name in kept_topics(settings)}
        partitions = Counter(names[part.topic] for part in ends)
        _write(out, Header(VERSION, dict(partitions)))
        async for kept in _records(settings, consumer, ends, names):
            _write(out, kept)
            counts[kept.topic] += 1
    finally:
        await stop_consumer(consumer)
    return counts


async def _open(settings: Settings) -> tuple[AIOKafkaConsumer, dict[TopicPartition, int]]:
    """A consumer at the beginning of all partitions that are saved, and their ends."""
    await reach(settings)
    consumer = AIOKafkaConsumer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-backup",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_LARGEST_BYTES,
    )
    await consumer.start()
    names = {settings.topic(name) for name in kept_topics(settings)}
    parts = [
        TopicPartition(topic.name, number)
        for topic in expected_topics(settings)
        if topic.name in names
        for number in range(topic.partitions)
    ]
    consumer.assign(parts)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(parts)
    await consumer.seek_to_beginning(*parts)
    return consumer, ends


async def _records(
    settings: Settings,
    consumer: AIOKafkaConsumer,
    ends: dict[TopicPartition, int],
    names: dict[str, str],
) -> AsyncIterator[Kept]:
    open_parts = set(ends)
    try:
        while open_parts:
            for part in list(open_parts):
                async with asyncio.timeout(SILENCE_LIMIT_S):
                    if await consumer.position(part) >= ends[part]:
                        open_parts.discard(part)
                        consumer.pause(part)
            if open_parts:
                async with asyncio.timeout(SILENCE_LIMIT_S):
                    batches = await consumer.getmany(*open_parts, timeout_ms=1000)
                for part, records in batches.items():
                    for r in records:
                        if r.offset < ends[part]:
                            headers = list(r.headers)
                            yield Kept(names[part.topic], part.partition, r.key, r.value, headers)
    except (KafkaError, TimeoutError) as error:
        reason = str(error) or "it stopped answering"
        raise unreachable(settings, {settings.bootstrap_servers: reason}) from error


async def _restore(
    settings: Settings, header: Header, records: Iterator[Header | Kept]
) -> Counter[str]:
    consumer, ends = await _open(settings)
    await stop_consumer(consumer)
    there = Counter(part.topic for part in ends)
    for name, partitions in header.partitions.items():
        topic = settings.topic(name)
        if there[topic] != partitions:
            raise UserError(
                f"{topic} has {there[topic]} partitions and had {partitions} when it was saved: "
                "make the topics with the same CZUJKA_TALLIES_PARTITIONS"
            )
    full = sorted({part.topic for part, end in ends.items() if end > 0})
    if full:
        again = " ".join(f"--recreate {topic}" for topic in full)
        raise UserError(
            f"{', '.join(full)} must be empty before anything is put back: stop all roles and run "
            f"`czujka topics create {again}`"
        )
    counts: Counter[str] = Counter()
    producer = AIOKafkaProducer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-backup",
        acks="all",
        enable_idempotence=not settings.embedded,
        max_request_size=_LARGEST_BYTES,
    )
    try:
        await producer.start()
        for kept in records:
            assert isinstance(kept, Kept)
            await producer.send(
                settings.topic(kept.topic),
                kept.value,
                key=kept.key,
                partition=kept.partition,
                headers=kept.headers,
            )
            counts[kept.topic] += 1
        await producer.flush()
    except KafkaError as error:
        raise UserError(
            f"{settings.bootstrap_servers} did not take everything ({error}): make the topics anew "
            "and restore again"
        ) from error
    finally:
        await producer.stop()
    return counts


def _write(out: gzip.GzipFile, item: Header | Kept) -> None:
    packed = msgspec.msgpack.encode(item)
    out.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)


def _read(file: Path) -> Iterator[Header | Kept]:
    """The header, then the records.

    Raises:
        UserError: the file cannot be read, is none of ours, or is cut short.
    """
    kind: type[Header] | type[Kept] = Header
    try:
        with gzip.open(file, "rb") as packed:
            while length := packed.read(_LENGTH_BYTES):
                item = msgspec.msgpack.decode(packed.read(int.from_bytes(length, "big")), type=kind)
                if isinstance(item, Header) and item.version != VERSION:
                    raise UserError(
                        f"{file} has version {item.version}, this release reads {VERSION}: restore "
                        "it with the release that saved it"
                    )
                yield item
                kind = Kept
    except (EOFError, msgspec.MsgspecError, gzip.BadGzipFile) as error:
        raise UserError(f"{file} is damaged, or no file of `czujka topics save`") from error
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    if kind is Header:
        raise UserError(f"{file} is empty")
