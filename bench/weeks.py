"""How long many brands' weeks take to read, and to keep: `python -m bench.weeks`.

Writes the closed minutes of 300 brands over four weeks (twelve million records) to a Kafka of its
own, reads them as console and `czujka digest` do, and prints the rate, the memory of what is kept
and the time that digest and resilience take then.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from itertools import islice, product

from aiokafka import AIOKafkaProducer

from bench.console import point
from models.alert import from_ms
from models.detection.base import BUCKET_MS
from pipeline.report.digest import digest_html, write_digest
from pipeline.report.history import History
from pipeline.report.reading import read_history
from pipeline.report.resilience import judge_resilience
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.kafka import open_kafka

DAY_MIN = 24 * 60
BATCH_BYTES = 900_000
BATCH_RECORDS = 1000
STEP_MIN = 240
_PLACE = 1_111_111_111_111


async def write(settings: Settings, brands: int, days: int) -> int:
    """Writes the minutes up to now; returns how many."""
    end = int(time.time()) // 60
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, max_batch_size=BATCH_BYTES, acks=1
    )
    await producer.start()
    topic, parts = settings.topic("series"), settings.tallies_partitions
    templates: list[list[tuple[bytes, bytes]]] = [[] for _ in range(parts)]
    for brand in range(brands):
        made = point(brand, 0, brand % 11).model_copy(update={"bucket_ms": _PLACE})
        templates[brand % parts].append((made.key(), made.encode()))
    written = 0
    for begin in range(end - days * DAY_MIN, end, STEP_MIN):
        sent = []
        for part, own in enumerate(templates):
            pairs = product(range(begin, min(end, begin + STEP_MIN)), own)
            while chunk := list(islice(pairs, BATCH_RECORDS)):
                batch = producer.create_batch()
                for minute, (key, template) in chunk:
                    value = template.replace(b"%d" % _PLACE, b"%d" % (minute * BUCKET_MS))
                    if batch.append(key=key, value=value, timestamp=None) is None:
                        raise SystemExit("a batch is too small: raise BATCH_BYTES")
                batch.close()
                sent.append(await producer.send_batch(batch, topic, partition=part))
                written += len(chunk)
        for one in sent:
            await one
    await producer.stop()
    return written


def rss_mb() -> float:
    """Largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, default=300)
    parser.add_argument("--days", type=int, default=28)
    args = parser.parse_args()
    with open_kafka() as kafka:
        settings = Settings(bootstrap_servers=kafka.bootstrap_servers, topic_prefix="bench-weeks.")
        create_topics(settings)
        begun = time.perf_counter()
        written = asyncio.run(write(settings, args.brands, args.days))
        print(f"{written:,} minutes written in {time.perf_counter() - begun:.0f} s", flush=True)
        told: list[float] = []
        history, before = History(), rss_mb()
        begun, cpu = time.perf_counter(), time.process_time()
        asyncio.run(read_history(settings, into=history, tell=told.append))
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    minutes = sum(s.minutes.bit_count() for h in history.hours.values() for s in h.values())
    print(
        f"{minutes:,} minutes of {len(history.hours)} brands read in {took:.0f} s "
        f"({minutes / took:,.0f} a second, {cpu:.0f} s of processor), told {len(told)} times how "
        f"far; {before:.0f} MB before, {rss_mb():.0f} MB after",
        flush=True,
    )
    begun = time.perf_counter()
    page = digest_html(write_digest(history, history.newest or from_ms(0)))
    print(f"digest of it: {time.perf_counter() - begun:.2f} s, {len(page) / 1024:.0f} kB")
    begun = time.perf_counter()
    judge_resilience(history, "brand-7")
    print(f"resilience of a brand: {time.perf_counter() - begun:.3f} s")


if __name__ == "__main__":
    main()
