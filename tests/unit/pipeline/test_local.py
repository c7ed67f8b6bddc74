"""The whole way in one process: what is decided does not depend on how posts are handed over."""

from __future__ import annotations

import random

import pytest

from models.detection.base import RowSettings
from models.post import Heartbeat, Op, Post
from models.scoring import Brands, ScoreSettings
from models.sentiment import load_scorer
from models.watching import BrandWatch, WatchedBrand
from models.watchlist import parse_watchlist
from pipeline.local import LocalRun, partition_of_key
from pipeline.settings import Settings
from tests.support.plain import PlainBank, WordMatcher, WordScorer
from tests.support.roles import DEMO_WATCHLIST
from tests.support.stream import decide_undisturbed, make_stream

T = 29_000_000 * 60_000
BRANDS = ("ash", "birch")


def make_run(partitions: int = 3, block_records: int = 32) -> LocalRun:
    brands = Brands(BRANDS, (0, 1), 2, WordMatcher(BRANDS))

    def make_watch(partition: int) -> BrandWatch:
        name = BRANDS[partition]
        return BrandWatch([WatchedBrand(name, name.title(), RowSettings())], PlainBank)

    settings = ScoreSettings(block_records=block_records)
    return LocalRun(partitions, brands, WordScorer(), settings, make_watch)


def story(seed: int) -> list[tuple[list[Post], Heartbeat]]:
    """Minutes of posts, each with its heartbeat; the middle ones are angry."""
    rng = random.Random(seed)
    minutes = []
    for minute in range(20):
        angry = 8 <= minute < 12
        posts = [
            Post(
                platform="x",
                native_id=f"{minute}-{number}",
                author=f"a{rng.randrange(30)}",
                text=f"{rng.choice(BRANDS)} {'bad' if angry else 'fine'} {rng.random()}",
                created_ms=T + minute * 60_000 + rng.randrange(60_000),
                observed_ms=T + (minute + 1) * 60_000,
                source="one",
            )
            for number in range(rng.randrange(5, 20) * (3 if angry else 1))
        ]
        until_ms = T + (minute + 1) * 60_000
        final = minute == 19
        minutes.append((posts, Heartbeat(source="one", until_ms=until_ms, sent_ms=0, final=final)))
    return minutes


def decided(run: LocalRun, minutes: list[tuple[list[Post], Heartbeat]]) -> tuple[list, list]:
    series, alerts = [], []
    for posts, heartbeat in minutes:
        for output in run.publish(posts, heartbeat):
            series += [point.encode() for point in output.series]
            alerts += [alert.encode() for alert in output.alerts]
    return sorted(series), sorted(alerts)


@pytest.mark.parametrize("partitions", [1, 2, 7])
@pytest.mark.parametrize("block_records", [16, 4096])
def test_neither_partitions_nor_blocks_change_the_series(
    partitions: int, block_records: int
) -> None:
    expected, alerts = decided(make_run(), story(1))
    found, _ = decided(make_run(partitions, block_records), story(1))
    assert found == expected
    assert alerts


def test_every_post_counts_once_and_what_came_twice_too() -> None:
    minutes = story(2)
    again = [(posts + posts[:3], heartbeat) for posts, heartbeat in minutes]
    assert decided(make_run(), again) == decided(make_run(), minutes)


def test_an_author_who_goes_is_told_to_every_partition() -> None:
    run = make_run(partitions=4)
    gone = Post(
        platform="x", native_id="a1", author="a1", op=Op.AUTHOR_DELETE, created_ms=T,
        observed_ms=T, source="one",
    )  # fmt: skip
    list(run.publish([gone], None))
    assert sum(count.posts["author-delete"] for count in run.counts) == 4


def test_keys_go_where_the_connectors_producer_puts_them() -> None:
    from kafka.partitioner.default import murmur2

    for number in range(200):
        key = f"platform:{number}ąż".encode()
        assert partition_of_key(key, 7) == (murmur2(key) & 0x7FFFFFFF) % 7


def test_a_river_detector_that_the_watchlist_names_votes_in_the_alert() -> None:
    named = ("two-null", "river.anomaly.GaussianScorer")
    text = f"detectors: [{', '.join(named)}]\n" + DEMO_WATCHLIST.read_text(encoding="utf-8")
    stream = make_stream(6_000, 1_200, 2, seed=1)
    decided = decide_undisturbed(stream, parse_watchlist(text), Settings(), load_scorer())
    firing = [alert for alert in decided.alerts.values() if alert["status"] == "firing"]
    assert firing
    assert all(set(alert["evidence"]["votes"]) == set(named) for alert in firing)
