"""How long records and watchlists take to read: `python -m bench.contracts`.

Prints microseconds of processor time a record for batches of good and of bad posts, and seconds of
processor time for a watchlist of many brands, as median and range of the rounds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from models.decoding import Bad, decode
from models.post import Post, encode
from models.watchlist import parse_watchlist

BATCH = 4_096


def posts() -> list[bytes]:
    """A batch of posts with 100 characters of text."""
    return [
        encode(
            Post(
                platform="bluesky",
                native_id=f"at://did:plc:example/app.bsky.feed.post/{number}",
                author="u_5f1c9a0be2d84c17",
                reach=1840,
                text="Orzeł Air " * 10,
                language="pl",
                created_ms=1_795_853_520_000,
                observed_ms=1_795_853_521_000,
                url=f"https://bsky.app/profile/did:plc:example/post/{number}",
                source="bluesky-1",
            )
        )
        for number in range(BATCH)
    ]


def watchlist(brands: int) -> str:
    """A watchlist in which every brand says something about everything."""
    return "version: 1\nbrands:\n" + "".join(
        f"  - id: brand-{i}\n"
        f"    name: Brand {i}\n"
        f'    match: {{any: ["Brand {i}", "@brand{i}", "#brand{i}"], stems: ["brand{i}*air*"],'
        f' none: ["brand{i} bielik"]}}\n'
        "    owner: {team: social, escalate: [{after: 15m, to: duty}, {after: 60m, to: board}]}\n"
        "    events: [{name: Sale, from: 2026-11-27T00:00+01:00, to: 2026-11-30T00:00+01:00}]\n"
        for i in range(brands)
    )


def spread(
    work: Callable[[], object], clock: Callable[[], float], scale: float, rounds: int
) -> dict[str, float]:
    """Median, least and most of the rounds, times `scale`."""
    figures = []
    for _ in range(rounds):
        start = clock()
        work()
        figures.append((clock() - start) * scale)
    return {
        "median": round(statistics.median(figures), 3),
        "least": round(min(figures), 3),
        "most": round(max(figures), 3),
    }


def main() -> None:
    """Measures, prints, and writes bench/out/contracts.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brands", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    good = posts()
    bad = [value.replace(b'"reach":1840', b'"reach":-184') for value in good]
    assert all(isinstance(row, Bad) for row in decode(bad))
    text = watchlist(arguments.brands)
    per_record = 1e6 / BATCH
    results = {
        f"good post of {len(good[0])} bytes, µs": spread(
            lambda: decode(good), time.process_time, per_record, arguments.rounds
        ),
        "bad post, µs": spread(
            lambda: decode(bad), time.process_time, per_record, arguments.rounds
        ),
        f"watchlist of {arguments.brands} brands, s of processor": spread(
            lambda: parse_watchlist(text), time.process_time, 1, max(3, arguments.rounds // 5)
        ),
    }
    for name, figures in results.items():
        print(f"{name:48} {figures['median']:8} ({figures['least']} … {figures['most']})")
    out = Path("bench/out/contracts.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"python": platform.python_version(), "results": results}, indent=2))


if __name__ == "__main__":
    main()
