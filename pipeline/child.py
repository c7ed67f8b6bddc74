"""Child processes that do not outlive us."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1
_TAIL_LINES = 15


class Child:
    """A program running beside us, with its output in a file.

    It is ended when we end: by `stop`, by Python's exit, and on Linux by the kernel even when we
    are killed. The kernel looks at the thread that started it, so start children from the main
    thread or from one that lives as long.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Starts the program; does not wait for it to be ready.

        Args:
            argv: Program and arguments.
            log: Where standard output and standard error are appended.
            environment: The whole environment; ours if none is given.
        """
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                # Out of our terminal's process group: Ctrl-C comes to us, and we end it in order.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; none while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Blocks until it ends, and returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        return self._process.wait(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it without warning (SIGKILL), and waits for it to be gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, grace_s: float = 10.0) -> None:
        """Asks it to end (SIGTERM), and kills it if it is still there after `grace_s`."""
        atexit.unregister(self.stop)
        if not self.running:
            return
        self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """The last lines of its output."""
        with self.log.open(encoding="utf-8", errors="replace") as text:
            return "".join(deque(text, maxlen=lines)).strip()

    def __enter__(self) -> Self:
        """Starts nothing more; `Child` runs from its making."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.stop()


def _die_with(parent: int):  # type: ignore[no-untyped-def]
    """What runs between fork and exec: asks the kernel to end the child with its parent."""
    # Looked up here, before the fork: after it, no lock may be taken.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return arrange
