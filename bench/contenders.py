"""Who is measured: each a process of its own with a consumer group of its own.

`python -m bench.contenders bare|faust` is what the first two run; score is the real command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.settings import Settings, load_settings

BARE_COMMIT_INTERVAL_S = 0.05  # it is through in a second or two
FAUST_COMMIT_INTERVAL_S = 0.5


@dataclass(frozen=True)
class Contender:
    """A consumer of `posts`.

    Attributes:
        name: for the table.
        does: what it does with a record.
        role: of its consumer group, see `Settings.group`.
        argv: how it is started, behind Python's own path.
    """

    name: str
    does: str
    role: str
    argv: tuple[str, ...]


CONTENDERS = (
    Contender(
        "bare aiokafka consumer",
        "getmany, nothing else",
        "bare",
        ("-m", "bench.contenders", "bare"),
    ),
    Contender(
        "idle Faust agent",
        "one empty loop over the stream, raw bytes",
        "faust",
        ("-m", "bench.contenders", "faust"),
    ),
    Contender(
        "score",
        "the real command with all its work",
        "score",
        ("-m", "pipeline.cli", "score"),
    ),
)


def consume_bare(settings: Settings) -> None:
    """Reads `posts` as fast as aiokafka gives it, until killed."""
    import time

    import uvloop
    from aiokafka import AIOKafkaConsumer

    from pipeline.client import connection_arguments, group_arguments

    async def consume() -> None:
        consumer = AIOKafkaConsumer(
            settings.topic("posts"),
            **connection_arguments(settings),
            **group_arguments(settings),
            group_id=settings.group("bare"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # As score has them.
            max_poll_records=8_192,
            fetch_max_bytes=16 << 20,
            max_partition_fetch_bytes=4 << 20,
        )
        await consumer.start()
        committed_s = time.monotonic()
        while True:
            await consumer.getmany(timeout_ms=200, max_records=8_192)
            if time.monotonic() - committed_s >= BARE_COMMIT_INTERVAL_S:
                await consumer.commit()
                committed_s = time.monotonic()

    uvloop.run(consume())


def consume_with_faust(settings: Settings) -> None:
    """Runs a Faust agent that does nothing, with the settings that score's neighbour has."""
    from tempfile import mkdtemp

    from mode import loop

    loop.use("uvloop")
    import faust

    app = faust.App(
        settings.group("faust"),
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        store="memory://",
        datadir=mkdtemp(prefix="czujka-bench-"),  # else it makes a folder where it stands
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.posts_partitions,
        topic_replication_factor=settings.replication_factor,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=500,
        stream_buffer_maxsize=4096,
        stream_wait_empty=False,
        broker_session_timeout=60,
        broker_heartbeat_interval=3,
        broker_request_timeout=90,
        broker_commit_interval=FAUST_COMMIT_INTERVAL_S,
    )
    posts = app.topic(
        settings.topic("posts"),
        key_serializer="raw",
        value_serializer="raw",
        partitions=settings.posts_partitions,
    )

    async def idle(stream: Any) -> None:
        async for _ in stream:
            pass

    app.agent(posts, name="idle")(idle)
    worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False)
    worker.execute_from_commandline()


_CONSUME: dict[str, Callable[[Settings], None]] = {
    "bare": consume_bare,
    "faust": consume_with_faust,
}

if __name__ == "__main__":
    _CONSUME[sys.argv[1]](load_settings())
