"""The runbooks: a page an alert, and nothing in them that does not exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.cli import _parser
from tests.deploy.monitoring import RUNBOOKS, alerts, exposed_metrics, headings, metrics_in

PAGES = sorted(RUNBOOKS.glob("Czujka*.md"))
HEADINGS = ["Meaning", "Impact", "Check", "Mend", "Escalate"]


def commands(text: str) -> list[list[str]]:
    """What a text tells to run of ours: code that begins with `czujka`, bare names aside."""
    found = [shlex.split(code) for code in re.findall(r"`(czujka [^`]+)`", text)]
    found += [shlex.split(line) for line in re.findall(r"^ {4}(czujka .+)$", text, re.MULTILINE)]
    return found


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    assert {page.stem for page in PAGES} == {alert.name for alert in alerts()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_answers_the_five_questions(page: Path) -> None:
    assert headings(page) == HEADINGS
    assert page.read_text().startswith(f"# {page.stem}\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_metrics_of_a_page_exist(page: Path) -> None:
    assert metrics_in(page.read_text()) <= exposed_metrics(families=True)


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(argv, id=" ".join(argv))
        for page in PAGES
        for argv in commands(page.read_text())
    ],
)
def test_the_commands_of_the_pages_are_understood(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        _parser(argv[1:]).parse_args(argv[1:])
    except SystemExit as ended:
        assert ended.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_alerts_that_a_page_speaks_of_exist(page: Path) -> None:
    known = {alert.name for alert in alerts()}
    assert set(re.findall(r"\bCzujka[A-Z]\w+", page.read_text())) <= known
