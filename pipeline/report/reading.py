"""Fills a dossier from the topics, or from files that a backtest wrote."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from models.alert import CrisisAlert
from models.errors import UserError
from models.feedback import decode_feedback
from models.series import decode_series_point
from pipeline.client import connection_arguments, reach, unreachable
from pipeline.feed import reason_of
from pipeline.report.dossier import Dossier
from pipeline.report.history import History, decode_brief
from pipeline.settings import Settings

ALERTS, SERIES, FEEDBACK = "alerts", "series", "feedback"
BEFORE = timedelta(days=1)
"""Minutes so long before the onset belong to the report."""
READING_LIMIT_S = 60.0
STALL_S = 5.0
"""The embedded broker's end offsets run ahead of what can be read: so long a silence is the end."""

SILENCE_LIMIT_S = 30.0
"""So long a silence of another broker is a fault."""
BATCH_RECORDS = 2000

log = logging.getLogger(__name__)

Tell = Callable[[float], None]
"""Hears how much was read, in [0, 1]."""
Record = TypeVar("Record")


async def read_dossier(settings: Settings, alert_id: str) -> Dossier:
    """Reads what the topics say of an alert now.

    Reads `alerts` and `feedback` whole, and of `series` what was written since the day before the
    onset. Takes no part in any consumer group.

    Raises:
        UserError: no broker, no topic, no such alert, or it took too long.
    """
    dossier = Dossier(alert_id)
    async with _consumer(settings) as consumer:
        await _read_alerts(settings, consumer, dossier)
        if not dossier.revisions:
            raise no_such_alert(alert_id, [alert.alert_id for alert in dossier.known_alerts])
        alert = dossier.revisions[-1]

        def take_answer(record: ConsumerRecord) -> None:
            if record.key and record.key.startswith(f"{alert_id}#".encode()):
                answer = None if record.value is None else decode_feedback(record.value)
                dossier.take_answer(record.key, answer)

        await _read(consumer, settings.topic(FEEDBACK), take_answer)

        brand_key = alert.brand.encode()

        def take_point(record: ConsumerRecord) -> None:
            if record.key == brand_key:
                dossier.take_point(decode_series_point(record.value or b""))

        # A minute is written after it has passed, so nothing older can follow this time.
        since = None if settings.embedded else alert.onset - BEFORE
        await _read(consumer, settings.topic(SERIES), take_point, since)
    return dossier


async def read_history(
    settings: Settings,
    since: datetime | None = None,
    into: History | None = None,
    tell: Tell | None = None,
) -> History:
    """Reads alerts and answers whole, and the minutes of all brands written since a time.

    It takes as long as it takes: some 100 000 minutes a second.

    Args:
        settings: broker and topics.
        since: wall clock; everything, if none.
        into: takes what is read; a new one if none is given.
        tell: is told now and then which share of the minutes was read.

    Raises:
        UserError: no broker, no topic, or it stopped answering.
    """
    history = History() if into is None else into

    def take_answer(record: ConsumerRecord) -> None:
        answer = None if record.value is None else decode_feedback(record.value)
        history.take_answer(record.key or b"", answer)

    def take_point(record: ConsumerRecord) -> None:
        history.take_point(decode_brief(record.value or b""))

    async with _consumer(settings, limit_s=None) as consumer:
        await _read_alerts(settings, consumer, history)
        await _read(consumer, settings.topic(FEEDBACK), take_answer)
        series_since = None if settings.embedded else since
        await _read(
            consumer,
            settings.topic(SERIES),
            take_point,
            series_since,
            tell,
            patient=not settings.embedded,
        )
    return history


def history_of_files(alerts: Path, series: Path | None, feedback: Path | None) -> History:
    """The same from JSON lines.

    Raises:
        UserError: a file cannot be read, or a line is wrong.
    """
    history = History()
    for alert in read_alert_file(alerts):
        history.take_alert(alert)
    for point in _lines(series, decode_series_point) if series else ():
        history.take_point(point)
    for answer in _lines(feedback, decode_feedback) if feedback else ():
        history.take_answer(answer.key(), answer)
    return history


async def list_alerts(settings: Settings) -> list[CrisisAlert]:
    """The newest revision of every alert on the topic, by onset.

    Raises:
        UserError: no broker or no topic.
    """
    dossier = Dossier("")
    async with _consumer(settings) as consumer:
        await _read_alerts(settings, consumer, dossier)
    return dossier.known_alerts


async def _read_alerts(
    settings: Settings, consumer: AIOKafkaConsumer, dossier: Dossier | History
) -> None:
    def take(record: ConsumerRecord) -> None:
        if record.value is not None:
            dossier.take_alert(CrisisAlert.model_validate_json(record.value))
        elif record.key:
            dossier.forget_alert(record.key.decode())

    await _read(consumer, settings.topic(ALERTS), take)


def read_alert_file(path: Path) -> list[CrisisAlert]:
    """Revisions that `czujka backtest --alerts` wrote.

    Raises:
        UserError: the file cannot be read, or a line of it is no alert.
    """
    return list(_lines(path, CrisisAlert.model_validate_json))


def dossier_of_files(
    alert_id: str, alerts: Path, series: Path | None = None, feedback: Path | None = None
) -> Dossier:
    """The same from JSON lines.

    Raises:
        UserError: a file cannot be read, a line is wrong, or the alert is not among them.
    """
    dossier = Dossier(alert_id)
    for alert in read_alert_file(alerts):
        dossier.take_alert(alert)
    if not dossier.revisions:
        raise no_such_alert(alert_id, [alert.alert_id for alert in dossier.known_alerts])
    brand = dossier.revisions[-1].brand
    if series is not None:
        for point in _lines(series, decode_series_point):
            if point.brand == brand:
                dossier.take_point(point)
    if feedback is not None:
        for answer in _lines(feedback, decode_feedback):
            dossier.take_answer(answer.key(), answer)
    return dossier


def no_such_alert(alert_id: str, known: list[str]) -> UserError:
    """The error for an alert that is not there; names some that are."""
    if not known:
        return UserError(f"no alert {alert_id}: there is no alert at all yet")
    latest = ", ".join(known[-5:])
    return UserError(f"no alert {alert_id}: give one of {latest} (`czujka report --list` has all)")


def _lines(path: Path, read: Callable[[bytes], Record]) -> Iterator[Record]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                yield read(line)
            except ValidationError as error:
                raise UserError(f"{path}:{number}: {reason_of(error)}") from error


@asynccontextmanager
async def _consumer(
    settings: Settings, limit_s: float | None = READING_LIMIT_S
) -> AsyncIterator[AIOKafkaConsumer]:
    await reach(settings)
    consumer = AIOKafkaConsumer(
        **connection_arguments(settings),
        client_id=f"{settings.app_id}-report",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        async with asyncio.timeout(limit_s):
            await consumer.start()
            yield consumer
    except (KafkaError, OSError, TimeoutError) as error:
        reason = str(error).strip() or f"not read within {READING_LIMIT_S:.0f} s"
        raise unreachable(settings, {settings.bootstrap_servers: reason}) from error
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer,
    topic: str,
    take: Callable[[ConsumerRecord], None],
    since: datetime | None = None,
    tell: Tell | None = None,
    patient: bool = False,
) -> None:
    """Reads a topic from `since` (its beginning) to what is its end now.

    Raises:
        TimeoutError: nothing came for a long time though there is more; if not `patient`, that is
            taken for the end.
    """
    cluster = await consumer._client.fetch_all_metadata()
    numbers = cluster.partitions_for_topic(topic)
    if not numbers:
        raise UserError(f"topic {topic} does not exist: run `czujka topics create`")
    parts = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(parts)
    ends = await consumer.end_offsets(parts)
    starts = await consumer.beginning_offsets(parts)
    if since is not None:
        at_ms = int(since.timestamp() * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(parts, at_ms))
        starts = {
            part: ends[part] if (where := found.get(part)) is None else where.offset
            for part in parts
        }
    for part in parts:
        consumer.seek(part, starts[part])
    left = {part: ends[part] - starts[part] for part in parts if starts[part] < ends[part]}
    whole, silent_s = sum(left.values()), 0.0
    while left:
        batches = await consumer.getmany(
            *left, timeout_ms=int(STALL_S * 1000), max_records=BATCH_RECORDS
        )
        if not batches:
            silent_s += STALL_S
            if not patient:
                break
            if silent_s >= SILENCE_LIMIT_S:
                raise TimeoutError(f"nothing of {topic} for {SILENCE_LIMIT_S:.0f} s")
            continue
        silent_s = 0.0
        for records in batches.values():
            for record in records:
                _take(take, record)
        for part in batches:
            left[part] = ends[part] - await consumer.position(part)
        left = {part: more for part, more in left.items() if more > 0}
        if tell is not None:
            tell(1.0 - sum(left.values()) / whole)
        await asyncio.sleep(0)  # others want a turn too: what was fetched comes without waiting


def _take(take: Callable[[ConsumerRecord], None], record: ConsumerRecord) -> None:
    try:
        take(record)
    except ValueError as error:
        log.warning("left out a record of %s: %s", record.topic, reason_of(error))
