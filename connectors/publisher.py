"""From posts to Kafka: a thin, typed coat over kafka-python's producer.

The only place in `connectors` that knows Kafka. Order within a partition is the order of the
calls, on any broker (`max_in_flight_requests_per_connection=1`), so a heartbeat stands behind the
posts that it speaks of without a flush in between. Once a record was not taken, nothing more is
sent: a heartbeat must not vouch for a post that is missing. Why this is enough:
`docs/decisions/060-sources-and-order.md`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAuthorizationFailedError

from connectors.base import Reject
from connectors.errors import ConfigurationError, PublishError
from models.post import Heartbeat, Op, Post, encode

log = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED = 20_000
"""Records that may be on their way; more wait, which slows the source down."""


class _Future(Protocol):
    """What the producer gives for each record."""

    is_done: bool
    exception: BaseException | None

    def failed(self) -> bool: ...

    def get(self, timeout: float | None = None) -> object: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where to publish.

    Attributes:
        connection: arguments of the client: ``bootstrap_servers`` and what security asks for.
        posts_topic: full name.
        dead_letters_topic: full name.
        partitions: of the posts topic, as the rest of the pipeline expects them.
        idempotent: whether the broker knows idempotent producers; Kafka does, the embedded one
            does not.
        connect_timeout_s: a broker that does not answer within this is not there.
        delivery_timeout_s: a record that is not taken within this is given up, and with it the
            run.
        client_id: what the broker calls us in its log.
    """

    connection: Mapping[str, Any] = field(repr=False)  # may hold a password
    posts_topic: str
    dead_letters_topic: str
    partitions: int
    idempotent: bool = True
    connect_timeout_s: float = 8.0
    delivery_timeout_s: float = 120.0
    client_id: str = "czujka-connector"


class Publisher:
    """Publishes records; from ``with`` to its end.

    Methods may block: `post`, `heartbeat` and `dead_letter` while too much is unacknowledged,
    `flush` and `close` until all is. Call them from one thread at a time.

    Raises:
        ConfigurationError: no broker answers, a topic is missing, or the posts topic does not
            have the partitions that the settings name.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._sent: deque[_Future] = deque()
        self._failure: PublishError | None = None
        self._longest_wait_s = target.delivery_timeout_s + 10.0
        limit_ms = int(target.connect_timeout_s * 1000)
        try:
            self._producer = KafkaProducer(
                **target.connection,
                client_id=target.client_id,
                acks="all",
                enable_idempotence=target.idempotent,
                max_in_flight_requests_per_connection=1,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=limit_ms,
                max_block_ms=limit_ms,
                request_timeout_ms=int(min(30.0, target.delivery_timeout_s / 2) * 1000),
                delivery_timeout_ms=int(target.delivery_timeout_s * 1000),
                linger_ms=20,
                batch_size=65_536,
                compression_type="gzip",
                metrics_enabled=False,
            )
        except KafkaTimeoutError as error:
            raise ConfigurationError(
                f"no Kafka broker answers at {self._address} within "
                f"{target.connect_timeout_s:g} s: start it, or name another with "
                "--bootstrap-servers"
            ) from error
        except KafkaError as error:
            raise ConfigurationError(
                f"the Kafka broker at {self._address} does not let us in: {error}"
            ) from error
        try:
            self._check_topics()
        except BaseException:
            self._producer.close(0)
            raise

    def post(self, post: Post) -> None:
        """Publishes a post by its key; what concerns an author goes into every partition.

        Raises:
            PublishError: this or an earlier record was not taken.
        """
        key = post.key.encode()
        value = encode(post)
        if post.op is Op.AUTHOR_DELETE:
            for partition in range(self._target.partitions):
                self._send(self._target.posts_topic, value, key, partition=partition)
        else:
            self._send(self._target.posts_topic, value, key)

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Publishes a heartbeat into every partition, behind all posts that were given before.

        Raises:
            PublishError: this or an earlier record was not taken.
        """
        value = encode(heartbeat)
        for partition in range(self._target.partitions):
            self._send(self._target.posts_topic, value, partition=partition)

    def dead_letter(self, reject: Reject, source: str) -> None:
        """Publishes what could not become a post, as it came, with the reason.

        Raises:
            PublishError: this or an earlier record was not taken.
        """
        headers = {
            "reason": "malformed",
            "detail": reject.reason[:500],
            "source": source,
            "place": reject.place,
        }
        self._send(
            self._target.dead_letters_topic,
            reject.raw,
            headers=[(name, text.encode(errors="replace")) for name, text in headers.items()],
        )

    def flush(self) -> None:
        """Returns when the broker has taken everything.

        Raises:
            PublishError: it has not; nothing may be said to be published.
        """
        self._stop_if_failed()
        try:
            self._producer.flush(self._longest_wait_s)
        except KafkaError as error:
            raise self._failed(error) from error
        while self._sent:
            self._look_at(self._sent.popleft())

    def close(self, timeout_s: float = 10.0) -> None:
        """Ends the producer; what is not flushed has that long to go out.

        Raises:
            PublishError: something was not taken, and no error has said so before.
        """
        known = self._failure is not None
        try:
            self._producer.close(0 if known else timeout_s)
        except KafkaError as error:
            if not known:
                raise self._failed(error) from error
            log.debug("closing after a failure: %s", error)
        while self._sent and not known:
            self._look_at(self._sent.popleft())

    def __enter__(self) -> Self:
        """Gives itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes; when an error is already on its way, another one does not take its place."""
        try:
            self.close()
        except PublishError:
            if error is None:
                raise
            log.exception("while closing")

    @property
    def _address(self) -> str:
        return str(self._target.connection.get("bootstrap_servers"))

    def _check_topics(self) -> None:
        found = self._partitions_of(self._target.posts_topic)
        if found != self._target.partitions:
            raise ConfigurationError(
                f"topic '{self._target.posts_topic}' at {self._address} has {found} partitions, "
                f"the settings say {self._target.partitions}: set CZUJKA_POSTS_PARTITIONS={found} "
                "for every role, or make the topic anew"
            )
        self._partitions_of(self._target.dead_letters_topic)

    def _partitions_of(self, topic: str) -> int:
        try:
            return len(self._producer.partitions_for(topic))
        except KafkaTimeoutError as error:
            raise ConfigurationError(
                f"topic '{topic}' is not there at {self._address}: make the topics with "
                "`czujka topics create`"
            ) from error
        except TopicAuthorizationFailedError as error:
            raise ConfigurationError(
                f"we may not use topic '{topic}' at {self._address}: grant Describe and Write"
            ) from error

    def _send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        partition: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        self._stop_if_failed()
        try:
            sent = self._producer.send(
                topic, value, key=key, partition=partition, headers=headers or []
            )
        except KafkaError as error:
            raise self._failed(error) from error
        self._sent.append(sent)
        if len(self._sent) >= MAX_UNACKNOWLEDGED:
            self._look_at(self._sent.popleft())
            while self._sent and self._sent[0].is_done:
                self._look_at(self._sent.popleft())

    def _look_at(self, sent: _Future) -> None:
        """Waits for one record, and stops everything if it was not taken."""
        if sent.is_done and not sent.failed():
            return
        try:
            sent.get(self._longest_wait_s)
        except KafkaError as error:
            raise self._failed(error) from error

    def _failed(self, error: KafkaError) -> PublishError:
        self._failure = PublishError(
            f"the broker at {self._address} did not take a record ({type(error).__name__}: "
            f"{error}); stopped there, so start again to go on from the last cursor"
        )
        return self._failure

    def _stop_if_failed(self) -> None:
        if self._failure is not None:
            raise self._failure
