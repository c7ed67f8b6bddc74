"""The topics: what they hold, how they are kept, and whether the broker has them so.

Beside it only the connectors' publisher and `pipeline.rewind` use kafka-python.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from models.errors import UserError
from pipeline.client import BrokerError, connection_arguments, ensure_broker, hidden_from
from pipeline.settings import Settings, variable

log = logging.getLogger(__name__)

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_VISIBLE_WITHIN_S = 15.0

STATE_TABLE = "state"
WATCH_TABLES: tuple[str, ...] = (STATE_TABLE,)
"""Faust tables of the watch stage: each needs a changelog topic before the app starts."""

Cleanup = Literal["delete", "compact", "compact,delete"]


@dataclass(frozen=True)
class Topic:
    """One topic as this version wants it."""

    name: str
    partitions: int
    partitions_from: str  # the setting that says so; empty where the number is fixed
    key: str
    cleanup: Cleanup
    retention_ms: int | None  # None: no limit of time
    written_by: str
    read_by: str
    configs: dict[str, str] = field(default_factory=dict)

    def all_configs(self, replication_factor: int) -> dict[str, str]:
        """Configuration of the topic, as Kafka names it."""
        configs = {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
            # By arrival, not by the producer's word: a replay of last year must not be deleted
            # at once for its age.
            "message.timestamp.type": "LogAppendTime",
        }
        if replication_factor >= 3:
            configs["min.insync.replicas"] = "2"  # one broker may go, no acknowledged record does
        return configs | self.configs


def expected_topics(settings: Settings) -> tuple[Topic, ...]:
    """Every topic of the product, with its full name."""
    name, posts, tallies = settings.topic, settings.posts_partitions, settings.tallies_partitions
    return (
        # Everything published, and heartbeats. All operations on one post follow each other in one
        # partition; a brand in a storm is spread over all of them.
        Topic(
            name=name("posts"),
            partitions=posts,
            partitions_from="posts_partitions",
            key="platform:native_id",
            cleanup="delete",
            retention_ms=7 * _DAY_MS,
            written_by="connectors",
            read_by="score",
        ),
        # Frames, internal. Produced to the partition of their brands; no key.
        Topic(
            name=name("tallies"),
            partitions=tallies,
            partitions_from="tallies_partitions",
            key="none; partition = hash(brand)",
            cleanup="delete",
            retention_ms=2 * _DAY_MS,
            written_by="score",
            read_by="watch",
        ),
        # Closed buckets: observed, expected, bounds, statistic.
        Topic(
            name=name("series"),
            partitions=tallies,
            partitions_from="tallies_partitions",
            key="brand",
            cleanup="delete",
            retention_ms=30 * _DAY_MS,
            written_by="watch",
            read_by="exporter, console, report, downstream",
        ),
        # Revisions of alerts; the last one of each stays 90 days. One partition: they are few, and
        # readers see them in one order.
        Topic(
            name=name("alerts"),
            partitions=1,
            partitions_from="",
            key="alert id",
            cleanup="compact,delete",
            retention_ms=90 * _DAY_MS,
            written_by="watch",
            read_by="exporter, console, watch, downstream",
        ),
        # What people say of alerts and of sentiment; the last word on each thing stays for good.
        Topic(
            name=name("feedback"),
            partitions=1,
            partitions_from="",
            key="alert id and question",
            cleanup="compact",
            retention_ms=None,
            written_by="console, command line",
            read_by="score, watch, console",
        ),
        # How far each connector came; the last cursor of each stays for good. Saved each second, so
        # it is compacted often: who starts reads what is not compacted yet.
        Topic(
            name=name("cursors"),
            partitions=1,
            partitions_from="",
            key="connector instance",
            cleanup="compact",
            retention_ms=None,
            written_by="connectors",
            read_by="connectors",
            configs={
                "segment.ms": "600000",
                "min.cleanable.dirty.ratio": "0.1",
                "max.message.bytes": str(8 << 20),
            },
        ),
        # Raw records that could not be used, with the reason and where they came from.
        Topic(
            name=name("dead-letters"),
            partitions=1,
            partitions_from="",
            key="as the input",
            cleanup="delete",
            retention_ms=14 * _DAY_MS,
            written_by="all",
            read_by="people",
        ),
        *changelog_topics(settings.group("watch"), WATCH_TABLES, tallies),
    )


def changelog_topics(app_id: str, tables: Iterable[str], partitions: int) -> tuple[Topic, ...]:
    """Changelogs of a Faust app's tables, named as Faust names them.

    Args:
        app_id: Full id of the app, with ``-vN`` where Faust's `version` is above 1.
        tables: Names of the tables.
        partitions: As many as the topic that the app's agents read has.
    """
    return tuple(
        Topic(
            name=f"{app_id}-{table}-changelog",
            partitions=partitions,
            partitions_from="tallies_partitions",
            key="key of the table",
            cleanup="compact",
            retention_ms=None,
            written_by="watch",
            read_by="watch, when it recovers",
            # Closed and compacted early: a restart reads the state, not its history.
            configs={"segment.ms": str(_HOUR_MS), "min.cleanable.dirty.ratio": "0.1"},
        )
        for table in tables
    )


class Fault(StrEnum):
    """What can be wrong with a topic."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    REPLICATION = "replication"
    CLEANUP = "cleanup"


@dataclass(frozen=True)
class Problem:
    """One topic that is not as it should be."""

    topic: str
    fault: Fault
    found: str
    expected: str
    mend: str

    def __str__(self) -> str:
        """The problem in one line."""
        if self.fault is Fault.MISSING:
            return f"topic {self.topic} is missing: {self.mend}"
        return (
            f"topic {self.topic} has {self.fault.value} {self.found}, "
            f"expected {self.expected}: {self.mend}"
        )


@dataclass(frozen=True)
class FoundTopic:
    """A topic as the broker has it."""

    partitions: int
    replication_factor: int
    cleanup: str | None  # None: the broker does not say


def compare(
    wanted: Sequence[Topic], found: dict[str, FoundTopic], replication_factor: int
) -> list[Problem]:
    """What differs, in the order of `wanted`; topics beyond these are nobody's business."""
    problems = []
    for topic in wanted:
        there = found.get(topic.name)
        if there is None:
            problems.append(
                Problem(
                    topic.name,
                    Fault.MISSING,
                    found="none",
                    expected=f"{topic.partitions} partitions",
                    mend="run `czujka topics create`",
                )
            )
            continue
        if there.partitions != topic.partitions:
            problems.append(
                Problem(
                    topic.name,
                    Fault.PARTITIONS,
                    found=str(there.partitions),
                    expected=str(topic.partitions),
                    mend=_mend_partitions(topic, there.partitions),
                )
            )
        if there.replication_factor < replication_factor:
            problems.append(
                Problem(
                    topic.name,
                    Fault.REPLICATION,
                    found=str(there.replication_factor),
                    expected=str(replication_factor),
                    mend="run Kafka's `kafka-reassign-partitions.sh`, or set "
                    f"{variable('replication_factor')}={there.replication_factor}",
                )
            )
        if there.cleanup is not None and set(there.cleanup.split(",")) != set(
            topic.cleanup.split(",")
        ):
            problems.append(
                Problem(
                    topic.name,
                    Fault.CLEANUP,
                    found=there.cleanup,
                    expected=topic.cleanup,
                    mend="run `czujka topics create`",
                )
            )
    return problems


def _mend_partitions(topic: Topic, found: int) -> str:
    recreate = f"stop all roles and run `czujka topics create --recreate {topic.name}`"
    if topic.partitions_from and found > 0:
        return (
            f"set {variable(topic.partitions_from)}={found} for all roles, or {recreate} "
            "(what the topic holds is lost)"
        )
    return f"{recreate} (what the topic holds is lost)"


def check_topics(settings: Settings, extra: Sequence[Topic] = ()) -> list[Problem]:
    """Compares the broker's topics with those that this version wants.

    Raises:
        BrokerError: the broker is not there, or will not say.
    """
    wanted = (*expected_topics(settings), *extra)
    with administration(settings) as admin:
        found = _describe(admin, [topic.name for topic in wanted], settings)
    return compare(wanted, found, _replication(settings))


def refuse_unfit_topics(settings: Settings, names: Iterable[str]) -> None:
    """Compares the topics that a role needs with what the broker has.

    Args:
        settings: Where, and how many partitions.
        names: Topics without their prefix, for example `posts`.

    Raises:
        UserError: one is missing or has another number of partitions than the settings say.
        BrokerError: the broker is not there, or will not say.
    """
    needed = {settings.topic(name) for name in names}
    problems = [
        problem
        for problem in check_topics(settings)
        if problem.topic in needed and problem.fault in (Fault.MISSING, Fault.PARTITIONS)
    ]
    if problems:
        told = "; ".join(str(problem) for problem in problems)
        if any(p.fault is Fault.MISSING for p in problems):
            told += hidden_from(settings)
        raise UserError(told)


def create_topics(
    settings: Settings, extra: Sequence[Topic] = (), recreate: Sequence[str] = ()
) -> list[str]:
    """Makes the missing topics, and puts the cleanup policy of the others right.

    Calling it again changes nothing. Returns when every partition has a leader.

    Args:
        settings: Where, and how many partitions and replicas.
        extra: Topics beyond the product's own.
        recreate: Topics to delete first, with all they hold.

    Returns:
        Names of the topics made.

    Raises:
        UserError: an existing topic has another partition count, or a name in `recreate` is not
            one of ours.
        BrokerError: the broker is not there, or refuses.
    """
    wanted = (*expected_topics(settings), *extra)
    names = [topic.name for topic in wanted]
    foreign = [name for name in recreate if name not in names]
    if foreign:
        raise UserError(
            f"--recreate {foreign[0]}: not a topic of this product; they are {', '.join(names)}"
        )
    replication = _replication(settings)
    with administration(settings) as admin:
        found = _describe(admin, names, settings)
        doomed = [name for name in recreate if name in found]
        if doomed:
            admin.delete_topics(doomed)
            _wait_until_gone(admin, doomed)
        missing = [topic for topic in wanted if topic.name not in found or topic.name in doomed]
        _make(admin, missing, replication)
        for problem in compare(wanted, found, replication):
            if problem.fault is Fault.CLEANUP and problem.topic not in doomed:
                admin.alter_configs(
                    [ConfigResource("TOPIC", problem.topic, {"cleanup.policy": problem.expected})]
                )
        wrong = [
            problem
            for problem in compare(wanted, _describe(admin, names, settings), replication)
            if problem.fault is Fault.PARTITIONS
        ]
    if wrong:
        raise UserError("; ".join(str(problem) for problem in wrong))
    return [topic.name for topic in missing]


def _replication(settings: Settings) -> int:
    return 1 if settings.embedded else settings.replication_factor


@contextmanager
def administration(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administration client; its errors become ours."""
    ensure_broker(settings)
    limit_ms = int(settings.connect_timeout_s * 1000)
    try:
        admin = KafkaAdminClient(
            **connection_arguments(settings),
            bootstrap_timeout_ms=limit_ms,
            request_timeout_ms=limit_ms,
        )
        try:
            yield admin
        finally:
            admin.close()
    except InvalidReplicationFactorError as error:
        raise BrokerError(
            f"the cluster has too few brokers for {settings.replication_factor} replicas: set "
            f"{variable('replication_factor')} lower, or add brokers"
        ) from error
    except AuthorizationError as error:
        raise BrokerError(
            f"{settings.bootstrap_servers} does not let {settings.sasl_username or 'us'} manage "
            f"topics ({type(error).__name__}): grant Describe, Create, Delete and AlterConfigs on "
            f"topics named {settings.topic_prefix}*"
        ) from error
    except KafkaError as error:
        raise BrokerError(
            f"the broker at {settings.bootstrap_servers} failed while managing topics "
            f"({error}): look at its log, then try again"
        ) from error


def _describe(
    admin: KafkaAdminClient, names: Sequence[str], settings: Settings
) -> dict[str, FoundTopic]:
    """The topics among `names` that exist."""
    # Asking for all, not by name: brokers with automatic creation would make what we ask for.
    metadata: list[dict[str, Any]] = admin.describe_topics()
    there = {
        row["name"]: row["partitions"]
        for row in metadata
        if row["error_code"] == 0 and row["name"] in set(names)
    }
    # The embedded broker keeps everything in memory whatever the policy is.
    policies = {} if settings.embedded else _cleanup_policies(admin, list(there))
    return {
        name: FoundTopic(
            partitions=len(partitions),
            replication_factor=min((len(row["replica_nodes"]) for row in partitions), default=0),
            cleanup=policies.get(name),
        )
        for name, partitions in there.items()
    }


def _cleanup_policies(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    described = admin.describe_configs(
        [ConfigResource("TOPIC", name, {"cleanup.policy": None}) for name in names],
        config_filter="all",
    )
    policies = {}
    for name, rows in described["topic"].items():
        if "cleanup.policy" in rows:
            policies[name] = rows["cleanup.policy"]["value"]
        else:  # not an error to Kafka's client
            log.warning("may not see how %s is cleaned up: grant DescribeConfigs on it", name)
    return policies


def _make(admin: KafkaAdminClient, topics: Sequence[Topic], replication_factor: int) -> None:
    if not topics:
        return
    answer = admin.create_topics(
        {
            topic.name: {
                "num_partitions": topic.partitions,
                "replication_factor": replication_factor,
                "configs": topic.all_configs(replication_factor),
            }
            for topic in topics
        },
        raise_errors=False,
    )
    for row in answer["topics"]:
        error = for_code(row["error_code"])
        # Somebody else may have made it in the meantime; the check that follows looks at it.
        if row["error_code"] != 0 and error is not TopicAlreadyExistsError:
            raise error(f"{row['name']}: {row.get('error_message') or ''}")
    admin.wait_for_topics([topic.name for topic in topics], timeout_ms=_VISIBLE_WITHIN_S * 1000)


def _wait_until_gone(admin: KafkaAdminClient, names: Sequence[str]) -> None:
    """Deletion is asynchronous: a name is free a moment later."""
    deadline = time.monotonic() + _VISIBLE_WITHIN_S
    while set(names) & set(admin.list_topics()):
        if time.monotonic() > deadline:
            raise BrokerError(
                f"topics {', '.join(names)} are still there {_VISIBLE_WITHIN_S:g} s after their "
                "deletion: is `delete.topic.enable` off on the broker?"
            )
        time.sleep(0.1)
