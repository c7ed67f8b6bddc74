"""The shipped Prometheus rules, held against promtool, the runbooks and the metrics there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import RunTool
from tests.deploy.monitoring import (
    ROOT,
    RULES,
    RUNBOOK_BASE,
    RUNBOOKS,
    Rule,
    alerts,
    exposed_metrics,
    headings,
    metrics_in,
    records,
    rules,
)

CASES = sorted((ROOT / "tests/deploy/rules").glob("*.yaml"))


def named(rule: Rule) -> str:
    return f"{rule.name}{rule.window}"


def expected_alerts() -> set[tuple[str, str]]:
    """Name and window of each alert that some case expects to see firing."""
    found = set()
    for case in CASES:
        for test in yaml.safe_load(case.read_text())["tests"]:
            for expected in test.get("alert_rule_test", []):
                for alert in expected["exp_alerts"]:
                    window = alert["exp_labels"].get("window", "")
                    found.add((expected["alertname"], window))
            for expected in test.get("promql_expr_test", []):
                for sample in expected["exp_samples"]:
                    labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
                    if "alertname" in labels:
                        found.add((labels["alertname"], labels.get("window", "")))
    return found


def test_promtool_accepts_the_rules_and_has_nothing_to_remark(tool: RunTool) -> None:
    done = tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES.glob("*.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_rules_fire_and_rest_as_told(tool: RunTool, case: Path) -> None:
    done = tool("promtool", "test", "rules", case)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts(), ids=named)
def test_every_alert_is_expected_to_fire_somewhere(alert: Rule) -> None:
    assert (alert.name, alert.window) in expected_alerts()


def test_there_is_a_case_in_which_nothing_but_the_watchdog_fires() -> None:
    (healthy, *_) = yaml.safe_load((CASES[0].parent / "pipeline.yaml").read_text())["tests"]
    (expected, *_) = healthy["promql_expr_test"]
    assert expected["expr"] == "ALERTS"
    assert [sample["labels"] for sample in expected["exp_samples"]] == [
        'ALERTS{alertname="CzujkaWatchdog", alertstate="firing", scope="pipeline", severity="none"}'
    ]
    shown = {name for row in healthy["input_series"] for name in metrics_in(row["series"])}
    watched = {name for alert in alerts() for name in metrics_in(alert.body["expr"])}
    assert watched - shown == set()


@pytest.mark.parametrize("alert", alerts(), ids=named)
def test_an_alert_says_what_it_is_how_bad_and_what_to_do(alert: Rule) -> None:
    labels, annotations = alert.body["labels"], alert.body["annotations"]
    assert set(annotations) >= {"summary", "description", "runbook_url"}
    assert labels["scope"] in ("brand", "pipeline")
    if labels["scope"] == "pipeline":
        assert labels["severity"] in ("critical", "warning", "none")
    assert "$value" not in str({k: v for k, v in labels.items() if k != "severity"})


@pytest.mark.parametrize("alert", alerts(), ids=named)
def test_the_runbook_of_an_alert_has_the_heading_that_is_linked(alert: Rule) -> None:
    url: str = alert.body["annotations"]["runbook_url"]
    assert url.startswith(RUNBOOK_BASE)
    page, _, heading = url.removeprefix(RUNBOOK_BASE).partition("#")
    assert page == f"{alert.name}.md"
    assert heading in [title.lower() for title in headings(RUNBOOKS / page)]


@pytest.mark.parametrize("rule", list(rules()), ids=named)
def test_a_rule_asks_for_metrics_that_exist(rule: Rule) -> None:
    known = exposed_metrics() | {record.name for record in records()}
    asked = metrics_in(str(rule.body))
    recorded = {record.name for record in records() if record.name in rule.body["expr"]}
    assert asked | recorded or rule.name in ("CzujkaWatchdog", "CzujkaTargetDown")
    assert asked <= known


def test_every_recorded_series_serves_an_alert() -> None:
    used = " ".join(alert.body["expr"] for alert in alerts())
    assert [record.name for record in records() if record.name not in used] == []
