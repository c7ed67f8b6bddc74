"""Who is told: Alertmanager's configuration, held against amtool."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import RunTool
from tests.deploy.monitoring import MONITORING, alerts

FOLDER = MONITORING / "alertmanager"
SHIPPED = FOLDER / "alertmanager.yaml"
EXAMPLES = sorted((FOLDER / "examples").glob("*.yaml"))

ROUTES = [
    ("scope=brand severity=critical brand=b", "brand-page"),
    ("scope=brand severity=error brand=b", "brand-page"),
    ("scope=brand severity=warning brand=b", "brand-ticket"),
    ("scope=brand severity=info brand=b", "nobody"),
    ("scope=pipeline severity=critical", "pipeline-page"),
    ("scope=pipeline severity=warning", "pipeline-ticket"),
    ("scope=pipeline severity=none alertname=CzujkaWatchdog", "dead-mans-switch"),
    ("alertname=SomethingElse severity=critical", "pipeline-ticket"),
]


def routes_under(route: dict[str, Any]) -> list[dict[str, Any]]:
    """A route and all below it."""
    return [route] + [found for child in route.get("routes", []) for found in routes_under(child)]


def test_amtool_accepts_the_configuration_with_its_template(tool: RunTool) -> None:
    done = tool("amtool", "check-config", SHIPPED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 templates" in done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_each_example_takes_the_place_of_the_receivers(
    tool: RunTool, example: Path, tmp_path: Path
) -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())
    given = yaml.safe_load(example.read_text())
    assert set(given) == {"global", "receivers"}
    rest = re.sub(r"^(global|receivers):\n(?:[ #].*\n|\n)*", "", SHIPPED.read_text(), flags=re.M)
    (tmp_path / "alertmanager.yaml").write_text(rest + example.read_text())
    shutil.copy(FOLDER / "czujka.tmpl", tmp_path)
    done = tool("amtool", "check-config", tmp_path / "alertmanager.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {r["name"] for r in given["receivers"]} == {r["name"] for r in shipped["receivers"]}


@pytest.mark.parametrize(("labels", "receiver"), ROUTES)
def test_an_alert_reaches_who_can_act_on_it(tool: RunTool, labels: str, receiver: str) -> None:
    done = tool(
        *("amtool", "config", "routes", "test", f"--config.file={SHIPPED}"),
        *(f"--verify.receivers={receiver}", *labels.split()),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_route_leads_somewhere_that_the_table_above_visits() -> None:
    content = yaml.safe_load(SHIPPED.read_text())
    visited = {receiver for _, receiver in ROUTES}
    assert {route["receiver"] for route in routes_under(content["route"])} == visited
    assert {receiver["name"] for receiver in content["receivers"]} == visited


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name + alert.window)
def test_no_shipped_alert_falls_through_to_the_default(tool: RunTool, alert: Any) -> None:
    labels = {**alert.body["labels"], "alertname": alert.name}
    if labels["scope"] == "brand":
        labels["severity"] = "error"
    done = tool(
        *("amtool", "config", "routes", "test", f"--config.file={SHIPPED}"),
        *(f"{name}={value}" for name, value in labels.items()),
    )
    scope = labels["scope"]
    assert done.stdout.split() in ([f"{scope}-page"], [f"{scope}-ticket"], ["dead-mans-switch"])


def test_brands_are_grouped_by_brand_and_the_pipeline_is_not_mixed_in() -> None:
    route = yaml.safe_load(SHIPPED.read_text())["route"]
    (brands,) = (child for child in route["routes"] if child["matchers"] == ["scope = brand"])
    assert brands["group_by"] == ["namespace", "brand"]
    assert not any(child.get("continue") for child in routes_under(route))


def test_no_secret_stands_in_a_configuration() -> None:
    for file in (SHIPPED, *EXAMPLES):
        for line in file.read_text().splitlines():
            if line.startswith("#"):
                continue
            key = line.strip().partition(":")[0].removeprefix("- ").strip()
            secret = any(word in key for word in ("password", "routing_key", "api_url", "token"))
            assert not secret or key.endswith("_file"), f"{file.name}: {line}"
