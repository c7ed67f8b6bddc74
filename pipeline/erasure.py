"""Takes what was erased out of alerts that are over, on the topic itself.

The watch stage does so for what platforms delete (`models.recall`). This does it at a person's
word, also for alerts that ended before the stage began to remember.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from models.alert import CrisisAlert
from models.errors import UserError
from models.recall import without
from pipeline.client import connection_arguments
from pipeline.report.reading import list_alerts
from pipeline.settings import Settings

SEND_WITHIN_S = 30.0


def revise(
    alerts: Iterable[CrisisAlert], posts: Collection[str], authors: Collection[str]
) -> list[CrisisAlert]:
    """New revisions of the alerts that are over and show one of the posts or authors."""
    over = (alert for alert in alerts if alert.status == "resolved")
    revised = (without(alert, posts, authors) for alert in over)
    return [alert for alert in revised if alert is not None]


async def erase_from_alerts(
    settings: Settings, posts: Collection[str], authors: Collection[str]
) -> list[CrisisAlert]:
    """Publishes those revisions and returns them when the broker has them.

    Raises:
        UserError: the broker does not answer, or does not take them.
    """
    revised = revise(await list_alerts(settings), posts, authors)
    if not revised:
        return []
    producer = AIOKafkaProducer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-forget",
        acks="all",
        enable_idempotence=not settings.embedded,
        max_request_size=4 << 20,
    )
    try:
        async with asyncio.timeout(SEND_WITHIN_S):
            await producer.start()
            for alert in revised:
                await producer.send_and_wait(
                    settings.topic("alerts"),
                    alert.encode(),
                    key=alert.alert_id.encode(),
                    headers=alert.headers(),
                )
    except (KafkaError, OSError, TimeoutError) as error:
        reason = str(error).strip() or f"no answer within {SEND_WITHIN_S:.0f} s"
        raise UserError(
            f"alerts could not be written ({reason}); what was to be forgotten may still stand "
            "there: run the command again"
        ) from error
    finally:
        await producer.stop()
    return revised
