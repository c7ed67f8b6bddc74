"""deploy/compose.yaml started by compose: all of it but Grafana, which Debian has no package of.

Images that cannot be pulled are made here from Debian's programs and Kafka's jars, and take the
places of those that the file names. Nothing else is changed but the ports, the speed of the
simulator and how often Prometheus looks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.embedded import free_port
from tests.deploy.monitoring import ROOT
from tests.support.engine import Engine, EngineUnavailableError
from tests.support.kafka import KafkaUnavailableError, resolve_jars
from tests.support.monitoring_tools import need_monitoring_tools
from tests.support.roles import until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(540)]

DEPLOY = ROOT / "deploy"
INTERVAL = "200ms"
ROLES = ("score", "watch", "exporter", "console", "connect-simulator")
MONITORING = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
"""Debian's name of a program; the data lie in a folder of the image that the file names."""
SHARED = Path("/usr/share/prometheus/alertmanager")


class Compose:
    """A project of compose.

    Args:
        engine: where.
        folder: with its file.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._program = _compose(engine)
        self._file = folder / "compose.yaml"
        self._name = f"czujka-test-{os.getpid()}"

    def run(self, *arguments: str, limit_s: float = 180) -> str:
        """What compose answers; a failure is one of the test."""
        argv = [*self._program, "--project-directory", str(DEPLOY), "-p", self._name]
        done = subprocess.run(
            [*argv, "-f", str(self._file), *arguments],
            env=self._engine.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        (container,) = self.run("ps", "--quiet", service).split()
        state: dict[str, Any] = json.loads(
            self._engine.ask("inspect", container, "--format={{json .State}}")
        )
        return state

    def healthy(self, service: str) -> bool:
        """Whether a service is, as its image says."""
        return bool(self.state(service)["Health"]["Status"] == "healthy")


def _compose(engine: Engine) -> list[str]:
    if engine.run("compose", "version").returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("no compose on this machine (on Debian: apt-get install docker-compose)")


def _image_of(engine: Engine, name: str) -> str:
    """An image with a program of this machine, in the place of the one that the file names."""
    tag = f"czujka-test-{name}:1"
    program = shutil.which(MONITORING[name])
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="czujka-image-") as context:
        shutil.copy(program, Path(context) / "program")
        shutil.copytree(SHARED, Path(context) / "shared")
        Path(context, "Dockerfile").write_text(
            f"ARG BASE\nFROM ${{BASE}}\nCOPY program /bin/program\nCOPY shared {SHARED}\n"
            f"RUN mkdir /{name} && chown 65534 /{name}\nUSER 65534\n"
            f'VOLUME /{name}\nENTRYPOINT ["/bin/program"]\n'
        )
        base = f"--build-arg=BASE={engine.base()}"
        engine.build(tag, Path(context), Path(context, "Dockerfile"), base)
    return tag


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("console", "prometheus", "alertmanager")}


@pytest.fixture(scope="module")
def compose(
    engine: Engine, image: str, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compose]:
    """The product, started."""
    need_monitoring_tools()
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)
    try:
        images = {name: _image_of(engine, name) for name in MONITORING}
        images["kafka"] = engine.kafka(resolve_jars())
    except (EngineUnavailableError, KafkaUnavailableError) as error:
        pytest.skip(str(error))
    project = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    del project["name"]  # compose before its second version knows no names in files
    del project["services"]["grafana"]
    for name, service in project["services"].items():
        service["image"] = images.get(name, image)
        service.pop("build", None)
    for name, port in ports.items():
        (published,) = project["services"][name]["ports"]
        project["services"][name]["ports"] = [f"127.0.0.1:{port}:{published.split(':')[-1]}"]
    simulator = project["services"]["connect-simulator"]
    simulator["command"] = ["connect", "simulator", "--speed", "3600", "--days", "4"]
    prometheus = project["services"]["prometheus"]
    often = folder / "prometheus.yaml"
    often.write_text(_often((DEPLOY / "monitoring/prometheus.yaml").read_text()))
    often.chmod(0o644)
    prometheus["volumes"] = [
        mount.replace("./monitoring/prometheus.yaml", str(often)) for mount in prometheus["volumes"]
    ]
    (folder / "compose.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
    compose = Compose(engine, folder)
    try:
        compose.run("up", "--detach")
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "10")


def _often(text: str) -> str:
    configuration = yaml.safe_load(text)
    given = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), INTERVAL)
    configuration["global"] |= given
    return yaml.safe_dump(configuration)


def _answer(port: int, path: str) -> Any:
    """What a page says as JSON; none while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
            return json.load(page)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def test_the_file_is_understood_as_it_is(engine: Engine, tmp_path: Path) -> None:
    project = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    if _compose(engine) == ["docker-compose"]:
        del project["name"]
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
    shown = yaml.safe_load(Compose(engine, tmp_path).run("config"))
    assert shown["services"].keys() == project["services"].keys()
    assert "depends_on" in shown["services"]["score"]


def test_every_service_comes_up_healthy_and_a_crisis_reaches_the_one_on_call(
    compose: Compose, ports: dict[str, int]
) -> None:
    for role in ROLES:
        until(lambda role=role: compose.healthy(role), limit_s=100)
        assert not compose.state(role)["Restarting"]
    assert compose.state("topics")["ExitCode"] == 0
    targets = _answer(ports["prometheus"], "/api/v1/targets")["data"]["activeTargets"]
    assert {target["health"] for target in targets} == {"up"}, targets
    assert len(targets) == len(ROLES)
    with urllib.request.urlopen(f"http://127.0.0.1:{ports['console']}/", timeout=5) as page:
        assert "Czujka" in page.read().decode()

    seen: set[tuple[str, str, str]] = set()

    def alerted() -> bool:
        for alert in _answer(ports["alertmanager"], "/api/v2/alerts") or ():
            labels = alert["labels"]
            for receiver in alert["receivers"]:
                seen.add((labels["alertname"], labels.get("brand", ""), receiver["name"]))
        return any(name == "CzujkaCrisis" for name, _, _ in seen)

    until(alerted, limit_s=200, every_s=0.2)
    assert {told for told in seen if told[0] == "CzujkaCrisis"} == {
        ("CzujkaCrisis", "orzel-air", "brand-page")
    }
