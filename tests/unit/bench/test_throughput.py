from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.stream import rows, write_watchlist
from bench.throughput import Sample, block_end, summarise, table
from models.post import Heartbeat, Post, record_adapter
from models.watchlist import load_watchlist


def sample(contender: str, posts_per_s: int, cpu_s: float | None = 0.5) -> Sample:
    return Sample(contender, 1, posts_per_s * 2, 2.0, cpu_s, 1.0, complete=True)


def test_the_stream_has_each_post_once_and_heartbeats_in_every_partition() -> None:
    keys, beats = [], {0: 0, 1: 0, 2: 0}
    for partition, key, value in rows(12_000, 3):
        record = record_adapter.validate_json(value)
        if isinstance(record, Heartbeat):
            beats[partition] += 1
        else:
            assert isinstance(record, Post)
            assert key == record.key.encode()
            keys.append(key)
    assert len(keys) == len(set(keys)) == 12_000
    assert beats == {0: 2, 1: 2, 2: 2}


def test_the_stream_is_the_same_every_time() -> None:
    assert list(rows(50, 2)) == list(rows(50, 2))


def test_the_watchlist_is_valid_and_has_as_many_terms_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.yaml"
    write_watchlist(path, 500)
    brands = load_watchlist(path).brands
    terms = sum(len(brand.match.any) + len(brand.match.stems) for brand in brands)
    assert 450 <= terms <= 500


@given(end=st.integers(0, 100_000), block=st.integers(1, 5_000))
def test_score_can_have_committed_up_to_the_last_block_that_has_a_successor(
    end: int, block: int
) -> None:
    goal = block_end(end, block)
    assert goal % block == 0
    assert goal < max(end, 1)
    assert end - goal <= block


def test_the_summary_has_median_range_and_the_ratio_to_the_idle_agent() -> None:
    report = summarise(
        [
            *[sample("score", speed) for speed in (90, 100, 140)],
            *[sample("idle Faust agent", speed) for speed in (10, 10, 10)],
        ]
    )
    score = next(row for row in report if row["contender"] == "score")
    assert (score["least"], score["posts_per_s"], score["most"]) == (90, 100, 140)
    assert score["times_idle_faust"] == 10


def test_the_table_stands_without_processor_time_and_without_the_idle_agent() -> None:
    report = {
        "date": "2026-11-22",
        "machine": {"processor": "abacus", "cores": 2, "python": "3.11"},
        "kafka": "Apache Kafka",
        "posts": 1,
        "partitions": 1,
        "terms": 1,
        "rounds": 1,
        "results": summarise([sample("score", 100, cpu_s=None)]),
    }
    assert "| score: the real command with all its work | 100 (100 to 100) | ? | ? |" in table(
        report
    )
