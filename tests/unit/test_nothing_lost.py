"""Nothing is lost and nothing counted twice, whatever crashes, repeats or overtakes.

Score and watch run over an in-memory log. Hypothesis draws schedules of work, crashes (of score,
of watch, in the middle of a checkpoint), repeated frames, zombies that go on sending after another
worker took over, and lost commits. Every schedule must end with the series and alerts of the
undisturbed run.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.detection.base import RowSettings
from models.post import Heartbeat, Op, Post, encode
from models.scoring import Brands, PartitionScorer, ScoreSettings
from models.tally import decode_frame, encode_frame
from models.watching import BrandWatch, WatchedBrand
from pipeline.watch.checkpoint import Manifest, carry_out, make_writes, read_checkpoint
from pipeline.watch.stage import Output, PartitionStage
from tests.support.plain import PlainBank, WordMatcher, WordScorer

POSTS_PARTITIONS = 4
BUSY_PARTITIONS = 3
"""The last partition carries heartbeats alone."""
TALLIES_PARTITIONS = 2
BRANDS = ("ash", "birch", "cedar")
SCORE = ScoreSettings(
    block_records=16, duplicate_window_blocks=2, lateness_ms=30_000, blind_after_ms=180_000
)
START_MS = 1_700_000_000_000 // 60_000 * 60_000


@cache
def make_story(seed: int) -> list[list[tuple[bytes, bytes]]]:
    """Logs of `posts` by partition: two connectors, duplicates, late posts, deletes, one surge."""
    rng = random.Random(seed)
    logs: list[list[tuple[bytes, bytes]]] = [[] for _ in range(POSTS_PARTITIONS)]
    sent: list[Post] = []
    number = 0
    for minute in range(14):
        now = START_MS + minute * 60_000
        for _ in range(rng.randrange(4, 14) + (25 if 6 <= minute <= 8 else 0)):
            number += 1
            delay = rng.choice([0, 0, 0, 0, 90_000, 400_000])
            angry = 6 <= minute <= 8 or rng.random() < 0.2
            post = Post(
                platform="test",
                native_id=str(number),
                author=f"a{rng.randrange(12)}",
                reach=rng.randrange(1000),
                text=f"{rng.choice(BRANDS)} {'bad' if angry else 'fine'} {rng.choice('xyz') * 30}",
                created_ms=max(START_MS, now + rng.randrange(60_000) - delay),
                observed_ms=now + 60_000,
                source=rng.choice(["one", "two"]),
            )
            sent.append(post)
            _append(logs, post)
            if rng.random() < 0.1:
                _append(logs, rng.choice(sent))
            if rng.random() < 0.15:
                op = rng.choice([Op.DELETE, Op.UPDATE])
                _append(logs, rng.choice(sent[-40:]).model_copy(update={"op": op}))
            if rng.random() < 0.01:
                gone = post.model_copy(update={"op": Op.AUTHOR_DELETE, "native_id": post.author})
                for log in logs[:BUSY_PARTITIONS]:
                    log.append((gone.key.encode(), encode(gone)))
        for source in ("one", "two"):
            if source == "two" and 4 <= minute <= 9:
                continue  # a connector goes blind for a while
            beat = Heartbeat(source=source, until_ms=now + 60_000, sent_ms=now)
            for log in logs:
                log.append((source.encode(), encode(beat)))
    for source in ("one", "two"):
        beat = Heartbeat(source=source, until_ms=START_MS + 14 * 60_000, sent_ms=0, final=True)
        for log in logs:
            log.append((source.encode(), encode(beat)))
    return logs


def _append(logs: list[list[tuple[bytes, bytes]]], post: Post) -> None:
    key = post.key.encode()
    logs[sum(key) % BUSY_PARTITIONS].append((key, encode(post)))


@dataclass
class World:
    """The broker: logs, committed offsets, the changelog; and the workers that may die."""

    posts: list[list[tuple[bytes, bytes]]]
    tallies: list[list[bytes]] = field(
        default_factory=lambda: [[] for _ in range(TALLIES_PARTITIONS)]
    )
    score_commits: dict[int, tuple[int, str]] = field(default_factory=dict)
    watch_commits: dict[int, int] = field(default_factory=dict)
    table: dict[bytes, bytes] = field(default_factory=dict)
    series: dict[tuple[str, int], bytes] = field(default_factory=dict)
    alerts: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scorers = {p: self.start_score(p) for p in range(POSTS_PARTITIONS)}
        self.zombies: list[PartitionScorer] = []
        self.stages = {t: self.start_watch(t) for t in range(TALLIES_PARTITIONS)}
        self.positions = {t: self.watch_commits.get(t, 0) for t in self.stages}
        self.manifests: dict[int, Manifest | None] = dict.fromkeys(self.stages)

    def start_score(self, partition: int) -> PartitionScorer:
        start, memo = self.score_commits.get(partition, (0, ""))
        brands = Brands(BRANDS, (0, 1, 0), TALLIES_PARTITIONS, WordMatcher(BRANDS))
        scorer = PartitionScorer(
            partition, POSTS_PARTITIONS, brands, WordScorer(), SCORE, start, memo
        )
        window = range(max(0, start - SCORE.duplicate_window_blocks * SCORE.block_records), start)
        log = self.posts[partition]
        scorer.prime(list(window), [log[o][0] for o in window], [log[o][1] for o in window])
        return scorer

    def start_watch(self, partition: int) -> PartitionStage[int]:
        def make() -> BrandWatch:
            names = [b for b, t in zip(BRANDS, (0, 1, 0), strict=True) if t == partition]
            return BrandWatch([WatchedBrand(n, n.title(), RowSettings()) for n in names], PlainBank)

        return PartitionStage(make, read_checkpoint(partition, self.table))

    def score(self, scorer: PartitionScorer, records: int, commit: bool = True) -> None:
        partition = scorer._partition
        log = self.posts[partition]
        span = range(scorer.position, min(scorer.position + records, len(log)))
        offsets = list(span)
        while offsets:
            taken = scorer.feed(offsets, [log[o][0] for o in offsets], [log[o][1] for o in offsets])
            if taken < len(offsets):
                self.flush(scorer)
                if commit:
                    self.score_commits[partition] = (scorer.block_end, scorer.memo())
                scorer.next_block(offsets[taken])
            offsets = offsets[taken:]

    def round(self, records: int, frames: int) -> None:
        """A stretch of ordinary work of everybody."""
        for scorer in self.scorers.values():
            self.score(scorer, records)
            self.flush(scorer)
        for partition in self.stages:
            self.watch(partition, frames)

    def flush(self, scorer: PartitionScorer) -> None:
        for output, frame in scorer.cut().items():
            self.tallies[output].append(encode_frame(frame))

    def crash_score(self, partition: int, undead: bool) -> None:
        if undead:
            self.zombies.append(self.scorers[partition])
        self.scorers[partition] = self.start_score(partition)

    def repeat(self, output: int, back: int) -> None:
        if self.tallies[output]:
            self.tallies[output].append(self.tallies[output][-1 - back % len(self.tallies[output])])

    def watch(self, partition: int, frames: int) -> None:
        for _ in range(frames):
            offset = self.positions[partition]
            if offset >= len(self.tallies[partition]):
                return
            self.positions[partition] += 1
            frame = decode_frame(self.tallies[partition][offset])
            self.publish(self.stages[partition].take(offset, frame))

    def publish(self, output: Output) -> None:
        for point in output.series:
            place = (point.brand, point.bucket_ms)
            value = point.model_copy(update={"pipeline_sent_ms": 0}).encode()
            assert self.series.setdefault(place, value) == value, "a bucket changed after it closed"
        for alert in output.alerts:
            revision = (alert.alert_id, alert.revision)
            value = alert.model_copy(update={"pipeline_sent_ms": 0}).encode()
            assert self.alerts.setdefault(revision, value) == value, "a revision changed"

    def checkpoint(self, partition: int, writes: int | None, commit: bool) -> None:
        """Saves; `writes` cuts the writing short (a crash in its middle follows)."""
        stage = self.stages[partition]
        if not stage.worth_saving:
            return
        state, settled = stage.settle()
        last = self.manifests[partition]
        next_offset = max([last.next_offset if last else 0, *(o + 1 for o in settled)])
        manifest, pairs = make_writes(partition, self.table, state, next_offset, stage.declared)
        carry_out(self.table, pairs[:writes])
        if writes is not None and writes < len(pairs):
            self.crash_watch(partition)
            return
        self.manifests[partition] = manifest
        if commit and settled:
            self.watch_commits[partition] = next_offset

    def crash_watch(self, partition: int) -> None:
        checkpoint = read_checkpoint(partition, self.table)
        self.manifests[partition] = checkpoint.manifest if checkpoint else None
        self.stages[partition] = self.start_watch(partition)
        self.positions[partition] = self.watch_commits.get(partition, 0)

    def finish(self) -> None:
        for scorer in self.scorers.values():
            self.score(scorer, 10**9)
            self.flush(scorer)
        for partition in self.stages:
            self.watch(partition, 10**9)


@cache
def undisturbed(seed: int) -> World:
    world = World(make_story(seed))
    world.finish()
    return world


partitions = st.integers(0, POSTS_PARTITIONS - 1)
outputs = st.integers(0, TALLIES_PARTITIONS - 1)
rounds = st.tuples(st.just("round"), st.integers(5, 40), st.integers(1, 12))
actions = st.one_of(
    rounds,
    rounds,
    rounds,
    st.tuples(st.just("score"), partitions, st.integers(1, 40), st.booleans()),
    st.tuples(st.just("flush"), partitions),
    st.tuples(st.just("crash_score"), partitions, st.booleans()),
    st.tuples(st.just("zombie"), st.integers(0, 5), st.integers(1, 40)),
    st.tuples(st.just("repeat"), outputs, st.integers(0, 30)),
    st.tuples(st.just("watch"), outputs, st.integers(1, 12)),
    st.tuples(st.just("checkpoint"), outputs, st.none() | st.integers(0, 1), st.booleans()),
    st.tuples(st.just("crash_watch"), outputs),
)


def perform(world: World, action: tuple) -> None:
    name, *arguments = action
    if name == "score":
        world.score(world.scorers[arguments[0]], *arguments[1:])
    elif name == "flush":
        world.flush(world.scorers[arguments[0]])
    elif name == "zombie":
        if world.zombies:
            zombie = world.zombies[arguments[0] % len(world.zombies)]
            world.score(zombie, arguments[1], commit=False)
            world.flush(zombie)
    else:
        getattr(world, name)(*arguments)


@pytest.mark.parametrize("seed", range(3))
def test_a_partition_that_ended_early_lets_minutes_close_also_after_a_restart(seed):
    # Its last word is acknowledged long before the minutes it speaks of; nothing follows it.
    expected = undisturbed(seed)
    world = World(make_story(seed))
    silent = world.scorers[POSTS_PARTITIONS - 1]
    world.score(silent, 10**9)
    world.flush(silent)
    for _ in range(4):
        world.round(20, 100)
    for partition in world.stages:
        world.checkpoint(partition, None, commit=True)
        assert world.watch_commits[partition] > 0
        world.crash_watch(partition)
    world.finish()
    assert world.series == expected.series
    assert world.alerts == expected.alerts


@pytest.mark.parametrize("seed", range(6))
def test_it_does_not_matter_when_frames_are_cut(seed):
    expected = undisturbed(seed)
    world = World(make_story(seed))
    for _ in range(max(map(len, world.posts))):
        world.round(1, 100)
    world.finish()
    assert world.series == expected.series
    assert world.alerts == expected.alerts


@pytest.mark.parametrize("seed", range(6))
def test_frames_repeated_in_the_wrong_order_change_nothing(seed):
    expected = undisturbed(seed)
    world = World(make_story(seed))
    for _ in range(max(map(len, world.posts))):
        for scorer in list(world.scorers.values())[:BUSY_PARTITIONS]:  # so nothing closes yet
            world.score(scorer, 5)
            world.flush(scorer)
    for frames in world.tallies:
        frames += frames[::-1]
    for partition in world.stages:
        world.watch(partition, 10**9)
    assert not world.series
    world.finish()
    assert world.series == expected.series
    assert world.alerts == expected.alerts


@pytest.mark.parametrize("writes", [0, 1])
def test_a_crash_within_a_checkpoint_leaves_the_one_before_it(writes):
    expected = undisturbed(2)
    world = World(make_story(2))
    for step in range(40):
        world.round(6, 100)
        for partition in world.stages:
            world.checkpoint(partition, writes if step % 2 else None, commit=True)
    world.finish()
    assert world.series == expected.series
    assert world.alerts == expected.alerts


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 20), schedule=st.lists(actions, min_size=10, max_size=60))
def test_any_schedule_of_crashes_and_repeats_gives_the_undisturbed_result(seed, schedule):
    expected = undisturbed(seed)
    world = World(make_story(seed))
    for action in schedule:
        perform(world, action)
    world.finish()
    assert world.series == expected.series
    assert world.alerts == expected.alerts


def test_the_undisturbed_run_counts_every_post_once():
    world = undisturbed(3)
    created = {key for log in world.posts for key, value in log if b'"op":"create"' in value}
    counted = sum(json.loads(value)["mentions"] for value in world.series.values())
    repeats_beyond_the_window = counted - len(created)
    assert 0 <= repeats_beyond_the_window < 0.1 * len(created)


def test_the_story_has_alerts_late_posts_and_a_blind_connector():
    world = undisturbed(3)
    points = [json.loads(value) for value in world.series.values()]
    assert world.alerts
    assert any(point["late"] for point in points)
    assert any(point["coverage"] < 1 for point in points)
