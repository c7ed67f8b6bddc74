"""Where a source goes on after a restart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from connectors.errors import ConfigurationError, FatalError


class Cursors(Protocol):
    """Keeps one cursor for each source."""

    def load(self, source: str) -> str | None:
        """The cursor that was saved last, None if there is none."""
        ...

    def save(self, source: str, cursor: str) -> None:
        """Keeps a cursor in place of the one before; either the old or the new one survives."""
        ...


class MemoryCursors:
    """Forgets everything at the end of the process: for replays and tests."""

    def __init__(self) -> None:
        self._cursors: dict[str, str] = {}

    def load(self, source: str) -> str | None:
        """The cursor that was saved last, None if there is none."""
        return self._cursors.get(source)

    def save(self, source: str, cursor: str) -> None:
        """Keeps a cursor in place of the one before."""
        self._cursors[source] = cursor


class FileCursors:
    """One small file for each source, for runs on a single machine.

    Args:
        folder: is made when the first cursor is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source: str) -> str | None:
        """The cursor that was saved last, None if there is none.

        Raises:
            ConfigurationError: the file cannot be read or is damaged.
        """
        path = self._path(source)
        try:
            content = path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: the cursor cannot be read: {error}") from error
        try:
            cursor = json.loads(content)["cursor"]
        except (ValueError, KeyError, TypeError):
            cursor = None
        if not isinstance(cursor, str):
            raise ConfigurationError(
                f"{path}: the cursor is damaged: remove the file to begin again from the start"
            )
        return cursor

    def save(self, source: str, cursor: str) -> None:
        """Keeps a cursor on disk; after a crash either the old or the new one is there, whole.

        Raises:
            FatalError: the disk does not take it.
        """
        path = self._path(source)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                json.dump({"source": source, "cursor": cursor}, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise FatalError(f"{path}: the cursor cannot be saved: {error.strerror}") from error

    def _path(self, source: str) -> Path:
        name = quote(source, safe="").replace(".", "%2E")
        return self._folder / f"{name}.json"
