"""Every command of the case studies exists, takes its options, and names real files."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from pipeline.cli import _parser

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "docs" / "cases").glob("*.md"))


def commands(text: str) -> list[list[str]]:
    """Indented lines of a case, joined where they end in a backslash."""
    joined = re.sub(r"\\\n\s+", " ", text)
    return [shlex.split(line) for line in re.findall(r"^    (\S.*)$", joined, re.MULTILINE)]


def test_there_are_the_case_studies_that_were_promised() -> None:
    assert {case.stem for case in CASES} >= {
        "airlines-2015",
        "review-bombs",
        "positive-surge",
        "simulator",
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_command_of_a_case_can_be_parsed_and_its_files_are_there(case: Path) -> None:
    found = commands(case.read_text(encoding="utf-8"))
    assert found
    for words in found:
        if words[0] == "czujka":
            _parser(words[1:]).parse_args(words[1:])
        else:
            assert words[:2] == ["python", "-m"], words
            assert importlib.util.find_spec(words[2]) is not None, words
        for word in words:
            if word.startswith(("tests/", "deploy/", "bench/")):
                assert (ROOT / word).exists(), word
