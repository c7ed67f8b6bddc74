"""Errors that the reader can mend, and the exit codes of the command."""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
"""The work was done and the answer is no, or it could not be finished: starting again may help."""
EXIT_CONFIGURATION = 2
"""Somebody has to mend something first; see `UserError`."""
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


class UserError(Exception):
    """Something outside the program is wrong: a setting, a file, a broker.

    The message says what is wrong, where, and how to mend it, in one line (one for each fault of
    a file). The command prints it on standard error without a traceback and ends with exit code 2.
    """
