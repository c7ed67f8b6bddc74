"""Cursors in a compacted topic, so that a connector may start anew on any machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, MessageSizeTooLargeError

from connectors.errors import ConfigurationError, FatalError

T = TypeVar("T")

MAX_CURSOR_BYTES = 8 << 20
"""The topic takes records of this size, see `pipeline.topics`."""


@dataclass(frozen=True, slots=True)
class CursorTopic:
    """Where cursors are kept.

    Attributes:
        connection: arguments of the client: ``bootstrap_servers`` and what security asks for.
        name: full name of the topic; it has one partition and is compacted.
        timeout_s: a broker that does not answer within this is not there.
        delivery_timeout_s: a cursor that is not taken within this ends the run.
    """

    connection: Mapping[str, Any] = field(repr=False)  # may hold a password
    name: str
    timeout_s: float = 8.0
    delivery_timeout_s: float = 120.0


class TopicCursors:
    """Keeps cursors in Kafka: the last record of a source's key is its cursor.

    A compacted topic keeps the last record of each key for good. Reading takes all that is not
    compacted yet, which is what was saved within about an hour. Methods block.
    """

    def __init__(self, topic: CursorTopic) -> None:
        self._topic = topic
        self._producer: KafkaProducer | None = None

    def load(self, source: str) -> str | None:
        """The cursor that was saved last, None if there is none.

        Raises:
            ConfigurationError: the broker or the topic is not there, or the record is damaged.
        """
        value = self._explained(lambda: self._last(source.encode()), ConfigurationError)
        if value is None:
            return None
        try:
            cursor = json.loads(value)["cursor"]
        except (ValueError, KeyError, TypeError):
            cursor = None
        if not isinstance(cursor, str):
            raise ConfigurationError(
                f"the cursor of {source} on topic '{self._topic.name}' is damaged: begin again "
                "with --from-start"
            )
        return cursor

    def save(self, source: str, cursor: str) -> None:
        """Keeps a cursor in place of the one before; returns when the broker has it.

        Raises:
            FatalError: the broker does not take it.
        """
        value = json.dumps({"source": source, "cursor": cursor}).encode()

        def send() -> None:
            if self._producer is None:
                self._producer = self._open_producer()
            sent = self._producer.send(self._topic.name, value, key=source.encode(), partition=0)
            sent.get(self._topic.delivery_timeout_s + 10.0)

        self._explained(send, FatalError)

    def close(self) -> None:
        """Ends the connection."""
        if self._producer is not None:
            self._producer.close(5.0)
            self._producer = None

    def _open_producer(self) -> KafkaProducer:
        limit_ms = int(self._topic.timeout_s * 1000)
        return KafkaProducer(
            **self._topic.connection,
            client_id="czujka-cursors",
            acks="all",
            enable_idempotence=True,
            max_in_flight_requests_per_connection=1,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=limit_ms,
            max_block_ms=limit_ms,
            request_timeout_ms=int(min(30.0, self._topic.delivery_timeout_s / 2) * 1000),
            delivery_timeout_ms=int(self._topic.delivery_timeout_s * 1000),
            max_request_size=MAX_CURSOR_BYTES,
            compression_type="gzip",
            metrics_enabled=False,
        )

    def _last(self, key: bytes) -> bytes | None:
        limit_ms = int(self._topic.timeout_s * 1000)
        consumer = KafkaConsumer(
            **self._topic.connection,
            group_id=None,
            enable_auto_commit=False,
            bootstrap_timeout_ms=limit_ms,
            metrics_enabled=False,
        )
        try:
            place = TopicPartition(self._topic.name, 0)
            end = consumer.end_offsets([place])[place]
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            found: bytes | None = None
            quiet_since_s = time.monotonic()
            while consumer.position(place) < end:
                records = consumer.poll(timeout_ms=500).get(place, [])
                for record in records:
                    if record.offset < end and record.key == key:
                        found = record.value
                if records:
                    quiet_since_s = time.monotonic()
                elif time.monotonic() - quiet_since_s > self._topic.timeout_s:
                    raise KafkaError(f"nothing came within {self._topic.timeout_s:g} s")
            return found
        finally:
            consumer.close()

    def _explained(self, act: Callable[[], T], kind: type[ConfigurationError | FatalError]) -> T:
        """Does something with the broker; its errors become ours."""
        place = f"topic '{self._topic.name}' at {self._topic.connection.get('bootstrap_servers')}"
        try:
            return act()
        except MessageSizeTooLargeError as error:
            raise FatalError(
                f"{place}: a cursor of over {MAX_CURSOR_BYTES} bytes: run fewer targets in one "
                "connector, or keep cursors in files (CZUJKA_CURSORS=file)"
            ) from error
        except KafkaError as error:
            raise kind(
                f"{place}: cursors cannot be kept there ({type(error).__name__}: {error}): make "
                "the topics with `czujka topics create`, or set CZUJKA_CURSORS=file"
            ) from error
