"""Compilation of the kernels, cached on disk where a place for it can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(*signatures: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles a function for fixed argument types, without the interpreter's lock.

    The machine code is kept beside the module, in the user's cache folder or in NUMBA_CACHE_DIR,
    whichever can be written first. On an installation where none can, it is compiled at each start.

    Args:
        signatures: numba signatures, at least one.

    Returns:
        A decorator.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            made = numba.njit(list(signatures), cache=True, nogil=True)(function)
        except (RuntimeError, OSError):
            # numba's words for "no place to keep it"; a fault of the code would show again here.
            made = numba.njit(list(signatures), nogil=True)(function)
        kernel: Callable[..., Any] = made
        return kernel

    return decorate
