"""What a minute costs the watch stage with many brands: `python -m bench.watch --brands 1000`.

Feeds `BrandWatch` with made-up minutes: each brand is mentioned at its own rate (log-normal, so a
few are busy and most are quiet), every tally full of exhibits and samples as score fills them.
Prints the time of a minute (median and range), the saved state, what of it is written to the
changelog at a checkpoint, and the memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from models.buckets import ClosedBucket
from models.decoding import PostRow
from models.detection import make_bank
from models.detection.base import RowSettings
from models.mentions import COLUMNS, Mentions, hash_of, place_of
from models.watching import BrandWatch, WatchedBrand

START_MINUTE = 29_000_000
TEXTS = (
    "{} odwołał mój lot godzinę przed wylotem, nikt nie odbiera telefonu, wstyd",
    "Dzięki {} za miłą obsługę przy bramce, naprawdę się postarali",
    "czy ktoś wie, kiedy {} otworzy sprzedaż biletów na lato?",
    "{} lost my bag again and the app says everything is fine",
)


def minute(bucket: int, rates: np.ndarray, rng: np.random.Generator) -> ClosedBucket:
    """A minute of mentions, tallied as score does it."""
    brands = np.repeat(np.arange(len(rates)), rng.poisson(rates))
    block = Mentions()
    columns = np.zeros(len(brands), dtype=COLUMNS)
    negative_milli = rng.choice([50, 120, 480, 900], size=len(brands))
    for at, brand in enumerate(brands.tolist()):
        block.posts.append(
            PostRow(
                platform="x",
                native_id=f"{bucket}-{at}",
                author=f"author-{rng.integers(50_000)}",
                reach=int(rng.integers(5_000)),
                text=TEXTS[at % len(TEXTS)].format(f"brand-{brand}") + f" {at % 997}",
                language="pl",
                created_ms=bucket * 60_000,
                observed_ms=bucket * 60_000,
                source="bench",
            )
        )
    columns["place"] = place_of(brands, np.full(len(brands), bucket))
    columns["post"] = columns["number"] = np.arange(len(brands))
    columns["negative_milli"] = negative_milli
    columns["positive_milli"] = 900 - negative_milli
    columns["bin"] = negative_milli * 12 // 1000
    columns["reach"] = [row.reach for row in block.posts]
    columns["created_ms"] = bucket * 60_000
    columns["author"] = hash_of([str(row.author).encode() for row in block.posts])
    columns["key"] = hash_of([row.key.encode() for row in block.posts])
    block.platforms.number(["x"])
    block.languages.number(["pl"])
    block.add(columns)
    tallies = {f"brand-{brand}": tally for brand, _, tally in block.take_changed()}
    return ClosedBucket(bucket, tallies, 1.0, bucket * 60_000)


def measure(brands: int, minutes: int, mentions_per_min: float) -> dict[str, float]:
    """Figures of one run."""
    rng = np.random.default_rng(1)
    rates = rng.lognormal(0, 1.5, brands)
    rates *= mentions_per_min / rates.mean()
    watched = [WatchedBrand(f"brand-{b}", f"Brand {b}", RowSettings()) for b in range(brands)]
    watch = BrandWatch(watched, make_bank)
    times_ms, series_bytes = [], 0
    for at in range(minutes):
        closed = minute(START_MINUTE + at, rates, rng)
        started = time.perf_counter()
        decision = watch.decide(closed)
        points = [point.encode() for point in decision.series]
        times_ms.append((time.perf_counter() - started) * 1e3)
        series_bytes = sum(map(len, points))
        if sys.stderr.isatty():
            print(f"\r{brands} brands: minute {at + 1} of {minutes}", end="", file=sys.stderr)
    late = times_ms[minutes // 2 :]
    state = watch.save()
    started = time.perf_counter()
    packed = zlib.compress(watch.save(), level=1)
    return {
        "brands": brands,
        "mentions_per_brand_per_min": mentions_per_min,
        "decide_and_encode_ms": round(statistics.median(late), 1),
        "least_ms": round(min(late), 1),
        "most_ms": round(max(late), 1),
        "state_mb": round(len(state) / 1e6, 2),
        "checkpoint_mb": round(len(packed) / 1e6, 2),
        "checkpoint_ms": round((time.perf_counter() - started) * 1e3, 1),
        "series_mb_per_min": round(series_bytes / 1e6, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def main() -> None:
    """Measures, prints, and writes bench/out/watch.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--minutes", type=int, default=90)
    parser.add_argument(
        "--mentions-per-min", type=float, default=1.0, help="of a brand, on average"
    )
    arguments = parser.parse_args()
    figures = [
        measure(brands, arguments.minutes, arguments.mentions_per_min)
        for brands in arguments.brands
    ]
    for row in figures:
        print(json.dumps(row))
    out = Path("bench/out/watch.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
