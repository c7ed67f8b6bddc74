"""Debian's Prometheus and Alertmanager, with their tools."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.support.lacking import lack, what_lacks

SCRIPT = Path(__file__).parents[1] / "deploy/tools.sh"


def need_monitoring_tools() -> None:
    """Skips the test where they are not here and are not to be had; in CI that fails it."""
    if reason := _missing():
        lack(reason)


@functools.cache
def _missing() -> str:
    return what_lacks(SCRIPT)
