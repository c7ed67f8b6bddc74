"""The Grafana dashboards: made from code, and asking for what exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import RunTool
from tests.deploy.monitoring import MONITORING, exposed_metrics, metrics_in, records

GRAFANA = MONITORING / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))

each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def content(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def queries(file: Path) -> list[str]:
    return [target["expr"] for panel in content(file)["panels"] for target in panel["targets"]]


def test_the_files_are_those_that_the_code_makes() -> None:
    spec = importlib.util.spec_from_file_location("make", GRAFANA / "make_dashboards.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert {file.name: file.read_text() for file in FILES} == module.render()


@each
def test_every_panel_says_what_it_shows_in_which_unit(file: Path) -> None:
    panels = content(file)["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each
def test_panels_do_not_cover_each_other(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in content(file)["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


@each
def test_every_query_is_one_and_asks_for_metrics_that_exist(
    tool: RunTool, file: Path, tmp_path: Path
) -> None:
    rules = [
        {"record": f"q:{number}", "expr": query.replace("$brand", "b")}
        for number, query in enumerate(queries(file))
    ]
    written = tmp_path / "queries.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": file.stem, "rules": rules}]}))
    done = tool("promtool", "check", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr
    known = {record.name for record in records()}
    for query in queries(file):
        recorded = set(re.findall(r"\bnamespace\w*:\w+:\w+", query))
        assert metrics_in(query) <= exposed_metrics() and recorded <= known
        assert metrics_in(query) | recorded or "process_" in query


@each
def test_it_links_console_and_runbooks_and_marks_alerts(file: Path) -> None:
    board = content(file)
    assert {"Console", "Runbooks"} <= {link["title"] for link in board["links"]}
    (alerts,) = board["annotations"]["list"]
    assert alerts["expr"].startswith("ALERTS{")


def test_the_data_sources_that_panels_name_are_provisioned() -> None:
    file = GRAFANA / "provisioning/datasources/prometheus.yaml"
    provisioned = {source["uid"] for source in yaml.safe_load(file.read_text())["datasources"]}
    used = {panel["datasource"]["uid"] for file in FILES for panel in content(file)["panels"]}
    assert used <= provisioned
