"""Frames reach watch, each of them, when partitions change hands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from models.errors import EXIT_FAILED
from models.sentiment import load_scorer
from pipeline.assembly import read_watchlist
from pipeline.settings import Settings
from pipeline.topics import administration, create_topics
from tests.support.roles import (
    DEMO_WATCHLIST,
    count_records,
    read_decided,
    send,
    start_role,
    until,
)
from tests.support.stream import decide_undisturbed, make_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_frames_that_a_worker_was_not_handed_are_read_by_the_next_one(
    kafka_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = kafka_settings(
        watchlist=DEMO_WATCHLIST,
        state_dir=tmp_path / "state",
        block_records=256,
        session_timeout_s=4,
    )
    create_topics(settings)
    logs = make_stream(4_000, 200, settings.posts_partitions, seed=3)
    expected = decide_undisturbed(logs, read_watchlist(settings), settings, load_scorer())
    for partition, log in enumerate(logs):
        send(settings, "posts", log, partition)
    score_log, watch_log = tmp_path / "score.log", tmp_path / "watch.log"
    with ExitStack() as stack:
        score = stack.enter_context(start_role(settings, "score", score_log))
        # Score tells every partition of what is complete, so each has its share of the frames.
        until(lambda: count_records(settings, "tallies") > 8 * settings.tallies_partitions, [score])
        skip_frames(settings, partition=1, to=5)
        watch = stack.enter_context(start_role(settings, "watch", watch_log))
        assert watch.wait(60) == EXIT_FAILED
        assert "frames 0 to 4 of partition 1 were not delivered" in watch_log.read_text()
        heir = stack.enter_context(start_role(settings, "watch", tmp_path / "heir.log"))
        until(lambda: count_records(settings, "series") >= len(expected.series), [score, heir])
        until(lambda: read_decided(settings) == expected, [score, heir])


def skip_frames(settings: Settings, partition: int, to: int) -> None:
    """Puts the group of watch ahead of its state, as an operator's mistake or a bug would."""
    place = TopicPartition(settings.topic("tallies"), partition)
    with administration(settings) as admin:
        admin.alter_group_offsets(settings.group("watch"), {place: OffsetAndMetadata(to, "", -1)})
