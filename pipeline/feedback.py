"""Sends answers to the `feedback` topic, with what the sentiment model learns from them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from models.errors import UserError
from models.feedback import ABOUT_A_POST, Feedback
from pipeline.client import connection_arguments, reach
from pipeline.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from models.alert import CrisisAlert
    from models.sentiment.scorer import HashedScorer

FEEDBACK = "feedback"
SEND_WITHIN_S = 10.0
MOMENT_HEADER = "as-of-ms"
"""Of a record that takes an answer back: event time up to which the person saw decisions."""


def with_lesson(answer: Feedback, alert: CrisisAlert | None) -> Feedback:
    """The answer, and if it is about a post of the alert, what the model learns from that.

    Blocks for about a second the first time, while the model is loaded.
    """
    exhibits = alert.exhibits if alert is not None and answer.answer in ABOUT_A_POST else ()
    shown = next((exhibit for exhibit in exhibits if exhibit.post == answer.post), None)
    if shown is None or not shown.text:
        return answer
    from models.sentiment.feedback import make_lesson

    lesson = make_lesson(_shipped(), shown.text, shown.language)
    return answer.model_copy(update={"lesson": lesson})


@cache
def _shipped() -> HashedScorer:
    from models.sentiment.scorer import load_scorer

    return load_scorer()


async def send_answer(
    settings: Settings, key: bytes, answer: Feedback | None, as_of: datetime | None = None
) -> None:
    """Writes an answer, or takes back the one under `key` (None); returns when it is kept.

    Args:
        settings: broker and topic.
        key: of the question.
        answer: what is said.
        as_of: event time up to which the person saw decisions, for what is taken back in a
            replay; None: now.

    Raises:
        UserError: the broker does not take it.
    """
    await send_answers(settings, [(key, answer)], as_of)


async def send_answers(
    settings: Settings,
    said: Sequence[tuple[bytes, Feedback | None]],
    as_of: datetime | None = None,
) -> None:
    """Writes several answers; see `send_answer`.

    Answers are rare and come from people, so each call has a connection of its own.
    """
    await reach(settings)
    producer = AIOKafkaProducer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-feedback",
        acks="all",
        enable_idempotence=not settings.embedded,
    )
    topic = settings.topic(FEEDBACK)
    headers: list[tuple[str, bytes]] = []
    if as_of is not None:
        headers.append((MOMENT_HEADER, str(round(as_of.timestamp() * 1000)).encode()))
    try:
        async with asyncio.timeout(SEND_WITHIN_S):
            await producer.start()
            waits = []
            for key, answer in said:
                value = None if answer is None else answer.encode()
                waits.append(await producer.send(topic, value, key=key, headers=headers))
            for wait in waits:
                await wait
    except (KafkaError, OSError, TimeoutError) as error:
        reason = str(error).strip() or f"no answer within {SEND_WITHIN_S:.0f} s"
        raise UserError(
            f"the answer could not be written to topic {topic} ({reason}): try again; "
            "`czujka check` says whether the topic is there"
        ) from error
    finally:
        await producer.stop()
