"""The image on a Docker engine: built, looked into, and at work on a Kafka in a container.

Where no engine can be had the reason is said; nothing else is a reason to skip.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from models.errors import EXIT_CONFIGURATION
from pipeline.child import Child
from pipeline.embedded import free_port
from pipeline.settings import Settings
from tests.deploy.monitoring import ROOT
from tests.e2e.conftest import IMAGE
from tests.e2e.desk import ROLES, Desk, tell_the_story
from tests.support.engine import Engine, EngineUnavailableError
from tests.support.kafka import IMAGE_VARIABLE, ContainerKafka, KafkaUnavailableError, resolve_jars
from tests.support.roles import DEMO_WATCHLIST

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]

SEALED = (
    "--network=host",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
"""As compose and the manifests run it, but for the network: tests keep to loopback."""
BUILDERS = "cc gcc g++ clang tcc ld as make cmake go rustc cargo pip pip3 git"


@pytest.fixture(scope="module")
def kafka(engine: Engine) -> Iterator[ContainerKafka]:
    """Kafka by testcontainers, in the image that is there or in one made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.environment.get("DOCKER_HOST", ""))
        if not os.environ["DOCKER_HOST"]:
            patch.delenv("DOCKER_HOST")
        try:
            if IMAGE_VARIABLE not in os.environ:
                patch.setenv(IMAGE_VARIABLE, engine.kafka(resolve_jars()))
            container = ContainerKafka()
        except (EngineUnavailableError, KafkaUnavailableError) as error:
            pytest.skip(str(error))
        with container:
            yield container


def memory_limits() -> dict[str, str]:
    """What the manifests allow each role, as an engine writes it."""
    limits = {}
    for file in (ROOT / "deploy/base").glob("*.yaml"):
        for manifest in yaml.safe_load_all(file.read_text()):
            if manifest.get("kind") in ("Deployment", "StatefulSet"):
                (container,) = manifest["spec"]["template"]["spec"]["containers"]
                memory = container["resources"]["limits"]["memory"]
                limits[container["name"]] = memory.removesuffix("i").lower()
    return limits


class Containers:
    """Starts commands in sealed containers of the image.

    Args:
        engine: where.
        shared: a folder that they may write to, at the same place inside.
    """

    def __init__(self, engine: Engine, shared: Path) -> None:
        self._engine, self._shared = engine, shared
        self._limits = memory_limits()
        shared.mkdir()
        shared.chmod(0o777)

    def __call__(
        self, name: str, arguments: Sequence[str], variables: Mapping[str, str], log: Path
    ) -> Child:
        limit = self._limits[arguments[0]]
        argv = ["docker", "run", "--rm", f"--name={self.name(name)}", *SEALED]
        argv += ["--health-interval=3s", f"--memory={limit}", f"--memory-swap={limit}"]
        argv += [f"--volume={DEMO_WATCHLIST}:{DEMO_WATCHLIST}:ro"]
        argv += [f"--volume={self._shared}:{self._shared}"]
        for variable, value in variables.items():
            argv += ["--env", f"{variable}={value}"]
        return Child([*argv, IMAGE, *arguments], log, self._engine.environment)

    def remove(self) -> None:
        """Removes those that did not end in time."""
        left = self._engine.ask("ps", "--all", "--quiet", f"--filter=name={self.name('')}")
        if left:
            self._engine.run("rm", "--force", *left.split())

    def name(self, name: str) -> str:
        return f"czujka-test-{os.getpid()}-{name}"

    def health(self, name: str) -> str:
        """What the engine thinks of a container's health."""
        return self._engine.ask("inspect", self.name(name), "--format={{.State.Health.Status}}")

    def inside(self, name: str, line: str) -> str:
        """What a shell line says inside."""
        done = self._engine.run("exec", self.name(name), "sh", "-c", line)
        return (done.stdout + done.stderr).strip()


def test_the_image_has_no_tools_to_build_with_and_knows_what_it_is_made_of(
    engine: Engine, image: str, record_property: pytest.RecordProperty
) -> None:
    def inside(line: str) -> str:
        return engine.ask("run", "--rm", *SEALED, "--entrypoint=sh", image, "-c", line)

    assert inside(f"for name in {BUILDERS}; do command -v $name; done; true") == ""
    assert inside("id -u") == "10001"
    record_property("size_bytes", engine.ask("inspect", image, "--format={{.Size}}"))
    bill = json.loads(inside("cat /opt/czujka/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "czujka"
    found = {
        (part["name"].lower().replace("_", "-"), part["version"]) for part in bill["components"]
    }
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {tuple(line.lower().replace("_", "-").split("==")) for line in lines}
    assert {part for part in found - pinned if part[0] != "czujka"} == set()
    assert {"faust-streaming", "river", "websockets", "feedparser", "opentelemetry-sdk"} <= {
        name for name, _ in found
    }


@pytest.mark.parametrize("role", [*ROLES, "connect simulator"])
def test_a_role_without_a_broker_says_one_line_and_ends(
    engine: Engine, image: str, role: str
) -> None:
    settings = {"CZUJKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    settings |= {"CZUJKA_CONNECT_TIMEOUT_S": "1", "CZUJKA_WATCHLIST": str(DEMO_WATCHLIST)}
    variables = [f"--env={name}={value}" for name, value in settings.items()]
    volume = f"--volume={DEMO_WATCHLIST}:{DEMO_WATCHLIST}:ro"
    done = engine.run("run", "--rm", *SEALED, volume, *variables, image, *role.split())
    assert done.returncode == EXIT_CONFIGURATION
    (line,) = done.stderr.strip().splitlines()
    assert "no Kafka broker answered" in line and "CZUJKA_BOOTSTRAP_SERVERS" in line


def test_the_story_pages_from_sealed_containers_that_are_healthy(
    engine: Engine, image: str, kafka: ContainerKafka, tmp_path: Path
) -> None:
    settings = Settings(
        bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=f"image-{time.time_ns()}.",
        watchlist=DEMO_WATCHLIST,
        state_dir=Path("/var/lib/czujka"),
        host="127.0.0.1",
        console_port=free_port(),
        flush_interval_s=0.25,
    )
    shared = tmp_path / "shared"
    containers = Containers(engine, shared)
    with ExitStack() as stack:
        stack.callback(containers.remove)
        desk = Desk(settings, tmp_path, shared / "story.json", stack, containers)
        for role in ROLES:
            desk.until(
                lambda role=role: containers.health(role) == "healthy", 60, f"{role} healthy"
            )
            assert containers.inside(role, "id -u") == "10001"
            assert containers.inside(role, "grep -c '^[^ ]* / [^ ]* ro,' /proc/mounts") == "1"
            assert containers.inside(role, "grep -c 'CapEff:\\s*0*$' /proc/1/status") == "1"
        tell_the_story(desk, speed=3600)


def test_kafka_in_a_container_keeps_its_address_through_a_kill(kafka: ContainerKafka) -> None:
    address = kafka.bootstrap_servers
    kafka.kill()
    assert not kafka.running
    kafka.start()
    assert kafka.running and kafka.bootstrap_servers == address
