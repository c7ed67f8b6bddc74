"""Event time of one partition of `posts`, from the heartbeats that stand in it.

A pure function of the partition's records in their order: which buckets are complete, and what
share of the connectors was there to say so.
"""

from __future__ import annotations

import base64
import zlib

import msgspec

from models.detection.base import BUCKET_MS
from models.tally import Close

FORGET_AFTER_MS = 7 * 24 * 3600 * 1000
"""A connector silent for this long is no longer waited for, nor missed."""
MAX_MEMO_BYTES = 3_500
"""Kafka keeps 4 096 bytes beside a committed offset by default."""


class _Source(msgspec.Struct, array_like=True):
    until_ms: int
    final: bool


class _Memo(msgspec.Struct, array_like=True):
    complete: int | None
    sources: dict[str, _Source]


_PACKED = "z:"

_memo_decoder = msgspec.json.Decoder(_Memo)


def _pack(text: str) -> str:
    return _PACKED + base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def _unpack(memo: str) -> str:
    return zlib.decompress(base64.b85decode(memo.removeprefix(_PACKED))).decode()


class Watermark:
    """Says which buckets of a partition are complete.

    Args:
        lateness_ms: a bucket is complete when the watermark is this far past its end.
        blind_after_ms: a connector this far behind the foremost is blind: not waited for.
        memo: `memo()` of the same partition at the offset where reading resumes; "" at its start.

    Raises:
        ValueError: the memo is not one of ours.
    """

    def __init__(self, lateness_ms: int, blind_after_ms: int, memo: str = "") -> None:
        self._lateness_ms = lateness_ms
        self._blind_after_ms = blind_after_ms
        self._sources: dict[str, _Source] = {}
        self.complete: int | None = None
        """Last complete bucket (minutes since the epoch), None before the first."""
        self.latest_ms: int | None = None
        """The foremost time any connector has spoken of."""
        if memo:
            try:
                text = _unpack(memo) if memo.startswith(_PACKED) else memo
                state = _memo_decoder.decode(text)
            except (msgspec.DecodeError, ValueError, zlib.error) as error:
                raise ValueError(f"not a watermark's memo: {error}") from error
            self.complete, self._sources = state.complete, state.sources
            self.latest_ms = self._foremost_ms()

    def beat(self, source: str, until_ms: int, sent_ms: int, final: bool) -> Close | None:
        """Takes a heartbeat; returns what it completed, if anything."""
        known = self._sources.get(source)
        if known is not None:
            until_ms = max(until_ms, known.until_ms)
        self._sources[source] = _Source(until_ms, final)
        close = self._close(sent_ms)
        self.latest_ms = self._foremost_ms()
        return close

    def is_late(self, bucket: int) -> bool:
        """Whether a bucket is already complete."""
        return self.complete is not None and bucket <= self.complete

    def _foremost_ms(self) -> int | None:
        return max((s.until_ms for s in self._sources.values()), default=None)

    def memo(self) -> str:
        """The state, small enough to lie beside a committed offset.

        Exact for some three hundred connectors. With more than fit, the live ones are left out:
        they speak again within seconds, but a bucket may close before all of them have.
        """
        text = self._encode(self._sources)
        if len(text) > MAX_MEMO_BYTES:
            foremost = self.latest_ms or 0
            silent = {
                name: s
                for name, s in self._sources.items()
                if not s.final and foremost - s.until_ms > self._blind_after_ms
            }
            while len(text := self._encode(silent)) > MAX_MEMO_BYTES:
                silent.pop(min(silent))
        return text

    def _encode(self, sources: dict[str, _Source]) -> str:
        ordered = dict(sorted(sources.items()))
        text = msgspec.json.encode(_Memo(self.complete, ordered)).decode()
        return text if len(text) <= MAX_MEMO_BYTES else _pack(text)

    def _close(self, sent_ms: int) -> Close | None:
        open_sources = {name: s for name, s in self._sources.items() if not s.final}
        if open_sources:
            foremost = max(s.until_ms for s in open_sources.values())
            for name, s in open_sources.items():
                if foremost - s.until_ms > FORGET_AFTER_MS:
                    del self._sources[name]
            known = [s for s in open_sources.values() if foremost - s.until_ms <= FORGET_AFTER_MS]
            live = [s for s in known if foremost - s.until_ms <= self._blind_after_ms]
            watermark_ms = min(s.until_ms for s in live) - self._lateness_ms
            counts = (len(live), len(known))
        else:
            # Every source has ended: nothing more will come, so what it spoke of is complete.
            watermark_ms = max(s.until_ms for s in self._sources.values()) + BUCKET_MS
            counts = (1, 1)
        complete = watermark_ms // BUCKET_MS - 1
        if self.complete is not None and complete <= self.complete:
            return None
        self.complete = complete
        return Close(complete, *counts, sent_ms)
