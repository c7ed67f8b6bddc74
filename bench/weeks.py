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
from datetime import UTC, datetime, timedelta
from itertools import islice

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
_PLACE = 1_111_111_111_111


async def write(settings: Settings, brands: int, days: int) -> int:
    """Writes the minutes up to now; returns how many."""
    end = int(time.time()) // 60
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, max_batch_size=BATCH_BYTES, acks=1
    )
    await producer.start()
    topic, parts = settings.topic("series"), settings.tallies_partitions
    written = 0
    sent = []
    for brand in range(brands):
        made = point(brand, 0, brand % 11).model_copy(update={"bucket_ms": _PLACE})
        template, key = made.encode(), made.key()
        minutes = iter(range(end - days * DAY_MIN, end))
        while chunk := list(islice(minutes, 1000)):
            batch = producer.create_batch()
            for minute in chunk:
                value = template.replace(b"%d" % _PLACE, b"%d" % (minute * BUCKET_MS))
                if batch.append(key=key, value=value, timestamp=minute * BUCKET_MS) is None:
                    raise SystemExit("a batch is too small: raise BATCH_BYTES")
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=brand % parts))
            written += len(chunk)
        for one in sent:
            await one
        sent.clear()
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
        for days in (15, args.days + 1):
            told: list[float] = []
            history, before = History(), rss_mb()
            begun, cpu = time.perf_counter(), time.process_time()
            since = datetime.now(tz=UTC) - timedelta(days=days)
            asyncio.run(read_history(settings, since, history, told.append))
            took, cpu = time.perf_counter() - begun, time.process_time() - cpu
            minutes = sum(s.minutes.bit_count() for h in history.hours.values() for s in h.values())
            print(
                f"{days} days: {minutes:,} minutes of {len(history.hours)} brands read in "
                f"{took:.0f} s ({minutes / took:,.0f} a second, {cpu:.0f} s of processor), told "
                f"{len(told)} times how far; {before:.0f} MB before, {rss_mb():.0f} MB after",
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
