"""A stream of many posts, quickly made: several brands, two connectors, a crisis, and mishaps."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from models.watchlist import Watchlist
from pipeline.assembly import make_brands, score_settings, watch_factory
from pipeline.local import LocalRun, partition_of_key
from pipeline.settings import Settings
from tests.support.plain import WordScorer
from tests.support.roles import Decided

MINUTE_MS = 60_000
START_MS = 1_750_000_000_000 // MINUTE_MS * MINUTE_MS
SOURCES = ("one", "two")

Log = list[tuple[bytes, bytes]]

_NAMES = ("Orzeł Air", "#Klos", "Bank Wisła", "@lumenmobile", "Zdrój Polana", "nobody we know")
_WORDS = (
    "the flight was on time and the crew was lovely",
    "odwołali mi lot, nikt nie odpowiada, skandal i wstyd",
    "they open a new line to the coast on monday",
    "kto był, jak jest na miejscu",
    "meh, it is what it is",
    "dziękuję, super obsługa, polecam",
)
_CRISIS = (
    "cancelled again, terrible, worst company ever, refund now",
    "skandal, oszuści, żądam zwrotu pieniędzy, wstyd",
)


def make_stream(posts: int, minutes: int, partitions: int, seed: int) -> list[Log]:
    """Logs of `posts` by partition, as connectors write them.

    Among the posts are repeats, late ones, deletes, edits and authors that go; one connector is
    blind for a while; a crisis of the first brand takes the fifth sixth of the time.
    """
    rng = random.Random(seed)
    logs: list[Log] = [[] for _ in range(partitions)]
    recent: list[dict[str, Any]] = []
    encode = msgspec.json.Encoder().encode

    def put(record: dict[str, Any]) -> None:
        key = f"{record['platform']}:{record['native_id']}".encode()
        where = (
            logs if record["op"] == "author-delete" else [logs[partition_of_key(key, partitions)]]
        )
        value = encode(record)
        for log in where:
            log.append((key, value))

    crisis = range(minutes * 2 // 3, minutes * 5 // 6)
    weights = [3 if minute in crisis else 1 for minute in range(minutes)]
    for number in range(posts):
        if number == 0:
            minute, left = 0, posts * weights[0] // sum(weights)
        while left <= 0:
            _beat(logs, minute, blind=minutes // 3 <= minute < minutes // 2)
            minute += 1
            left = posts * weights[minute] // sum(weights) if minute < minutes - 1 else posts
        left -= 1
        angry = minute in crisis and rng.random() < 0.8
        now_ms = START_MS + minute * MINUTE_MS
        late_ms = rng.choice((90_000, 600_000)) if rng.random() < 0.01 else 0
        record = {
            "type": "post",
            "platform": rng.choice(("x", "bluesky", "wykop")),
            "native_id": str(number),
            "op": "create",
            "author": f"a{rng.randrange(4000)}",
            "reach": int(rng.paretovariate(1.1) * 50),
            "text": (
                f"{_NAMES[0]} {rng.choice(_CRISIS)} {rng.getrandbits(48):x}"
                if angry
                else f"{rng.choice(_NAMES)} {rng.choice(_WORDS)} {rng.getrandbits(48):x}"
            ),
            "language": rng.choice(("pl", "en")),
            "created_ms": max(START_MS, now_ms + rng.randrange(MINUTE_MS) - late_ms),
            "observed_ms": now_ms + MINUTE_MS,
            "source": rng.choice(SOURCES),
        }
        put(record)
        recent.append(record)
        del recent[:-500]
        chance = rng.random()
        if chance < 0.01:
            put(rng.choice(recent))
        elif chance < 0.02:
            loud = max(rng.sample(recent, min(30, len(recent))), key=lambda post: post["reach"])
            put(loud | {"op": rng.choice(("delete", "update"))})
        elif chance < 0.0203:
            author = rng.choice(recent)["author"]
            put(record | {"op": "author-delete", "native_id": author, "author": author})
    for source in SOURCES:
        _beat(logs, minutes - 1, final=source)
    return logs


def _beat(logs: list[Log], minute: int, blind: bool = False, final: str = "") -> None:
    until_ms = START_MS + (minute + 1) * MINUTE_MS
    for source in [final] if final else SOURCES[: 1 if blind else 2]:
        beat = {
            "type": "heartbeat",
            "source": source,
            "until_ms": until_ms,
            "sent_ms": until_ms,
            "final": bool(final),
        }
        value = msgspec.json.encode(beat)
        for log in logs:
            log.append((source.encode(), value))


def decide_undisturbed(
    logs: list[Log], watchlist: Watchlist, settings: Settings, sentiment: Any = None
) -> Decided:
    """What one process that never fails decides, without a broker."""
    scorer = sentiment or WordScorer()
    run = LocalRun(
        len(logs),
        make_brands(watchlist, settings),
        scorer,
        score_settings(settings),
        watch_factory(watchlist, settings, scorer.version),
    )
    series: list[bytes] = []
    alerts: list[bytes] = []
    for output in _feed(run, logs):
        series += [point.encode() for point in output.series]
        alerts += [alert.encode() for alert in output.alerts]
    assert not run.take_dead_letters()
    return Decided.of(series, alerts)


def _feed(run: LocalRun, logs: list[Log], step: int = 2000) -> Iterator[Any]:
    for at in range(0, max(map(len, logs)), step):
        for partition, log in enumerate(logs):
            yield from run.append(partition, log[at : at + step])
        yield from run.flush()
