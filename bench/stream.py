"""A stream of posts to measure on: simulated Polish and English texts at the pace of a storm."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import yaml
from aiokafka import AIOKafkaProducer

from bench.matching import brands_of
from connectors.simulator import Story, simulate
from connectors.simulator.brands import BRANDS
from models.post import Heartbeat, Post, encode
from pipeline.client import connection_arguments
from pipeline.settings import Settings

START_MS = 1_793_836_800_000
"""Event time of the first post: 5 November 2026, midnight UTC."""
POSTS_PER_S = 1_000
"""Of event time: a minute's bucket has 60 000 posts."""
HEARTBEAT_MS = 5_000
BATCH_BYTES = 64 << 10
SEED = 1

Row = tuple[int, bytes | None, bytes]
"""Partition, key, value."""


def write_watchlist(path: Path, terms: int) -> None:
    """Writes the simulator's brands, and invented ones until there are `terms` terms in all."""
    brands = [
        {
            "id": brand.id,
            "name": brand.english,
            "match": {
                "any": [brand.english, f"@{brand.handle}", f"#{brand.handle}"],
                "stems": sorted({case[: max(3, len(case) - 2)] + "*" for case in brand.cases[:1]}),
            },
        }
        for brand in BRANDS
    ]
    brands += [
        {
            "id": brand.id,
            "name": brand.name,
            "match": {"any": list(brand.match.any), "stems": list(brand.match.stems)},
        }
        for brand in brands_of(random.Random(SEED), max(0, terms - 5 * len(brands)))
    ]
    content = {"version": 1, "brands": brands}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def rows(posts: int, partitions: int) -> Iterator[Row]:
    """Posts spread over the partitions, each id once, with heartbeats in all of them.

    Texts, authors and reach are those of a simulated day that is told over and over.
    """
    day = tuple(_day())
    beat_at_ms = START_MS
    for number in range(posts):
        now_ms = START_MS + number * 1000 // POSTS_PER_S
        if now_ms >= beat_at_ms + HEARTBEAT_MS:
            beat_at_ms = now_ms
            beat = encode(Heartbeat(source="bench", until_ms=now_ms, sent_ms=now_ms))
            for partition in range(partitions):
                yield partition, None, beat
        told = day[number % len(day)]
        post = told.model_copy(
            update={
                "native_id": f"{number:09d}",
                "created_ms": now_ms,
                "observed_ms": now_ms,
                "source": "bench",
            }
        )
        yield number % partitions, post.key.encode(), encode(post)


async def fill(settings: Settings, posts: int) -> dict[int, int]:
    """Writes the stream to `posts`, compressed as the connectors do it.

    Returns:
        Records in each partition.
    """
    topic = settings.topic("posts")
    ends = dict.fromkeys(range(settings.posts_partitions), 0)
    producer = AIOKafkaProducer(
        **connection_arguments(settings), compression_type="gzip", max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        batches = {partition: producer.create_batch() for partition in ends}
        for partition, key, value in rows(posts, settings.posts_partitions):
            ends[partition] += 1
            if batches[partition].append(key=key, value=value, timestamp=None) is None:
                await producer.send_batch(batches[partition], topic, partition=partition)
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=None)
        for partition, batch in batches.items():
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return ends


def _day() -> Iterator[Post]:
    story = Story.plan(seed=SEED, days=1)
    for page in simulate(story):
        yield from page.posts
