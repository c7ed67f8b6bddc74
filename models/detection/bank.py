"""The bank: all detectors of a worker as a struct of arrays, and the lives of their signals."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.detection import columns as c
from models.detection import kernel
from models.detection.base import (
    ALL_ROWS,
    BUCKET_MS,
    Floats,
    Kind,
    Minute,
    Phase,
    Reading,
    RowSettings,
    Transition,
)
from models.detection.life import KINDS, PHASES, Life, decode_lives, encode_lives
from models.detection.settings import DEFAULT, DetectionSettings
from models.detection.signals import Scene, advance_signal, begin_signal, is_active
from models.detection.state import decode_arrays, encode_arrays
from models.detection.votes import (
    FOREST,
    N_FEATURES,
    SAMPLE,
    SELF,
    cast_votes,
    check_detectors,
    describe_slot,
    grow_forest,
)
from models.sentiment.bins import N_BINS, bin_centres

MINUTE_MS = BUCKET_MS
_BLANK_LIMIT_MIN = 125
_SHAPE_PRIOR_MIN = 180.0
_COMMON_FROM = 1.3
_COMMON_ROW_MU = 2.0
_PLATFORM_FROM = 1.6
_PLATFORM_MIN = 3
_STRIDE = 7919
"""Prime step through the rows when sampling stretches for the forest."""
_MOOD_EXTRA = math.log(4.0)
"""The budget is one promise for all that pages: of it `mood` gets a quarter."""
_BLIND_MIN = 5
_Z95 = 1.959964


def likelihood_ratios(calibration_negative_share: float) -> Floats:
    """Likelihood ratio, negative against not, of each bin of P(negative), shape (N_BINS,)."""
    p = bin_centres()
    prior = calibration_negative_share
    return np.asarray(p / (1.0 - p) * (1.0 - prior) / prior, dtype=np.float64)


class TwoNullBank:
    """Detectors and alert lives of many brands (`models.detection.base.Bank`).

    Deterministic: the result depends on the minutes taken alone. Rows share two pooled figures,
    the shape of the week and the factor by which all rise together; both follow from the saved
    state.
    """

    def __init__(self, rows: Sequence[RowSettings], settings: DetectionSettings = DEFAULT) -> None:
        for r, row in enumerate(rows):
            if row.false_alarms <= 0 or row.period_min <= 0:
                raise ValueError(
                    f"row {r}: false alarms ({row.false_alarms}) and period_min "
                    f"({row.period_min}) must be positive"
                )
        n = len(rows)
        self.rows = tuple(rows)
        self.settings = settings
        self.thresholds = np.array([math.log(r.period_min / r.false_alarms) for r in rows])
        self.minute = -1
        self.core = np.zeros((n, c.N_CORE))
        self.season_n = np.zeros((n, c.HOURS), dtype=np.float32)
        self.season_t = np.zeros((n, c.HOURS), dtype=np.uint16)
        self.ring = np.zeros((n, c.N_SLOTS, c.N_RING), dtype=np.float32)
        self.shape = np.ones(c.HOURS)
        self.lives: dict[tuple[int, int], Life] = {}
        self.sample = np.zeros((0, N_FEATURES), dtype=np.float32)
        self.together_min = 0  # minutes that all have been rising together
        self._voters = check_detectors(settings.detectors)
        self._forest: Any = None  # grown from the sample when first asked
        self._rise = 1.0
        self._offsets = np.array([r.utc_offset_min for r in rows], dtype=np.int64)
        self._planned = [r for r, row in enumerate(rows) if row.events]
        self._ratios = likelihood_ratios(settings.calibration_negative_share)
        self._out = np.zeros((n, c.N_OUT))

    # --- one minute ---------------------------------------------------------------------------

    def step(self, minute: Minute) -> tuple[Reading, list[Transition]]:
        """Takes the next bucket; minutes left out count as blind.

        Raises:
            ValueError: the bucket does not follow the one before, or shapes differ.
        """
        at = self._check(minute)
        transitions: list[Transition] = []
        refresh = False
        if self.minute >= 0 and at > self.minute + 1:
            first = self.minute + 1
            blanks = min(at - first, _BLANK_LIMIT_MIN)
            for blank in range(first, first + blanks):
                transitions += self._take(blank, _blank_minute(blank, len(self.rows)), False)
            self.core[:, c.BLIND] += at - first - blanks
            refresh = True
        transitions += self._take(at, minute, refresh)
        return self._read(minute.bucket_ms), transitions

    def _check(self, minute: Minute) -> int:
        n = len(self.rows)
        if minute.bucket_ms % BUCKET_MS:
            raise ValueError(f"bucket {minute.bucket_ms} does not start at a full minute")
        at = minute.bucket_ms // BUCKET_MS
        if at <= self.minute:
            raise ValueError(
                f"bucket {minute.bucket_ms} does not follow {self.minute * BUCKET_MS}; "
                "buckets must come in strictly increasing order"
            )
        for field in dataclasses.fields(minute):
            if field.name == "bucket_ms":
                continue
            wanted = (n, N_BINS) if field.name.endswith("histogram") else (n,)
            shape = np.shape(getattr(minute, field.name))
            if shape != wanted:
                raise ValueError(f"minute.{field.name} has shape {shape}, expected {wanted}")
        return at

    def _take(self, at: int, minute: Minute, refresh: bool) -> list[Transition]:
        self.minute = at
        kernel.begin_minute(
            at,
            self.core,
            self.season_n,
            self.season_t,
            self.ring,
            self.shape,
            self._offsets,
            refresh,
        )
        if at % 60 == 0:
            self._pool_shape(at)
        if at % c.SLOT_MIN == 0 and self._voters:
            self._sample_stretch(at)
        self._rise = self._common_rise()
        self.together_min = self.together_min + 1 if self._rise >= _PLATFORM_FROM else 0
        widened = np.zeros(len(self.rows), dtype=np.bool_)
        for r in self._planned:
            begin, end = at * BUCKET_MS, (at + 1) * BUCKET_MS
            widened[r] = any(e.from_ms < end and e.to_ms > begin for e in self.rows[r].events)
        kernel.step_rows(
            at,
            self.core,
            self.ring,
            _floats(minute.histogram),
            _floats(minute.late_histogram),
            _floats(minute.copies),
            _floats(minute.authors),
            _floats(minute.negative_authors),
            _floats(minute.reach),
            _floats(minute.negative_reach),
            _floats(minute.coverage),
            self._ratios,
            self._rise,
            widened,
            self._offsets,
            self.settings.prior_negative_share,
            self._out,
        )
        return self._live(at, minute)

    def _pool_shape(self, at: int) -> None:
        """Refreshes the pooled shape of the hour that just ended from all rows' seasons."""
        if len(self.rows) == 0:
            return
        hour = (at // 60 + 71) % c.HOURS
        level = (self.core[:, c.LEVEL_N] + 0.1) / (self.core[:, c.LEVEL_T] + 60.0)
        posts = self.season_n[:, hour] / np.maximum(level, 1e-4)
        minutes = self.season_t[:, hour] / c.EXPOSURE_SCALE
        # Exact sums: the order of the rows must not matter.
        pooled = (math.fsum(posts.tolist()) + _SHAPE_PRIOR_MIN) / (
            math.fsum(minutes.tolist()) + _SHAPE_PRIOR_MIN
        )
        self.shape[hour] = min(max(pooled, 0.05), 20.0)

    def _common_rise(self) -> float:
        """Factor by which the median row is above its expectation, 1 where that is not much."""
        mu = self.core[:, c.SHORT_MU]
        rows = (mu >= _COMMON_ROW_MU) & (self.core[:, c.AGE] >= kernel.WARM_UP_MIN)
        if np.count_nonzero(rows) < self.settings.pool_min_rows:
            return 1.0
        rise = float(np.median(self.core[rows, c.SHORT_N] / mu[rows]))
        return rise if rise >= _COMMON_FROM else 1.0

    def _sample_stretch(self, at: int) -> None:
        """Keeps the stretch that just ended of one row, for the forest over all brands."""
        if len(self.rows) == 0:
            return
        r = (at // c.SLOT_MIN * _STRIDE) % len(self.rows)
        slot = self.ring[r, (at // c.SLOT_MIN - 1) % c.N_SLOTS]
        if slot[c.RING_S] <= 0.0:
            return
        share = float(kernel.share_of(self.core[r], self.settings.prior_negative_share))
        self._forest = None
        added = describe_slot(slot, share)[None]
        self.sample = np.concatenate([self.sample[-SAMPLE + 1 :], added])

    # --- the lives ----------------------------------------------------------------------------

    def _live(self, at: int, minute: Minute) -> list[Transition]:
        out, h = self._out, self.thresholds
        hot = {
            Kind.SURGE_NEGATIVE: out[:, c.OUT_CRISIS] >= h - self.settings.pending_margin,
            Kind.SURGE: out[:, c.OUT_SURGE] >= h,
            Kind.MOOD: out[:, c.OUT_MOOD] >= h + _MOOD_EXTRA,
            Kind.COORDINATED: out[:, c.OUT_COPY] >= h,
            Kind.COVERAGE: (self.core[:, c.BLIND] >= _BLIND_MIN)
            & (self.core[:, c.AGE] >= _BLIND_MIN),
        }
        due = set(self.lives)
        if self.together_min >= _PLATFORM_MIN:
            due.add((ALL_ROWS, _SURGE))
        if self._all_blind(hot[Kind.COVERAGE]):
            due.add((ALL_ROWS, _COVERAGE))
            hot[Kind.COVERAGE] = np.zeros(len(self.rows), dtype=np.bool_)
        for k, kind in enumerate(KINDS):
            due.update((int(r), k) for r in np.flatnonzero(hot[kind]))
        transitions = []
        for key in sorted(due):
            found = self._live_one(key, at, minute)
            if found is not None:
                transitions.append(found)
        return transitions

    def _all_blind(self, blind: npt.NDArray[np.bool_]) -> bool:
        """Whether no brand that has been watched for a while is seen: one cause, one alert."""
        return bool(blind.any()) and not (~blind & (self.core[:, c.AGE] >= _BLIND_MIN)).any()

    def _scene(self, key: tuple[int, int], at: int, minute: Minute) -> Scene:
        r, k = key
        if r == ALL_ROWS:
            return self._scene_of_all(k, at, minute)
        return Scene.of(
            row=r,
            kind=KINDS[k],
            at=at,
            core=self.core[r],
            ring=self.ring[r],
            out=self._out[r],
            minute=minute,
            threshold=float(self.thresholds[r]) + (_MOOD_EXTRA if k == _MOOD else 0.0),
            settings=self.settings,
            row_settings=self.rows[r],
            crisis_active=is_active(self.lives.get((r, _CRISIS))),
            crisis_recent=(r, _CRISIS) in self.lives,
            together=self._rise > 1.0,
        )

    def _scene_of_all(self, k: int, at: int, minute: Minute) -> Scene:
        """All brands as one: sums of what was seen, or blindness alone.

        Of lost coverage nothing else is told, so that the banks of several workers, which see
        other brands and the same coverage, tell the same.
        """
        core, ring = np.zeros(c.N_CORE), np.zeros((c.N_SLOTS, c.N_RING))
        out = np.zeros(c.N_OUT)
        figures = [0.0] * 5
        statistic, threshold = self._rise, _PLATFORM_FROM
        if k == _COVERAGE:
            aged = self.core[:, c.AGE] >= _BLIND_MIN
            statistic = float(self.core[aged, c.BLIND].min(initial=np.inf))
            statistic, threshold = min(statistic, 1e6), float(_BLIND_MIN)
            core[c.BLIND] = statistic
        else:
            core, ring, out = self.core.sum(axis=0), self.ring.sum(axis=0), self._out.sum(axis=0)
            columns = ("authors", "negative_authors", "reach", "negative_reach")
            figures = [float(getattr(minute, name).sum()) for name in columns]
            figures.append(float(minute.platforms.max(initial=0.0)))
        return Scene(
            row=ALL_ROWS,
            kind=KINDS[k],
            at=at,
            core=core,
            ring=ring,
            posts=float(out[c.OUT_N]),
            negative=float(out[c.OUT_H]),
            expected=float(out[c.OUT_MU]),
            variance=float(out[c.OUT_VAR]),
            share=float(out[c.OUT_SHARE]) / len(self.rows),
            statistic=statistic,
            threshold=threshold,
            authors=figures[0],
            negative_authors=figures[1],
            reach=figures[2],
            negative_reach=figures[3],
            platforms=figures[4],
            coverage=float(minute.coverage.mean()),
            settings=self.settings,
            row_settings=RowSettings(),
            together_min=self.together_min,
        )

    def _live_one(self, key: tuple[int, int], at: int, minute: Minute) -> Transition | None:
        r, k = key
        scene = self._scene(key, at, minute)
        life = self.lives.get(key)
        if life is None:
            begun = begin_signal(scene)
            if begun is None:
                return None
            self.lives[key], transition = begun
            return self._with_votes(transition, key)
        kept, transition_ = advance_signal(life, scene)
        if r != ALL_ROWS and transition_ is not None and transition_.phase is Phase.RESOLVED:
            self._reset_tests(r, KINDS[k])
        if not kept:
            del self.lives[key]
        return None if transition_ is None else self._with_votes(transition_, key)

    def _with_votes(self, transition: Transition, key: tuple[int, int]) -> Transition:
        """Adds what the test and the second opinions say."""
        r = key[0]
        onset = transition.onset_ms // BUCKET_MS
        excess = transition.statistic - transition.threshold
        votes = {SELF: 1.0 / (1.0 + math.exp(-min(max(excess, -50.0), 50.0)))}
        share = transition.baseline["negative_share"]
        if transition.kind is not Kind.COVERAGE and r != ALL_ROWS:
            if self._forest is None and FOREST in self._voters:
                self._forest = grow_forest(self.sample)
            votes |= cast_votes(self._voters, self.ring[r], self.minute, onset, share, self._forest)
        return dataclasses.replace(transition, votes=votes)

    def _reset_tests(self, r: int, kind: Kind) -> None:
        row = self.core[r]
        if kind in (Kind.SURGE_NEGATIVE, Kind.MOOD):
            row[c.CRISIS : c.BENIGN_AGE + c.N_ALT] = 0.0
        elif kind is Kind.SURGE:
            row[c.SURGE : c.SURGE_AGE + c.N_SURGE] = 0.0
        elif kind is Kind.COORDINATED:
            row[c.COPY_R] = row[c.COPY_AGE] = 0.0

    def _read(self, bucket_ms: int) -> Reading:
        mu, var = self._out[:, c.OUT_MU], self._out[:, c.OUT_VAR]
        low, high = gamma_interval(mu, var)
        return Reading(
            bucket_ms=bucket_ms,
            expected=mu.copy(),
            low=low,
            high=high,
            expected_negative_share=self._out[:, c.OUT_SHARE].copy(),
            statistic=self._out[:, c.OUT_CRISIS].copy(),
            threshold=self.thresholds.copy(),
        )

    # --- saving -------------------------------------------------------------------------------

    def save(self) -> bytes:
        """The whole state; the same state gives the same bytes."""
        arrays = self._row_arrays(range(len(self.rows)))
        arrays["minute"] = np.array([self.minute], dtype=np.int64)
        arrays["shape"] = self.shape
        arrays["sample"] = self.sample
        arrays["together_min"] = np.array([self.together_min], dtype=np.int64)
        return encode_arrays(arrays)

    def load(self, state: bytes) -> None:
        """Restores `save` and continues exactly.

        Raises:
            ValueError: the state is damaged, foreign, or of a bank with other rows.
        """
        arrays = decode_arrays(state)
        n = len(self.rows)
        if not {"minute", "shape", "sample", "together_min"} <= arrays.keys():
            raise ValueError("this is the state of single rows; use load_rows")
        self._put_rows(range(n), arrays)
        self.minute = int(arrays["minute"][0])
        self.shape = arrays["shape"]
        self.sample = arrays["sample"]
        self._forest = None
        self.together_min = int(arrays["together_min"][0])

    def save_rows(self, rows: Sequence[int]) -> bytes:
        """The state of some rows and of what concerns all, to be put into other positions."""
        return encode_arrays(self._row_arrays(rows))

    def load_rows(self, rows: Sequence[int], state: bytes) -> None:
        """Puts saved rows at the given positions, in the order they were saved.

        Raises:
            ValueError: the state is damaged, foreign, or of another number of rows.
        """
        self._put_rows(rows, decode_arrays(state))

    def _row_arrays(self, rows: Sequence[int]) -> dict[str, npt.NDArray[Any]]:
        index = np.asarray(rows, dtype=np.int64)
        place = {int(r): i for i, r in enumerate(index)}
        lives = [
            dataclasses.replace(life, row=place[r])
            for (r, _), life in sorted(self.lives.items())
            if r in place
        ]
        return {
            "core": self.core[index],
            "season_n": self.season_n[index],
            "season_t": self.season_t[index],
            "ring": self.ring[index],
            "lives": encode_lives(lives),
            "lives_of_all": encode_lives(
                [life for (r, _), life in sorted(self.lives.items()) if r == ALL_ROWS]
            ),
        }

    def _put_rows(self, rows: Sequence[int], arrays: dict[str, npt.NDArray[Any]]) -> None:
        index = np.asarray(rows, dtype=np.int64)
        arrays = _with_new_columns(arrays)
        for name in ("core", "season_n", "season_t", "ring"):
            mine, saved = getattr(self, name), arrays.get(name)
            wanted = (len(index), *mine.shape[1:])
            if saved is None or saved.shape != wanted or saved.dtype != mine.dtype:
                shape = None if saved is None else saved.shape
                raise ValueError(
                    f"saved {name} has shape {shape}, this bank needs {wanted}; "
                    "was it saved for other brands?"
                )
        lives, of_all = decode_lives(arrays["lives"]), decode_lives(arrays["lives_of_all"])
        for name in ("core", "season_n", "season_t", "ring"):
            getattr(self, name)[index] = arrays[name]
        replaced = {int(r) for r in index} | {ALL_ROWS}
        self.lives = {key: life for key, life in self.lives.items() if key[0] not in replaced}
        for life in lives:
            life.row = int(index[life.row])
            self.lives[(life.row, life.kind)] = life
        self.lives |= {(ALL_ROWS, life.kind): life for life in of_all}


_CRISIS = KINDS.index(Kind.SURGE_NEGATIVE)
_MOOD = KINDS.index(Kind.MOOD)
_SURGE = KINDS.index(Kind.SURGE)
_COVERAGE = KINDS.index(Kind.COVERAGE)


def _with_new_columns(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays, those of the version before with the columns that it did not have, empty."""
    core = arrays.get("core")
    if core is None or core.ndim != 2 or core.shape[1] != c.N_CORE_2:
        return arrays
    blank = np.zeros((len(core), c.N_CORE - c.N_CORE_2), dtype=core.dtype)
    return arrays | {"core": np.concatenate([core, blank], axis=1)}


def gamma_interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """95 % interval of counts by the gamma with this mean and variance (Wilson–Hilferty).

    Args:
        mean: shape (n,), positive.
        variance: shape (n,), positive.

    Returns:
        Lower and upper bound, rounded outwards to whole counts.
    """
    mean = np.maximum(mean, 1e-9)
    shape = mean * mean / np.maximum(variance, 1e-12)
    third = 1.0 / (9.0 * shape)
    half = _Z95 * np.sqrt(third)
    low = mean * np.maximum(1.0 - third - half, 0.0) ** 3
    high = mean * np.maximum(1.0 - third + half, 0.0) ** 3
    return np.floor(low), np.ceil(np.maximum(high, mean))


def _floats(values: Floats) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float64)


def _blank_minute(at: int, n: int) -> Minute:
    zero, bins = np.zeros(n), np.zeros((n, N_BINS))
    return Minute(
        bucket_ms=at * BUCKET_MS,
        mentions=zero,
        histogram=bins,
        late_histogram=bins,
        copies=zero,
        negative_authors=zero,
        authors=zero,
        reach=zero,
        negative_reach=zero,
        platforms=zero,
        coverage=zero,
    )


def describe_state(bank: TwoNullBank) -> str:
    """Sizes of the state in bytes, as JSON; for the benchmark and for operators."""
    sizes = {name: int(getattr(bank, name).nbytes) for name in ("core", "season_n", "season_t")}
    sizes["ring"] = int(bank.ring.nbytes)
    sizes["per_row"] = sum(sizes.values()) // max(len(bank.rows), 1)
    return json.dumps(sizes, sort_keys=True)


__all__ = ["PHASES", "TwoNullBank", "describe_state", "gamma_interval", "likelihood_ratios"]
