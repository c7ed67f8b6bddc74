"""Sends answers to the `feedback` topic."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from models.errors import UserError
from models.feedback import Feedback
from pipeline.client import connection_arguments, reach
from pipeline.settings import Settings

FEEDBACK = "feedback"
SEND_WITHIN_S = 10.0


async def send_answer(settings: Settings, key: bytes, answer: Feedback | None) -> None:
    """Writes an answer, or takes back the one under `key` (None); returns when it is kept.

    Answers are rare and come from people, so each has a connection of its own.

    Raises:
        UserError: the broker does not take it.
    """
    await reach(settings)
    producer = AIOKafkaProducer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-feedback",
        acks="all",
        enable_idempotence=not settings.embedded,
    )
    topic = settings.topic(FEEDBACK)
    try:
        async with asyncio.timeout(SEND_WITHIN_S):
            await producer.start()
            value = None if answer is None else answer.encode()
            await producer.send_and_wait(topic, value, key=key)
    except (KafkaError, OSError, TimeoutError) as error:
        reason = str(error).strip() or f"no answer within {SEND_WITHIN_S:.0f} s"
        raise UserError(
            f"the answer could not be written to topic {topic} ({reason}): try again; "
            "`czujka check` says whether the topic is there"
        ) from error
    finally:
        await producer.stop()
