"""The page of metrics: all that a role can show, each with what to do about it."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from tests.deploy.monitoring import ROOT, exposed_metrics


def load_generator() -> Any:
    file = ROOT / "deploy/monitoring/make_metrics_page.py"
    spec = importlib.util.spec_from_file_location("make_metrics_page", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAGE = load_generator()
METRICS = list(PAGE.read_metrics())


def test_the_page_is_up_to_date() -> None:
    assert PAGE.PAGE.read_text() == PAGE.render(), "run deploy/monitoring/make_metrics_page.py"


def test_every_metric_that_a_role_shows_is_on_it_and_no_other() -> None:
    families = exposed_metrics(families=True)
    samples = {"_bucket", "_count", "_sum"}
    histograms = {m.name for m in METRICS if m.type == "histogram"}
    parts = {name + suffix for name in histograms for suffix in samples}
    assert {metric.name for metric in METRICS} == families - parts


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_says_what_it_is_and_what_to_do(metric: Any) -> None:
    assert metric.help.endswith(".") and len(metric.advice) > 20
    assert metric.unit or metric.type == "gauge"
