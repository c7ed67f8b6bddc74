"""What a test does when something outside the project is not to be had."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def lack(reason: str) -> NoReturn:
    """Skips the test with the reason; in CI, where everything is to be had, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI this is no reason to skip: {reason}", pytrace=False)
    pytest.skip(reason)


def what_lacks(script: Path) -> str:
    """Lets a script install what it needs; returns why it could not, "" if all is here."""
    done = subprocess.run(
        [str(script)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip() or f"{script} failed"
