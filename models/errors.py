"""Errors that the reader can mend."""

from __future__ import annotations


EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


class UserError(Exception):
    """Something outside the program is wrong: a setting, a file, a broker.

    The message says what is wrong, where, and how to mend it, in one line (one for each fault of
    a file). The command prints it on standard error without a traceback and ends with exit code 2.
    """
