"""Makes the Grafana-managed alerts of this folder from deploy/monitoring/rules.

An alternative to Prometheus' own alerts for those who page through Grafana: put the file into
`/etc/grafana/provisioning/alerting/`, and give Prometheus the recording rules alone. With
both, every page comes twice.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES = HERE.parent / "rules"
TARGET = HERE / "alerting/czujka.yaml"
DATASOURCE = "czujka-prometheus"
INTERVAL = "1m"
_QUERY = re.compile(r"\{\{ with printf .*? \| query \}\}.*?\{\{ end \}\}", re.DOTALL)


def render() -> str:
    """The provisioning file."""
    groups = []
    for file in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            rules = [make_rule(rule) for rule in group["rules"] if "alert" in rule]
            if rules:
                groups.append(
                    {
                        "orgId": 1,
                        "name": group["name"],
                        "folder": "Czujka",
                        "interval": INTERVAL,
                        "rules": rules,
                    }
                )
    text = yaml.safe_dump(
        {"apiVersion": 1, "groups": groups}, sort_keys=False, width=100, allow_unicode=True
    )
    return f"# Made by make_rules.py from deploy/monitoring/rules: change those.\n{text}"


def make_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule as Grafana wants it: a query whose every answer is an alert, and a condition."""
    window = rule["labels"].get("window", "")
    slug = re.sub(r"(?<!^)(?=[A-Z])", "-", rule["alert"]).lower()
    return {
        "uid": "-".join(filter(None, (slug, window))),
        "title": " ".join(filter(None, (rule["alert"], window))),
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": DATASOURCE,
                "model": {"refId": "A", "expr": rule["expr"].strip(), "instant": True},
            },
            {
                # Prometheus has compared already: what it answers with, fires.
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": {"refId": "B", "type": "math", "expression": "$A == $A"},
            },
        ],
        "for": rule.get("for", "0s"),
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {
            "alert": rule["alert"],
            **{name: _values(text) for name, text in rule["labels"].items()},
        },
        "annotations": {name: _values(text) for name, text in rule["annotations"].items()},
    }


def _values(text: str) -> str:
    """Grafana's templates know no queries, and call the value otherwise.

    A sentence that needs a query is left out; dashboards and console show its figures.
    """
    sentences = re.split(r"(?<=\.) ", _QUERY.sub("QUERY", text).strip())
    kept = " ".join(sentence for sentence in sentences if "QUERY" not in sentence)
    return (kept or "The dashboard shows how much.").replace("$value", "$values.A.Value")


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(render())
    sys.exit(0)
