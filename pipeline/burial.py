"""How a record that cannot be used stands in `dead-letters`."""

from __future__ import annotations

MAX_BURIED_BYTES = 512 * 1024
"""A dead letter keeps so much of its record: unpacked, and with its headers, the whole of it may be
larger than what `dead-letters` takes, and its reader would stop at it for ever."""
MAX_DETAIL_CHARS = 500


def bury(
    value: bytes, *, reason: str, detail: str, topic: str, partition: int, offset: int
) -> tuple[bytes, dict[str, bytes]]:
    """Value and headers of a dead letter.

    Args:
        value: the record as it came.
        reason: short and stable; a metric label.
        detail: what is wrong with it, for a person.
        topic: where it stands, with its prefix.
        partition: likewise.
        offset: likewise.
    """
    headers = {
        "reason": reason,
        "detail": detail[:MAX_DETAIL_CHARS],
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
    }
    if len(value) > MAX_BURIED_BYTES:
        headers["cut-from-bytes"] = str(len(value))
    return value[:MAX_BURIED_BYTES], {name: text.encode() for name, text in headers.items()}
