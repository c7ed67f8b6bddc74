"""Fixtures of the deployment's tests: the real tools."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.monitoring import ROOT
from tests.support.monitoring_tools import need_monitoring_tools

RunTool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tool() -> RunTool:
    """Runs promtool or amtool from the repository's root."""
    need_monitoring_tools()

    def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in argv],
            capture_output=True,
            text=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return run
