"""Reads the `feedback` topic for score: what people say of sentiment, into the model.

No consumer group: every worker wants all of it, from the beginning, before it scores the first
post. What is learned then is a function of the topic (`models.sentiment.feedback`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.errors import UserError
from models.feedback import decode_feedback
from models.sentiment.answers import learn_answer
from models.sentiment.feedback import AdaptiveScorer
from pipeline.client import connection_arguments, stop_consumer
from pipeline.feed import reason_of
from pipeline.feedback import FEEDBACK, MOMENT_HEADER
from pipeline.metrics import ScoreMetrics
from pipeline.settings import Settings

log = logging.getLogger(__name__)

POLL_TIMEOUT_MS = 500
RETRY_S = 2.0
READ_WITHIN_S = 60.0


class Lessons:
    """Follows the topic and lets a scorer learn from it.

    Args:
        settings: broker and topic.
        scorer: learns.
        metrics: of score.
    """

    def __init__(self, settings: Settings, scorer: AdaptiveScorer, metrics: ScoreMetrics) -> None:
        self._settings = settings
        self._scorer = scorer
        self._metrics = metrics
        self._shown_late = 0
        self._shown_changes = 0
        self._consumer = AIOKafkaConsumer(
            **connection_arguments(settings), group_id=None, auto_offset_reset="earliest"
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[asyncio.Task[None]]:
        """Reads all that lies in the topic, then what comes, until the context ends.

        Yields:
            The task that reads what comes; it ends by itself only with an exception.

        Raises:
            UserError: the topic cannot be read to its end within READ_WITHIN_S.
        """
        try:
            await self._catch_up()
            task = asyncio.create_task(self._follow())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            await stop_consumer(self._consumer)

    async def _catch_up(self) -> None:
        topic = self._settings.topic(FEEDBACK)
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self._consumer.start()
                parts = [
                    TopicPartition(topic, number)
                    for number in self._consumer.partitions_for_topic(topic) or {0}
                ]
                self._consumer.assign(parts)
                await self._consumer.seek_to_beginning(*parts)
                ends = await self._consumer.end_offsets(parts)
                while any([await self._consumer.position(p) < end for p, end in ends.items()]):
                    await self._read()
        except (KafkaError, TimeoutError) as error:
            reason = str(error).strip() or f"not read to its end in {READ_WITHIN_S:.0f} s"
            raise UserError(
                f"topic {topic}: {reason}. `czujka check` says what is wrong; `--no-feedback` "
                "scores without what people said of sentiment"
            ) from error
        log.info("%d corrections of sentiment count", self._scorer.corrections)

    async def _follow(self) -> None:
        """Reads what comes; a broker that goes away is waited for."""
        while True:
            try:
                await self._read()
            except KafkaError as error:
                log.warning("feedback cannot be read: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=POLL_TIMEOUT_MS)).values():
            for record in records:
                take_record(self._scorer, record)
        self._show()

    def _show(self) -> None:
        scorer, metrics = self._scorer, self._metrics
        metrics.corrections.set(scorer.corrections)
        metrics.corrected_error.set(scorer.errors.mean)
        metrics.corrections_late.inc(scorer.late - self._shown_late)
        drifts = metrics.sentiment_drifts.labels(of="corrections")
        drifts.inc(scorer.errors.changes - self._shown_changes)
        self._shown_late, self._shown_changes = scorer.late, scorer.errors.changes


def take_record(scorer: AdaptiveScorer, record: ConsumerRecord) -> None:
    """Lets a scorer learn from a record of `feedback`; one that is no answer is told and left."""
    try:
        answer = None if record.value is None else decode_feedback(record.value)
        said_ms = int(dict(record.headers).get(MOMENT_HEADER, record.timestamp))
        learn_answer(scorer, record.key or b"", answer, said_ms)
    except ValueError as error:
        log.warning(
            "left out a record of %s, offset %d: %s", record.topic, record.offset, reason_of(error)
        )
