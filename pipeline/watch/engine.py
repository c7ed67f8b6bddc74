"""Faust as watch needs it: what it is told, and where it would lose something or never end."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from functools import cached_property
from typing import Any

import faust
from faust.types import FutureMessage
from mode.utils.queues import FlowControlEvent

from models.errors import EXIT_FAILED, EXIT_OK, UserError
from pipeline.client import group_arguments, ssl_context
from pipeline.role import StopLimit
from pipeline.settings import Settings, variable


class StateTable(faust.Table):
    """A table that keeps the promises of its changelog writes, so that they can be awaited."""

    logger = logging.getLogger("faust.tables")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unsent: list[FutureMessage] = []

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Sends the write to the changelog."""
        self.unsent.append(self.send_changelog(self.partition_for_key(key), key, value))
        self._sensor_on_set(self, key, value)

    def on_key_del(self, key: bytes) -> None:
        """Sends the deletion to the changelog."""
        partition = self.partition_for_key(key)
        self.unsent.append(self.send_changelog(partition, key, None, value_serializer="raw"))
        self._sensor_on_del(self, key)

    async def delivered(self) -> None:
        """Waits until every write so far is in the changelog."""
        unsent, self.unsent = self.unsent, []
        for future in unsent:
            await future


class FlowControl(FlowControlEvent):
    """Opens and closes the queues of the streams.

    Faust opens them twice after a rebalance, and empties them each time. What was delivered between
    is not fetched again: frames were lost (faust-streaming issue 596).
    """

    def resume(self) -> None:
        """Opens the queues, and empties them if they were closed."""
        if not self.is_active():
            super().resume()


class App(faust.App):
    """Faust's, with flow control that loses nothing."""

    logger = logging.getLogger("faust.app")  # not ours: it tells each start and stop

    @cached_property
    def flow_control(self) -> FlowControl:
        """See `FlowControl`."""
        return FlowControl(loop=self.loop)


def new_app(settings: Settings) -> App:
    """A Faust app without agents.

    Args:
        settings: of the deployment.
    """
    limits = group_arguments(settings)
    return App(
        settings.group("watch"),
        version=1,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        broker_credentials=faust_credentials(settings),
        Table=StateTable,
        store="memory://",
        datadir=str(settings.state_dir / "watch"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.tallies_partitions,
        topic_replication_factor=settings.replication_factor,
        # A state is some megabytes and read within seconds; a standby would read each checkpoint.
        table_standby_replicas=0,
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=500,
        stream_buffer_maxsize=4096,
        stream_wait_empty=False,
        stream_processing_timeout=60,
        broker_session_timeout=limits["session_timeout_ms"] / 1000,
        broker_heartbeat_interval=limits["heartbeat_interval_ms"] / 1000,
        broker_request_timeout=90,
        broker_max_poll_interval=300,
        broker_commit_interval=1.0,
        producer_acks=-1,
        producer_linger=0.02,
        producer_compression_type="gzip",
        producer_max_request_size=4 << 20,
        producer_request_timeout=60,
    )


def is_ready(app: faust.App) -> bool:
    """Whether the tables are recovered and no rebalance is under way."""
    recovery = app.tables.recovery
    return recovery is not None and recovery.completed.is_set() and not app.rebalancing


def run_app(app: faust.App, settings: Settings) -> int:
    """Runs a worker until it is told to stop; returns the exit code.

    Raises:
        UserError: the state folder cannot be made or written.
    """
    folder = settings.state_dir / "watch"
    try:
        folder.mkdir(parents=True, exist_ok=True)  # Faust makes the last part alone
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{variable('state_dir')}={settings.state_dir} cannot be made or written "
            f"({error.strerror}): name a folder that this user may write"
        ) from error
    if settings.log_level == "INFO":
        for name in ("faust", "mode"):  # each start and stop of fifty services
            logging.getLogger(name).setLevel(logging.WARNING)
        # Hundreds of lines a second while the broker is away; `probe` says it once.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with StopLimit(settings.stop_timeout_s) as limit:
        worker = _Worker(
            app,
            loglevel=settings.log_level,
            override_logging=False,
            redirect_stdouts=False,
            quiet=True,
        )
        worker.spinner = None  # it writes to the terminal even where there is none
        worker.stop_limit = limit
        try:
            worker.execute_from_commandline()
        except SystemExit as stopped:
            return EXIT_FAILED if stopped.code else EXIT_OK
    return EXIT_OK


class _Worker(faust.Worker):
    stop_limit: StopLimit

    async def on_stop(self) -> None:
        """Told to stop: Faust waits for the broker in several places, without end."""
        self.stop_limit.begin()
        asyncio.get_running_loop().set_exception_handler(leave_out_cancellations)
        await super().on_stop()


def leave_out_cancellations(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Sends under way are cancelled at the end, and Faust's callbacks fall over it.

    Either the send is cancelled, or whoever waits for it, and the answer finds nobody. What was
    sent belongs to frames that are not acknowledged: it is sent again.
    """
    harmless = asyncio.CancelledError, asyncio.InvalidStateError
    if not isinstance(context.get("exception"), harmless):
        loop.default_exception_handler(context)


def faust_credentials(settings: Settings) -> faust.types.auth.CredentialsT | None:
    """The same credentials as every other client's, as Faust wants them."""
    context = ssl_context(settings)
    if settings.security_protocol.startswith("SASL_"):
        password = settings.sasl_password
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=password.get_secret_value() if password else None,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return None if context is None else faust.SSLCredentials(context)
