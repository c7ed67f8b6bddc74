"""A Docker engine for tests: the one that answers, or one started for the time of the run.

To start one needs root and Debian's `docker.io`; `tests/deploy/engine.sh` brings it in CI. It has a
folder, a socket and no network of its own, so it changes nothing of the machine's; containers share
the network of the machine and keep to loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.child import Child
from tests.support.lacking import what_lacks

SCRIPT = Path(__file__).parents[1] / "deploy/engine.sh"
ROOT = SCRIPT.parents[2]
KAFKA_IMAGE = "czujka-test-kafka:2"
_READY_LIMIT_S = 40
_BUILD_LIMIT_S = 480
_BASES = ("python:3.12-slim-bookworm", "python:3.11-slim-bookworm")


class EngineUnavailableError(Exception):
    """No Docker engine is to be had, and why."""


class Engine:
    """A Docker engine that answers.

    Args:
        host: as in the variable DOCKER_HOST; none for the default.
    """

    def __init__(self, host: str | None) -> None:
        self._host = host

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, if we started it."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which clients find it. The builder is the one that every engine has."""
        host = {"DOCKER_HOST": self._host} if self._host else {}
        return {**os.environ, **host, "DOCKER_BUILDKIT": "0"}

    def run(self, *arguments: object, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs `docker` with these arguments."""
        return subprocess.run(
            ["docker", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
        )

    def ask(self, *arguments: object, limit_s: float = 60) -> str:
        """What `docker` answers; a failure is one of the test."""
        done = self.run(*arguments, limit_s=limit_s)
        assert done.returncode == 0, f"docker {arguments}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout.strip()

    def has(self, image: str) -> bool:
        """Whether an image is there."""
        return self.run("image", "inspect", image).returncode == 0

    def build(self, tag: str, context: Path, dockerfile: Path, *options: str) -> None:
        """Builds an image with the machine's network, for packages come from there."""
        arguments = ("build", "--network=host", "--tag", tag, "--file", dockerfile, *options)
        self.ask(*arguments, context, limit_s=_BUILD_LIMIT_S)

    def base(self) -> str:
        """An image with Python: one that is there, else a minimal Debian, made here.

        Raises:
            EngineUnavailableError: none is there, and Debian's packages are not to be had.
        """
        made = "czujka-test-base:1"
        for image in (*_BASES, made):
            if self.has(image):
                return image
        with tempfile.TemporaryDirectory(prefix="czujka-base-") as folder:
            root = Path(folder) / "root"
            _debootstrap(root)
            archive = Path(folder) / "root.tar"
            devices = [f"--exclude=./{name}/*" for name in ("proc", "sys", "dev", "var/cache/apt")]
            subprocess.run(
                ["tar", "-C", str(root), "--one-file-system", *devices, "-cf", str(archive), "."],
                check=True,
                capture_output=True,
            )
            self.ask("import", archive, made, limit_s=120)
        return made

    def kafka(self, jars: Path) -> str:
        """An image of Apache Kafka from jars."""
        if not self.has(KAFKA_IMAGE):
            folder = Path(__file__).with_name("kafka-image")
            with tempfile.TemporaryDirectory(prefix="czujka-kafka-image-") as context:
                shutil.copytree(jars, Path(context) / "libs")
                shutil.copy(folder / "start.sh", context)
                base = f"--build-arg=BASE={self.base()}"
                self.build(KAFKA_IMAGE, Path(context), folder / "Dockerfile", base)
        return KAFKA_IMAGE


class OwnEngine(Engine):
    """Docker's engine, started by us.

    Raises:
        EngineUnavailableError: it did not start; the end of its log is in the message.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="czujka-engine-"))
        super().__init__(f"unix://{self._folder}/socket")
        data = ("data-root", "exec-root", "pidfile")
        self._child = Child(
            [
                "dockerd",
                f"--host={self._host}",
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
                "--log-level=warn",
                *(f"--{name}={self._folder / name}" for name in data),
            ],
            self._folder / "log",
        )
        deadline = time.monotonic() + _READY_LIMIT_S
        while self.run("version").returncode != 0:
            if not self._child.running or time.monotonic() > deadline:
                said = self._child.tail(3)
                self.close()
                raise EngineUnavailableError(f"dockerd did not start: {said}")
            time.sleep(0.2)

    def close(self) -> None:
        self._child.stop(grace_s=30)
        shutil.rmtree(self._folder, ignore_errors=True)


def open_engine() -> Engine:
    """The engine that answers, or one of ours; close it after use.

    Raises:
        EngineUnavailableError: there is none; the message says what lacks.
    """
    lacking = what_lacks(SCRIPT)
    if shutil.which("docker") is not None:
        engine = Engine(None)
        if engine.run("version").returncode == 0:
            return engine
    if lacking:
        raise EngineUnavailableError(f"no Docker engine answers; {lacking}")
    return OwnEngine()


def _debootstrap(root: Path) -> None:
    """A minimal Debian of this machine's release, which takes packages as this machine does."""
    release = dict(
        line.replace('"', "").split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    done = subprocess.run(
        [
            "debootstrap",
            "--variant=minbase",
            "--include=python3-venv,ca-certificates",
            release.get("VERSION_CODENAME", "bookworm"),
            str(root),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        raise EngineUnavailableError(f"debootstrap: {(done.stdout + done.stderr).strip()[-300:]}")
    # A proxy or mirror between here and the packages has an authority of its own.
    for name in ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf"):
        if Path("/", name).exists():
            shutil.copy(Path("/", name), root / name)
