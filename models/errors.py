"""Errors that the reader can mend."""

from __future__ import annotations


class UserError(Exception):
    """Something outside the program is wrong: a setting, a file, a broker.

    The message says what is wrong, where, and how to mend it, in one line (one for each fault of
    a file). The command prints it on standard error without a traceback and ends with exit code 2.
    """
