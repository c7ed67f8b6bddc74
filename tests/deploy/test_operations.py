"""The guides: nothing in them that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.cli import _parser
from pipeline.settings import Settings, variable
from pipeline.topics import expected_topics
from tests.deploy.manifests import render
from tests.deploy.monitoring import ROOT, alerts, exposed_metrics, metrics_in
from tests.deploy.test_runbooks import commands

PAGES = [ROOT / "docs/operations.md", ROOT / "docs/consume-alerts.md"]

each = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each
def test_metrics_variables_and_alerts_that_a_guide_names_exist(page: Path) -> None:
    text = page.read_text()
    assert metrics_in(text) <= exposed_metrics(families=True)
    named = set(re.findall(r"\bCZUJKA_[A-Z_]+\b", text))
    assert named <= {variable(field) for field in Settings.model_fields}
    known = {alert.name for alert in alerts()}
    assert set(re.findall(r"\bCzujka[A-Z]\w+", text)) <= known


@each
def test_the_pages_and_files_that_a_guide_leads_to_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"\bdeploy/[\w./-]*\w", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    "argv",
    [pytest.param(a, id=" ".join(a)) for page in PAGES for a in commands(page.read_text())],
)
def test_the_commands_of_the_guides_are_understood(argv: list[str]) -> None:
    _parser(argv[1:]).parse_args(argv[1:])
    topics = {topic.name for topic in expected_topics(Settings())}
    recreated = {argv[at + 1] for at, word in enumerate(argv) if word == "--recreate"}
    assert recreated <= topics


def test_the_table_of_sizes_is_what_the_manifests_ask_for() -> None:
    text = PAGES[0].read_text()
    rows = dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+?) \|", text, re.MULTILINE))
    names = {"connector": "connect"}
    for role in ("score", "watch", "exporter", "console", "connector"):
        (container,) = (
            container
            for manifest in render("prod")
            if manifest["kind"] in ("Deployment", "StatefulSet")
            for container in manifest["spec"]["template"]["spec"]["containers"]
            if container["name"] == names.get(role, role)
        )
        asked = [container["resources"][bound]["memory"] for bound in ("requests", "limits")]
        assert rows[role].replace(" ", "").split(",") == asked
