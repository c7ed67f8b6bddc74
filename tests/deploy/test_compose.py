"""The product on one machine: compose.yaml and the image, as far as they can be read.

Building and running the image needs an engine and a base image; that is another test's matter.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from pipeline.cli import _parser
from pipeline.settings import Settings, variable
from tests.deploy.conftest import RunTool
from tests.deploy.monitoring import MONITORING, ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OURS = {
    name: service
    for name, service in COMPOSE["services"].items()
    if service["image"].startswith("czujka:")
}


def test_all_roles_are_there_with_kafka_and_the_monitoring() -> None:
    commands = {service["command"][0] for service in OURS.values()}
    assert commands == {"topics", "score", "watch", "console", "exporter", "connect"}
    assert COMPOSE["services"].keys() - OURS.keys() == {
        "kafka",
        "prometheus",
        "alertmanager",
        "grafana",
    }


@pytest.mark.parametrize("name", OURS)
def test_a_role_runs_without_rights_and_is_understood(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["user"] == "10001:10001"
    _parser(service["command"]).parse_args(service["command"])
    environment = service["environment"]
    assert environment.keys() <= {variable(field) for field in Settings.model_fields}
    given = {key.removeprefix("CZUJKA_").lower(): value for key, value in environment.items()}
    settings = Settings(**given)
    targets = {mount.split(":")[1] for mount in service["volumes"]}
    assert str(settings.watchlist) in targets
    if name in ("watch", "connect-simulator"):
        assert str(settings.state_dir) in targets


def test_every_image_is_pinned_and_every_port_stays_on_this_machine() -> None:
    for name, service in COMPOSE["services"].items():
        image = re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", service["image"])
        assert re.search(r":v?\d+\.\d+\.\d+$", image), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_every_mount_exists() -> None:
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {mount}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {mount}"


def test_prometheus_scrapes_every_role_where_it_is(tool: RunTool) -> None:
    file = MONITORING / "prometheus.yaml"
    done = tool("promtool", "check", "config", file)
    assert done.returncode == 0, done.stdout + done.stderr
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"][0]
        for job in yaml.safe_load(file.read_text())["scrape_configs"]
    }
    roles = OURS.keys() - {"topics"}
    port = OURS["score"]["environment"]["CZUJKA_METRICS_PORT"]
    assert scraped == {f"czujka-{name}": f"{name}:{port}" for name in roles}


def test_the_image_is_built_in_stages_and_runs_as_nobody_in_particular() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["${BASE}", "${BASE}"]
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last and "HEALTHCHECK" in last
    assert not re.search(r"apt-get|gcc|build-essential", DOCKERFILE)
    copied = set(re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE))
    names = {name for line in copied for name in line.split()[:-1]}
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert names == kept and all((ROOT / name).exists() for name in names)
    variables = set(re.findall(r"\b(CZUJKA_\w+)=", DOCKERFILE))
    assert variables <= {variable(field) for field in Settings.model_fields}
