"""Hears what people say of alerts, beside the frames.

Reads `feedback` whole, in no consumer group, and keeps the last answer to each question. What it
hears takes effect at a checkpoint alone (`docs/decisions/125`), so a replay decides alike.
"""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.feedback import Answer, Feedback, decode_feedback
from models.leniency import halvings
from pipeline.client import connection_arguments, stop_consumer
from pipeline.settings import Settings

POLL_MS = 1000
RETRY_S = 5.0

log = logging.getLogger(__name__)


class Verdicts:
    """The last answers to each question, as far as they were heard."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Feedback] = {}
        self.complete = False
        """Whether all that had been said when the stage began was heard."""

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Takes a record of `feedback`; one that is none is told in the log and left out."""
        if not key:
            return
        if value is None:
            self._answers.pop(key, None)
            return
        try:
            answer = decode_feedback(value)
        except ValueError:
            log.warning(
                "left out an answer that cannot be read: %s", key.decode("utf-8", "replace")
            )
            return
        if answer.answer in (Answer.FALSE_ALARM, Answer.RIGHT_ALERT):
            self._answers[key] = answer

    def halvings(self, at_ms: int) -> dict[str, int] | None:
        """Halvings of each brand's budget at an event time; None before all was heard."""
        return halvings(self._answers.values(), at_ms) if self.complete else None

    async def listen(self, settings: Settings) -> None:
        """Reads until cancelled. A broker that goes away is waited for."""
        while True:
            try:
                await self._read(settings)
            except (KafkaError, OSError) as error:
                log.warning("feedback cannot be read, trying again: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _read(self, settings: Settings) -> None:
        consumer = AIOKafkaConsumer(
            **connection_arguments(settings),
            client_id=f"{settings.app_id}-verdicts",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        part = TopicPartition(settings.topic("feedback"), 0)
        await consumer.start()
        try:
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            end = (await consumer.end_offsets([part]))[part]
            while True:
                batches = await consumer.getmany(part, timeout_ms=POLL_MS)
                records: list[ConsumerRecord] = batches.get(part, [])
                for record in records:
                    self.take(record.key, record.value)
                # The embedded broker's end runs ahead of what can be read: silence is an end too.
                if not records or await consumer.position(part) >= end:
                    self.complete = True
        finally:
            await stop_consumer(consumer)
