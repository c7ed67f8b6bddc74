"""Debian's Prometheus and Alertmanager, with their tools."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.support.lacking import lack

SCRIPT = Path(__file__).parents[1] / "deploy/tools.sh"


def need_monitoring_tools() -> None:
    """Skips the test where they are not here and are not to be had; in CI that fails it."""
    if reason := _missing():
        lack(reason)


@functools.cache
def _missing() -> str:
    done = subprocess.run(
        [str(SCRIPT)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr.strip()
