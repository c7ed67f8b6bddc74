"""What a report measures on the closed buckets of a brand. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

import numpy as np
import numpy.typing as npt

from models.alert import CrisisAlert, from_ms
from models.detection.base import BUCKET_MS, Kind
from models.series import SeriesPoint
from pipeline.language import _

SMOOTH_MIN = 15
"""Peak and turning point are read off sums over this many minutes."""
CALM_MIN = 60
"""So long a stretch must be usual again before the brand counts as back at its baseline."""
CALM_SIGMAS = 2.0
DAYS_AFTER = 3
LEAST_MENTIONS_FOR_MOOD = 20
"""A mean sentiment of fewer mentions says nothing and is left out."""

Floats = npt.NDArray[np.float64]


def whole_days(begin: datetime, end: datetime) -> int:
    """Whole days between two times, from 0 to `DAYS_AFTER`."""
    return max(0, min(DAYS_AFTER, (end - begin) // timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Minutes:
    """Closed buckets as columns on an unbroken grid of minutes, each of shape (n,).

    A bucket that is missing holds zeros, and `seen` is False there.
    """

    start_ms: int
    seen: npt.NDArray[np.bool_]
    mentions: Floats
    negative: Floats
    expected: Floats
    low: Floats
    high: Floats
    usual_share: Floats
    sentiment_sum: Floats
    coverage: Floats

    @classmethod
    def of(cls, points: Sequence[SeriesPoint]) -> Minutes:
        """Lays points (ascending) out on the grid."""
        start_ms = points[0].bucket_ms if points else 0
        n = (points[-1].bucket_ms - start_ms) // BUCKET_MS + 1 if points else 0
        at = np.array([(p.bucket_ms - start_ms) // BUCKET_MS for p in points], dtype=np.int64)

        def column(values: Sequence[float]) -> Floats:
            full = np.zeros(n)
            full[at] = values
            return full

        seen = np.zeros(n, dtype=np.bool_)
        seen[at] = True
        return cls(
            start_ms=start_ms,
            seen=seen,
            mentions=column([p.mentions for p in points]),
            negative=column([p.negative for p in points]),
            expected=column([p.expected for p in points]),
            low=column([p.low for p in points]),
            high=column([p.high for p in points]),
            usual_share=column([p.expected_negative_share for p in points]),
            sentiment_sum=column([(p.sentiment or 0.0) * p.mentions for p in points]),
            coverage=column([p.coverage for p in points]),
        )

    def __len__(self) -> int:
        return len(self.mentions)

    def days_after(self, time: datetime) -> int:
        """Whole days known after a time, up to those that a report tells of."""
        end_ms = self.start_ms + len(self) * BUCKET_MS
        return whole_days(time, from_ms(end_ms)) if len(self) else 0

    def time(self, index: int) -> datetime:
        """Start of a minute."""
        return from_ms(self.start_ms + index * BUCKET_MS)

    def index(self, moment: datetime) -> int:
        """Index of the minute that holds a moment, cut to the grid's ends."""
        at = int((moment.timestamp() * 1000 - self.start_ms) // BUCKET_MS)
        return min(max(at, 0), max(0, len(self) - 1))

    def slice(self, begin: datetime, end: datetime) -> slice:
        """Minutes from `begin` to before `end`, cut to the grid."""
        first, last = (
            int((moment.timestamp() * 1000 - self.start_ms) // BUCKET_MS) for moment in (begin, end)
        )
        return slice(max(0, first), max(0, last))

    def mood(self, begin: datetime, end: datetime) -> float | None:
        """Mean sentiment of the mentions of a stretch; None where there are too few."""
        part = self.slice(begin, end)
        mentions = float(self.mentions[part].sum())
        if mentions < LEAST_MENTIONS_FOR_MOOD:
            return None
        return float(self.sentiment_sum[part].sum()) / mentions


@dataclass(frozen=True, slots=True)
class Peak:
    """The worst quarter of an hour.

    Attributes:
        at: its middle.
        per_min: negative mentions a minute (mentions, for signals of volume).
        usual_per_min: what was expected.
    """

    at: datetime
    per_min: float
    usual_per_min: float


@dataclass(frozen=True, slots=True)
class Mood:
    """Mean sentiment of a stretch that is named in words."""

    name: str
    sentiment: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """What the buckets say of an alert.

    Attributes:
        counts_negative: whether peak and course are of negative mentions, or of all.
        end: resolution, or the last known minute.
        peak: None where nothing rose above what was expected.
        turned_at: from here on less than half the peak's excess was left.
        calm_at: begin of the first usual hour after it turned (after the peak, if it did not turn).
        seen_when_fired: mentions that counted, from the onset until it fired.
        after_firing_share: share of what came between onset and end that came after it fired.
        moods: before, during, after.
        least_coverage: between onset and end.
    """

    counts_negative: bool
    end: datetime
    peak: Peak | None
    turned_at: datetime | None
    calm_at: datetime | None
    seen_when_fired: float | None
    after_firing_share: float | None
    moods: tuple[Mood, ...]
    least_coverage: float

    @property
    def residual(self) -> float | None:
        """Change of the mood from the day before to the last day after; None if unknown."""
        before = self.moods[0].sentiment if self.moods else None
        after = [m.sentiment for m in self.moods[2:] if m.sentiment is not None]
        return None if before is None or not after else after[-1] - before


def measure(alert: CrisisAlert, minutes: Minutes) -> Measures | None:
    """Measures an alert; None if its minutes are not there.

    Args:
        alert: the newest revision.
        minutes: of its brand; what lies around the alert gives baseline and recovery.
    """
    onset = alert.onset
    if len(minutes) == 0 or minutes.time(len(minutes) - 1) < onset:
        return None
    known_end = minutes.time(len(minutes) - 1) + timedelta(milliseconds=BUCKET_MS)
    end = min(alert.resolved_at or known_end, known_end)
    counts_negative = alert.kind in (Kind.SURGE_NEGATIVE, Kind.MOOD)
    counted = minutes.negative if counts_negative else minutes.mentions
    usual = _usual(alert, minutes, counts_negative)
    story = minutes.slice(onset, end)
    if not minutes.seen[story].any():
        return None
    peak_index, peak = _peak(minutes, counted, usual, story)
    turned = calm_index = None
    if peak_index is not None:
        turned = _turning(counted, usual, peak_index, story)
        from_here = peak_index if turned is None else turned
        calm_index = _calm(counted, usual, minutes.seen, from_here)
    when_fired, share_after = _early(alert, minutes, counted, story)
    return Measures(
        counts_negative=counts_negative,
        end=end,
        peak=peak,
        turned_at=None if turned is None else minutes.time(turned),
        calm_at=None if calm_index is None else minutes.time(calm_index),
        seen_when_fired=when_fired,
        after_firing_share=share_after,
        moods=_moods(alert, minutes, end, known_end),
        least_coverage=float(minutes.coverage[story][minutes.seen[story]].min()),
    )


def _usual(alert: CrisisAlert, minutes: Minutes, counts_negative: bool) -> Floats:
    """What a minute usually brings.

    From the onset on it is the rate that the alert itself took for usual, frozen when it began: the
    running expectation learns the crisis, and by its end takes it for the usual state of affairs.
    """
    usual = minutes.expected * minutes.usual_share if counts_negative else minutes.expected.copy()
    if alert.observed.minutes:
        frozen = alert.expected.negative if counts_negative else alert.expected.mentions
        begin = minutes.slice(alert.onset, alert.onset).start
        usual[begin:] = frozen / alert.observed.minutes
    return usual


def rolling_sum(values: Floats, window: int) -> Floats:
    """Centred sums over `window` neighbours; the same shape, ends padded with zeros."""
    if len(values) == 0:
        return values
    return np.convolve(values, np.ones(window), mode="full")[window // 2 :][: len(values)]


def _peak(
    minutes: Minutes, counted: Floats, usual: Floats, story: slice
) -> tuple[int | None, Peak | None]:
    excess = rolling_sum(counted - usual, SMOOTH_MIN)[story]
    if len(excess) == 0 or excess.max() <= 0:
        return None, None
    index = story.start + int(np.argmax(excess))
    return index, Peak(
        at=minutes.time(index),
        per_min=float(rolling_sum(counted, SMOOTH_MIN)[index]) / SMOOTH_MIN,
        usual_per_min=float(rolling_sum(usual, SMOOTH_MIN)[index]) / SMOOTH_MIN,
    )


def _turning(counted: Floats, usual: Floats, peak: int, story: slice) -> int | None:
    """First minute after the peak from which the excess stays below half of the peak's."""
    excess = rolling_sum(counted - usual, SMOOTH_MIN)
    above = np.flatnonzero(excess[peak : story.stop] > excess[peak] / 2)
    turned = peak + int(above[-1]) + 1
    return turned if turned < min(story.stop, len(excess)) else None


def _calm(counted: Floats, usual: Floats, seen: npt.NDArray[np.bool_], begin: int) -> int | None:
    """Begin of the first stretch from `begin` on whose sum is usual (Poisson, two sigmas)."""
    n = len(counted) - CALM_MIN + 1
    if n <= begin:
        return None
    window = np.ones(CALM_MIN)
    sums = np.convolve(counted[begin:], window, mode="valid")
    expected = np.convolve(usual[begin:], window, mode="valid")
    covered = np.convolve(seen[begin:].astype(np.float64), window, mode="valid") > CALM_MIN / 2
    calm = covered & (sums <= expected + CALM_SIGMAS * np.sqrt(np.maximum(expected, 1.0)))
    found = np.flatnonzero(calm)
    return begin + int(found[0]) if len(found) else None


def _early(
    alert: CrisisAlert, minutes: Minutes, counted: Floats, story: slice
) -> tuple[float | None, float | None]:
    if alert.fired_at is None:
        return None, None
    before = float(counted[minutes.slice(alert.onset, alert.fired_at)].sum())
    total = float(counted[story].sum())
    return before, (total - before) / total if total else None


def _moods(
    alert: CrisisAlert, minutes: Minutes, end: datetime, known_end: datetime
) -> tuple[Mood, ...]:
    day = timedelta(days=1)
    moods = [
        Mood(_("the day before"), minutes.mood(alert.onset - day, alert.onset)),
        Mood(_("during"), minutes.mood(alert.onset, end)),
    ]
    if alert.resolved_at is not None:
        for number in range(DAYS_AFTER):
            begin = end + number * day
            if begin < known_end:
                name = _("day %(number)s after", number=number + 1)
                moods.append(Mood(name, minutes.mood(begin, min(begin + day, known_end))))
    return tuple(moods)


def share_bounds(usual: float, mentions: float) -> tuple[float, float]:
    """95 % interval of a negative share among so many mentions (normal, cut to [0, 1])."""
    if mentions <= 0:
        return 0.0, 1.0
    half = 1.96 * sqrt(usual * (1 - usual) / mentions)
    return max(0.0, usual - half), min(1.0, usual + half)
