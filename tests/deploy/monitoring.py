"""What is under deploy/monitoring, as the tests look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from connectors.metrics import ConnectorMetrics
from pipeline.metrics import ExporterMetrics, FeedMetrics, ScoreMetrics, WatchMetrics

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy/monitoring"
RULES = MONITORING / "rules"
RUNBOOKS = ROOT / "deploy/runbooks"
RUNBOOK_BASE = "https://runbooks.example.com/czujka/"

_METRIC = re.compile(r"(?<![\w:])czujka_[a-z_]+(?![\w:])")
_SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gauge": ("",),
}


@dataclass(frozen=True)
class Rule:
    """One rule of a file."""

    file: Path
    group: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the alert or of the recorded series."""
        name: str = self.body.get("alert") or self.body["record"]
        return name

    @property
    def window(self) -> str:
        """The window that tells alerts of one name apart."""
        window: str = self.body.get("labels", {}).get("window", "")
        return window


def rules() -> Iterator[Rule]:
    """Every rule that is shipped."""
    for file in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for body in group["rules"]:
                yield Rule(file, group["name"], body)


def alerts() -> list[Rule]:
    """The alerts among them."""
    return [rule for rule in rules() if "alert" in rule.body]


def records() -> list[Rule]:
    """The recorded series among them."""
    return [rule for rule in rules() if "record" in rule.body]


def metrics_in(text: str) -> set[str]:
    """Names of the product's metrics in a query or a text, as they are scraped."""
    return set(_METRIC.findall(text))


def exposed_metrics(families: bool = False) -> set[str]:
    """Names of every sample that a role can show; with `families`, of histograms as a whole too."""
    names = set()
    registry = CollectorRegistry()
    for make in (ScoreMetrics, WatchMetrics, FeedMetrics, ExporterMetrics, ConnectorMetrics):
        for metric in vars(make(registry)).values():
            if isinstance(metric, MetricWrapperBase):
                for family in metric.describe():
                    if families and family.type == "histogram":
                        names.add(family.name)
                    names |= {family.name + suffix for suffix in _SUFFIXES[family.type]}
    return names


def headings(page: Path) -> list[str]:
    """Headings of the second level of a Markdown page, in order."""
    return re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
