"""What people say of sentiment reaches score over a real Kafka, and a killed score agrees."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from models.alert import from_ms
from models.feedback import LEARNED_AFTER_MS, Answer, Feedback, Sentiment
from models.sentiment.answers import learn_answer
from models.sentiment.feedback import AdaptiveScorer, make_lesson
from models.sentiment.scorer import load_scorer
from pipeline.assembly import read_watchlist
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.integration.test_kill import Workers, is_complete
from tests.support.roles import (
    DEMO_WATCHLIST,
    Decided,
    count_records,
    read_decided,
    send,
    start_role,
    until,
)
from tests.support.stream import MINUTE_MS, START_MS, decide_undisturbed, make_stream

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

POSTS, MINUTES = 20_000, 120
CORRECTED = "the flight was on time and the crew was lovely"
"""Half of the posts that say so are seen after it was said to be negative."""


def answers() -> list[Feedback]:
    """Twenty people call praise negative in the middle of the stream."""
    base = load_scorer()
    said = from_ms(START_MS + MINUTES // 2 * MINUTE_MS - LEARNED_AFTER_MS)
    return [
        Feedback(
            alert_id="",
            brand="orzel-air",
            answer=Answer.WRONG_SENTIMENT,
            at=said + timedelta(seconds=i),
            post=f"text:{i}",
            sentiment=Sentiment.NEGATIVE,
            lesson=make_lesson(base, CORRECTED),
        )
        for i in range(20)
    ]


def mean_sentiment(decided: Decided, minutes: range) -> float:
    """Mean of P(positive) - P(negative) over the mentions of some minutes."""
    points = [
        point
        for (_, bucket_ms), point in decided.series.items()
        if (bucket_ms - START_MS) // MINUTE_MS in minutes and point["mentions"]
    ]
    return sum(point["sentiment"] * point["mentions"] for point in points) / sum(
        point["mentions"] for point in points
    )


def test_corrections_count_from_their_moment_on_also_after_score_was_killed(
    tmp_path: Path, kafka_settings: Callable[..., Settings]
) -> None:
    settings = kafka_settings(
        watchlist=DEMO_WATCHLIST,
        state_dir=tmp_path / "state",
        session_timeout_s=4,
        block_records=1024,
    )
    logs = make_stream(POSTS, MINUTES, settings.posts_partitions, seed=3)
    watchlist = read_watchlist(settings)
    told = AdaptiveScorer(load_scorer())
    for answer in answers():
        learn_answer(told, answer.key(), answer, 0)
    expected = decide_undisturbed(logs, watchlist, settings, told)
    untold = decide_undisturbed(logs, watchlist, settings, load_scorer())
    assert told.corrections == 20
    before, after = range(MINUTES // 2 - 5), range(MINUTES // 2, MINUTES)
    assert mean_sentiment(expected, before) == mean_sentiment(untold, before)
    assert mean_sentiment(expected, after) < mean_sentiment(untold, after) - 0.05

    create_topics(settings)
    send(settings, "feedback", [(answer.key(), answer.encode()) for answer in answers()])
    for partition, log in enumerate(logs):
        send(settings, "posts", log, partition)
    with ExitStack() as stack:
        score = Workers(settings, "score", tmp_path, stack)
        score.start()
        watch = stack.enter_context(start_role(settings, "watch", tmp_path / "watch.log"))
        half = len(expected.series) // 2
        until(lambda: count_records(settings, "series") >= half, [watch, *score.running])
        score.replace(random.Random(1), "killed")
        until(lambda: is_complete(settings, expected), [watch, *score.running])
    found = read_decided(settings)
    assert found.series == expected.series
    assert found.alerts == expected.alerts
