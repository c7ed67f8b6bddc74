"""The image on a Docker engine: built, looked into, and started without rights.

Where no engine can be had the reason is said; nothing else is a reason to skip.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from models.errors import EXIT_CONFIGURATION
from pipeline.embedded import free_port
from tests.deploy.monitoring import ROOT
from tests.e2e.desk import ROLES
from tests.support.engine import Engine, EngineUnavailableError, open_engine
from tests.support.kafka import IMAGE_VARIABLE, ContainerKafka, KafkaUnavailableError, resolve_jars
from tests.support.roles import DEMO_WATCHLIST

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]

IMAGE = "czujka:test"
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
def engine() -> Iterator[Engine]:
    try:
        engine = open_engine()
    except EngineUnavailableError as error:
        pytest.skip(str(error))
    with engine:
        yield engine


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    """The image, built from this tree."""
    try:
        base = engine.base()
    except EngineUnavailableError as error:
        pytest.skip(str(error))
    engine.build(IMAGE, ROOT, ROOT / "deploy/Dockerfile", f"--build-arg=BASE={base}")
    return IMAGE


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
    assert {"faust-streaming", "river", "aiokafka", "websockets", "feedparser"} <= {
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


def test_kafka_in_a_container_keeps_its_address_through_a_kill(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host := engine.environment.get("DOCKER_HOST"):
        monkeypatch.setenv("DOCKER_HOST", host)
    try:
        monkeypatch.setenv(IMAGE_VARIABLE, engine.kafka(resolve_jars()))
        kafka = ContainerKafka()
    except (EngineUnavailableError, KafkaUnavailableError) as error:
        pytest.skip(str(error))
    with kafka:
        address = kafka.bootstrap_servers
        kafka.kill()
        assert not kafka.running
        kafka.start()
        assert kafka.running and kafka.bootstrap_servers == address
