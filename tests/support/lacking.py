"""What a test does when something outside the project is not to be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lack(reason: str) -> NoReturn:
    """Skips the test with the reason; in CI, where everything is to be had, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"in CI this is no reason to skip: {reason}", pytrace=False)
    pytest.skip(reason)
