"""Server-sent events, line by line (https://html.spec.whatwg.org/multipage/server-sent-events)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event."""

    name: str
    data: bytes


class EventReader:
    """Makes events of lines."""

    def __init__(self) -> None:
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, line: bytes) -> ServerEvent | None:
        """The event that ends with this line; comments and empty events give None."""
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return ServerEvent(name, b"\n".join(data)) if data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"data":
            self._data.append(value)
        return None

    def forget(self) -> None:
        """Drops the event that is being read, after a line of it was lost."""
        self._name, self._data = "", []
