"""Score and watch put back to a point in time, to decide again what has come since."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec, OffsetTimestamp
from kafka.structs import OffsetAndMetadata

from models.errors import UserError
from pipeline.client import BrokerError
from pipeline.settings import Settings, variable
from pipeline.topics import (
    WATCH_TABLES,
    administration,
    changelog_topics,
    create_topics,
    refuse_unfit_topics,
)

_EMPTY = ("Empty", "Dead")
_GONE_WITHIN_S = 15.0
_POLL_S = 0.5


def read_time(text: str) -> datetime:
    """A time as people write it; without an offset it is UTC.

    Raises:
        UserError: it is none.

    Example:
        >>> read_time("2026-11-20T06:00").isoformat()
        '2026-11-20T06:00:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{text} is no time: write it as 2026-11-20T06:00:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def rewind(settings: Settings, to: datetime) -> dict[int, int]:
    """Empties what lies between score and watch, and puts score back to what arrived at a time.

    Args:
        settings: of the roles.
        to: the first posts that are read again arrived then, or after.

    Returns:
        Where score goes on: offset by partition of `posts`.

    Raises:
        UserError: score or watch still runs, or `posts` is not there.
        BrokerError: the broker is not there, or refuses.
    """
    refuse_unfit_topics(settings, ("posts",))
    topic, group = settings.topic("posts"), settings.group("score")
    parts = [TopicPartition(topic, number) for number in range(settings.posts_partitions)]
    with administration(settings) as admin:
        _refuse_members(admin, settings)
        changelogs = changelog_topics(settings.group("watch"), WATCH_TABLES, 1)
        between = [settings.topic("tallies"), *(changelog.name for changelog in changelogs)]
        create_topics(settings, recreate=between)
        _wait_until_forgotten(admin, settings, between)
        since = OffsetTimestamp(int(to.timestamp() * 1000))
        found = admin.list_partition_offsets(dict.fromkeys(parts, since))
        ends = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
        offsets = {
            part: found[part].offset if found[part].offset >= 0 else ends[part].offset
            for part in parts
        }
        # Without what score noted beside its offsets: how far it had come in event time, by which
        # all that is read again would be late. `reset_group_offsets` of the client keeps it.
        wishes = {part: OffsetAndMetadata(offset, "", -1) for part, offset in offsets.items()}
        answers = admin.alter_group_offsets(group, wishes)
    refused = {error.__name__ for error in answers.values() if error.errno}
    if refused:
        raise BrokerError(
            f"{settings.bootstrap_servers} does not put {group} back "
            f"({', '.join(sorted(refused))}): grant Read on it"
        )
    return {part.partition: offset for part, offset in offsets.items()}


def _refuse_members(admin: KafkaAdminClient, settings: Settings) -> None:
    groups = [settings.group(role) for role in ("score", "watch")]
    # Those that were killed leave when their session is over.
    deadline = time.monotonic() + settings.session_timeout_s
    while True:
        described = admin.describe_groups(groups)
        busy = [name for name in groups if described[name]["group_state"] not in _EMPTY]
        if not busy:
            return
        if time.monotonic() > deadline:
            raise UserError(
                f"{' and '.join(busy)} still has members after {settings.session_timeout_s} s "
                f"({variable('session_timeout_s')}): stop score and watch first"
            )
        time.sleep(_POLL_S)


def _wait_until_forgotten(admin: KafkaAdminClient, settings: Settings, topics: list[str]) -> None:
    """What watch has acknowledged goes with its topics, a moment later."""
    group = settings.group("watch")
    deadline = time.monotonic() + _GONE_WITHIN_S
    while any(part.topic in topics for part in admin.list_group_offsets([group])[group]):
        if time.monotonic() > deadline:
            raise BrokerError(
                f"{group} still has acknowledgements of topics that were deleted: delete them with "
                "Kafka's kafka-consumer-groups.sh --delete-offsets, then do this again"
            )
        time.sleep(_POLL_S)
