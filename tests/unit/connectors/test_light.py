"""A connector's process stays small: it loads nothing of what scores and decides."""

import subprocess
import sys

HEAVY = ("faust", "numba", "river", "scipy", "sklearn")


def test_the_connect_command_loads_neither_detection_nor_sentiment() -> None:
    program = (
        "import sys, pipeline.commands.connect, connectors.bluesky, connectors.rss\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
