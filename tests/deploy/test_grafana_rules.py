"""The Grafana-managed alerts: the shipped rules once more, in Grafana's own terms."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.monitoring import MONITORING, alerts

GRAFANA = MONITORING / "grafana"
FILE = GRAFANA / "alerting/czujka.yaml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": r"^\d+[smhd]$"}
QUERY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["refId", "datasourceUid", "model", "relativeTimeRange"],
    "properties": {
        "refId": {"enum": ["A", "B"]},
        "queryType": {"type": "string"},
        "datasourceUid": {"type": "string"},
        "relativeTimeRange": {
            "type": "object",
            "required": ["from", "to"],
            "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
        },
        "model": {"type": "object", "required": ["refId"]},
    },
}
# After Grafana's documentation of provisioning files; unknown fields are forbidden.
RULE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["uid", "title", "condition", "data", "for", "noDataState", "execErrState"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "title": {"type": "string", "maxLength": 190},
        "condition": {"const": "B"},
        "data": {"type": "array", "items": QUERY, "minItems": 2, "maxItems": 2},
        "for": DURATION,
        "noDataState": {"enum": ["NoData", "Alerting", "OK"]},
        "execErrState": {"enum": ["Error", "Alerting", "OK"]},
        "labels": TEXTS,
        "annotations": TEXTS,
        "dashboardUid": {"type": "string"},
        "panelId": {"type": "integer"},
        "isPaused": {"type": "boolean"},
    },
}


def test_the_file_is_what_the_code_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_rules", GRAFANA / "make_rules.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert FILE.read_text() == module.render(), "run deploy/monitoring/grafana/make_rules.py"


def test_every_alert_is_there_with_its_question_patience_and_labels() -> None:
    def told(name: str, window: str, expr: str, patience: str, labels: Any) -> tuple[str, ...]:
        return name, window, expr.strip(), patience, labels["scope"]

    wanted = {
        told(a.name, a.window, a.body["expr"], a.body.get("for", "0s"), a.body["labels"])
        for a in alerts()
    }
    found = {
        told(
            rule["labels"]["alert"],
            rule["labels"].get("window", ""),
            rule["data"][0]["model"]["expr"],
            rule["for"],
            rule["labels"],
        )
        for rule in RULES
    }
    assert found == wanted
    assert len({rule["uid"] for rule in RULES}) == len(RULES) == len(wanted)
    assert len({rule["title"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_a_rule_is_valid_and_its_texts_are_in_grafanas_language(rule: dict[str, Any]) -> None:
    jsonschema.validate(rule, RULE)
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    known = {source["uid"] for source in sources["datasources"]}
    asked, condition = rule["data"]
    assert asked["datasourceUid"] in known
    assert condition["datasourceUid"] == "__expr__"
    assert set(rule["annotations"]) >= {"summary", "description", "runbook_url"}
    texts = " ".join([*rule["annotations"].values(), *rule["labels"].values()])
    assert "query" not in texts and not re.search(r"\$value\b(?!s)", texts)
    assert texts.count("{{") == texts.count("}}")
