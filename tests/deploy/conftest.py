"""Fixtures of the deployment's tests: the real tools."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.monitoring import ROOT
from tests.support.lacking import lack

RunTool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tools_or_reason() -> str:
    """Empty if Debian's monitoring tools are here, else why not; asked for once."""
    done = subprocess.run(
        [str(ROOT / "tests/deploy/tools.sh")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip()


@pytest.fixture
def tool(tools_or_reason: str) -> RunTool:
    """Runs promtool or amtool from the repository's root."""
    if tools_or_reason:
        lack(tools_or_reason)

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
