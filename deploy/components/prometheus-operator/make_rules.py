"""Makes the PrometheusRule of this folder from deploy/monitoring/rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "monitoring/rules"


class _Plain(yaml.SafeDumper):
    """Writes shared parts out: not every reader follows YAML's references."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def render() -> str:
    """The manifest."""
    groups = [
        group
        for file in sorted(RULES.glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "czujka"},
        "spec": {"groups": groups},
    }
    text = yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
    return f"# Made by make_rules.py from deploy/monitoring/rules: change those.\n{text}"


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(render())
    sys.exit(0)
