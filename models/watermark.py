"""Event time of one partition of `posts`, from the heartbeats that stand in it.

A pure function of the partition's records in their order: which buckets are complete, and what
share of the connectors was there to say so.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

import msgspec

from models.detection.base import BUCKET_MS
from models.tally import Close

FORGET_AFTER_MS = 7 * 24 * 3600 * 1000
"""A connector silent for this long is no longer waited for, nor missed."""
MAX_STRETCHES = 4
"""Lost stretches that are told apart for one connector, before they are over."""
MAX_MEMO_BYTES = 3_500
"""Kafka keeps 4 096 bytes beside a committed offset by default."""


_Stretch = tuple[int, int]
"""First and last bucket of which a source has lost posts."""


class _Source(msgspec.Struct, array_like=True):
    until_ms: int
    final: bool


class _Memo(msgspec.Struct, array_like=True):
    complete: int | None
    sources: dict[str, _Source]
    missed: dict[str, list[_Stretch]] = {}


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
        self._missed: dict[str, list[_Stretch]] = {}  # of buckets that are not complete yet
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
            self._missed = {name: list(stretches) for name, stretches in state.missed.items()}
            self.latest_ms = self._foremost_ms()

    def beat(
        self,
        source: str,
        until_ms: int,
        sent_ms: int,
        final: bool,
        gap: tuple[int, int] | None = None,
    ) -> list[Close]:
        """Takes a heartbeat; returns what it completed, ascending.

        Args:
            source: the connector.
            until_ms: it published all that it saw up to then.
            sent_ms: its wall clock.
            final: it has ended.
            gap: a stretch, milliseconds since the epoch, of which it has lost posts. It does not
                count as live in buckets there that are not complete yet.
        """
        if gap is not None and gap[0] < gap[1]:
            self._miss(source, gap[0] // BUCKET_MS, (gap[1] - 1) // BUCKET_MS)
        known = self._sources.get(source)
        if known is not None:
            until_ms = max(until_ms, known.until_ms)
        self._sources[source] = _Source(until_ms, final)
        closes = self._close(sent_ms)
        self.latest_ms = self._foremost_ms()
        return closes

    def _miss(self, source: str, first: int, last: int) -> None:
        """Notes lost posts; so many stretches that the memo would grow become one."""
        if self.complete is not None:
            first = max(first, self.complete + 1)
        if first > last:
            return
        stretches = [*self._missed.get(source, []), (first, last)]
        if len(stretches) > MAX_STRETCHES:
            stretches = [(min(s[0] for s in stretches), max(s[1] for s in stretches))]
        self._missed[source] = stretches

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
        missed = {name: self._missed[name] for name in ordered if name in self._missed}
        text = msgspec.json.encode(_Memo(self.complete, ordered, missed)).decode()
        return text if len(text) <= MAX_MEMO_BYTES else _pack(text)

    def _close(self, sent_ms: int) -> list[Close]:
        open_sources = {name: s for name, s in self._sources.items() if not s.final}
        if open_sources:
            foremost = max(s.until_ms for s in open_sources.values())
            for name, s in open_sources.items():
                if foremost - s.until_ms > FORGET_AFTER_MS:
                    del self._sources[name]
            known = {
                n: s for n, s in open_sources.items() if foremost - s.until_ms <= FORGET_AFTER_MS
            }
            live = {n: s for n, s in known.items() if foremost - s.until_ms <= self._blind_after_ms}
            watermark_ms = min(s.until_ms for s in live.values()) - self._lateness_ms
        else:
            # Every source has ended: nothing more will come, so what it spoke of is complete.
            live = known = self._sources
            watermark_ms = max(s.until_ms for s in self._sources.values()) + BUCKET_MS
        complete = watermark_ms // BUCKET_MS - 1
        if self.complete is not None and complete <= self.complete:
            return []
        closes = [
            Close(bucket, len(live) - self._missing(live, bucket), len(known), sent_ms)
            for bucket in self._steps(complete)
        ]
        self.complete = complete
        self._missed = {
            name: left
            for name, stretches in self._missed.items()
            if (left := [stretch for stretch in stretches if stretch[1] > complete])
        }
        return closes

    def _steps(self, complete: int) -> list[int]:
        """The last buckets of stretches in which the same sources have lost posts."""
        after = -1 if self.complete is None else self.complete
        ends = {
            end
            for stretches in self._missed.values()
            for first, last in stretches
            for end in (first - 1, last)
            if after < end < complete
        }
        return [*sorted(ends), complete]

    def _missing(self, live: Mapping[str, _Source], bucket: int) -> int:
        """How many of the live sources have lost posts of a bucket."""
        return sum(
            any(first <= bucket <= last for first, last in self._missed.get(name, ()))
            for name in live
        )
