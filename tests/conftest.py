"""Fixtures of all tests: brokers, and settings that keep tests apart on a shared broker."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.errors import UserError
from pipeline.embedded import EmbeddedBroker, find_binary
from pipeline.settings import Settings
from tests.support.kafka import Kafka, KafkaUnavailableError, open_kafka
from tests.support.lacking import lack

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def kafka_or_reason() -> Iterator[Kafka | str]:
    """The run's Kafka, or why there is none; asked for once."""
    try:
        kafka = open_kafka()
    except KafkaUnavailableError as error:
        yield str(error)
        return
    with kafka:
        yield kafka


@pytest.fixture
def kafka(kafka_or_reason: Kafka | str) -> Kafka:
    """A real Apache Kafka, shared by the run; skips where there is none, and in CI fails."""
    if isinstance(kafka_or_reason, str):
        lack(kafka_or_reason)
    return kafka_or_reason


@pytest.fixture
def restartable_kafka(kafka: Kafka) -> Iterator[Kafka]:
    """A Kafka to `kill`, `start` and `restart`; it runs again when the test is over."""
    if not kafka.restartable:
        pytest.skip(f"this Kafka is not ours to restart: {kafka.origin}")
    yield kafka
    if not kafka.running:
        kafka.start()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics and groups that no other test has."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    return f"t{os.getpid()}-{next(_serial)}-{slug}."


@pytest.fixture
def kafka_settings(kafka: Kafka, topic_prefix: str) -> Callable[..., Settings]:
    """Makes settings for the real Kafka: ``kafka_settings(posts_partitions=2)``."""

    def make(**overrides: Any) -> Settings:
        given = {"bootstrap_servers": kafka.bootstrap_servers, "topic_prefix": topic_prefix}
        return Settings(**(given | overrides))

    return make


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The embedded broker, shared by the run."""
    try:
        find_binary()
    except UserError as error:
        lack(str(error))
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
def embedded_settings(embedded: EmbeddedBroker, topic_prefix: str) -> Callable[..., Settings]:
    """Makes settings for the embedded broker."""

    def make(**overrides: Any) -> Settings:
        given = {
            "bootstrap_servers": embedded.bootstrap_servers,
            "topic_prefix": topic_prefix,
            "embedded": True,
        }
        return Settings(**(given | overrides))

    return make
