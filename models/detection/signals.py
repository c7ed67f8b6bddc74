"""What each kind of signal is: when it holds, when it is calm, since when, and how to say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from models.detection import columns as c
from models.detection import kernel
from models.detection.base import (
    ALL_ROWS,
    BUCKET_MS,
    Expectation,
    Floats,
    Kind,
    Minute,
    Observation,
    Phase,
    RowSettings,
    Severity,
    Transition,
)
from models.detection.life import (
    KINDS,
    PHASES,
    Life,
    Sight,
    advance_life,
    enter_phase,
)
from models.detection.settings import DetectionSettings
from models.detection.severity import ORDER, Impact, rate_severity

MIN_NEGATIVE = 5.0
"""Negative posts below which nobody is woken, and likewise people behind them."""
MIN_RATIO = 1.3
PLAIN_RATIO = 5.0
"""So many times the usual negatives are a crisis even where still more friendly posts drown them.
Fewer must lately be a greater share than usual: the test of the mood remembers an angry day, and a
giveaway on the next would bring the volume."""
MIN_COPIES = 20.0
FORGET_BASELINE_MIN = {Kind.SURGE_NEGATIVE: 480, Kind.MOOD: 480, Kind.SURGE: 240}
"""After this long, what has become usual may count as usual."""
SHORT_MIN = 10
"""Minutes over which all brands are seen to rise together."""
_RECENT_MIN = 25
_RING_MIN = c.N_SLOTS * c.SLOT_MIN
_ACTIVE = (Phase.FIRING, Phase.ESCALATED, Phase.COOLING)


@dataclass(frozen=True, slots=True)
class Scene:
    """One row, one kind, one minute: all that a decision about a signal may look at."""

    row: int
    kind: Kind
    at: int
    core: Floats
    ring: Any
    posts: float
    negative: float
    expected: float
    variance: float
    share: float
    statistic: float
    threshold: float
    authors: float
    negative_authors: float
    reach: float
    negative_reach: float
    platforms: float
    coverage: float
    settings: DetectionSettings
    row_settings: RowSettings
    crisis_active: bool = False
    crisis_recent: bool = False
    together: bool = False
    together_min: int = 0

    @classmethod
    def of(
        cls,
        *,
        row: int,
        kind: Kind,
        at: int,
        core: Floats,
        ring: Any,
        out: Floats,
        minute: Minute,
        threshold: float,
        settings: DetectionSettings,
        row_settings: RowSettings,
        crisis_active: bool,
        crisis_recent: bool,
        together: bool,
    ) -> Scene:
        """The scene of a row of the bank."""
        column = {
            Kind.SURGE_NEGATIVE: c.OUT_CRISIS,
            Kind.MOOD: c.OUT_MOOD,
            Kind.SURGE: c.OUT_SURGE,
            Kind.COORDINATED: c.OUT_COPY,
        }.get(kind)
        blind = kind is Kind.COVERAGE
        return cls(
            row=row,
            kind=kind,
            at=at,
            core=core,
            ring=ring,
            posts=float(out[c.OUT_N]),
            negative=float(out[c.OUT_H]),
            expected=float(out[c.OUT_MU]),
            variance=float(out[c.OUT_VAR]),
            share=float(out[c.OUT_SHARE]),
            statistic=float(core[c.BLIND]) if column is None else float(out[column]),
            threshold=5.0 if blind else threshold,
            authors=float(minute.authors[row]),
            negative_authors=float(minute.negative_authors[row]),
            reach=float(minute.reach[row]),
            negative_reach=float(minute.negative_reach[row]),
            platforms=float(minute.platforms[row]),
            coverage=float(minute.coverage[row]),
            settings=settings,
            row_settings=row_settings,
            crisis_active=crisis_active,
            crisis_recent=crisis_recent,
            together=together,
        )

    @property
    def local(self) -> float:
        """Local level of the live baseline."""
        return float(kernel.local_of(self.core))

    def ring_sum(self, column: int, from_minute: int) -> float:
        """Sum of a column of the ring over the slots from a minute on."""
        first = max(from_minute // c.SLOT_MIN, self.at // c.SLOT_MIN - c.N_SLOTS + 1)
        last = self.at // c.SLOT_MIN
        total = 0.0
        for slot in range(first, last + 1):
            total += float(self.ring[slot % c.N_SLOTS, column])
        return total


def is_active(life: Life | None) -> bool:
    """Whether a life is firing, escalated or cooling."""
    return life is not None and PHASES[life.phase] in _ACTIVE


def begin_signal(scene: Scene) -> tuple[Life, Transition] | None:
    """Begins a life if the scene asks for one."""
    onset, low, high = _estimate_onset(scene)
    life = Life(
        row=scene.row,
        kind=KINDS.index(scene.kind),
        onset=onset,
        onset_low=low,
        onset_high=high,
        began=scene.at,
        changed=scene.at,
        local=scene.local,
        share=scene.share,
    )
    _count_past(life, scene)
    sight = _look(life, scene)
    if sight.fires:
        enter_phase(life, Phase.FIRING, sight)
        reason = "the evidence passed the threshold"
    elif sight.pends and not scene.crisis_active:
        enter_phase(life, Phase.WATCH, sight)
        reason = "the evidence is near the threshold"
    else:
        return None
    life.peak = scene.statistic
    return life, _tell(life, scene, reason)


def advance_signal(life: Life, scene: Scene) -> tuple[bool, Transition | None]:
    """Takes one minute of a life that has begun."""
    if PHASES[life.phase] is not Phase.RESOLVED:
        _count(life, scene)
    kept, reason = advance_life(life, _look(life, scene), scene.settings.reopen_min)
    return kept, _tell(life, scene, reason) if reason else None


# --- what a kind is ---------------------------------------------------------------------------


def _look(life: Life, scene: Scene) -> Sight:
    kind, stat, h = scene.kind, scene.statistic, scene.threshold
    gate = _passes_gate(life, scene)
    calm, loud = _compare_rate(life, scene)
    near = kind is Kind.SURGE_NEGATIVE and stat >= h - scene.settings.pending_margin
    quiet = (kind is Kind.SURGE and (scene.crisis_active or scene.together)) or (
        kind is Kind.MOOD and scene.crisis_recent
    )
    pending = PHASES[life.phase] is Phase.WATCH
    return Sight(
        minute=scene.at,
        fires=stat >= h and gate and not quiet,
        pends=near and gate,
        calm=stat < h - scene.settings.pending_margin - 1.5 if pending else calm,
        loud=loud,
        counts=kind is Kind.COVERAGE or scene.coverage >= kernel.LOW_COVERAGE,
        severity=_rate(life, scene),
        statistic=stat,
        superseded=kind is Kind.MOOD and scene.crisis_active,
    )


def _rate(life: Life, scene: Scene) -> Severity:
    if scene.row == ALL_ROWS and scene.kind is Kind.SURGE:
        return Severity.WARNING
    return rate_severity(scene.kind, _impact(life, scene))


def _passes_gate(life: Life, scene: Scene) -> bool:
    """Enough posts by enough people, so that no single voice is a crisis.

    Of authors each minute counts its own: who writes in three minutes counts three times.
    """
    if scene.kind in (Kind.SURGE_NEGATIVE, Kind.MOOD):
        begin = min(life.onset, scene.at - 10)
        negative = scene.ring_sum(c.RING_H, begin)
        authors = scene.ring_sum(c.RING_NEG_AUTHORS, begin)
        usual = scene.ring_sum(c.RING_MU, begin) * life.share
        lately = max(begin, scene.at - _RECENT_MIN)
        share = scene.ring_sum(c.RING_H, lately) / max(scene.ring_sum(c.RING_N, lately), 1.0)
        plainly = share >= life.share or negative >= PLAIN_RATIO * usual
        worse = scene.kind is Kind.MOOD or (negative >= MIN_RATIO * usual and plainly)
        return worse and min(negative, authors) >= MIN_NEGATIVE
    if scene.kind is Kind.COORDINATED:
        return bool(scene.core[c.RECENT_C] >= MIN_COPIES)
    return True


def _compare_rate(life: Life, scene: Scene) -> tuple[bool, bool]:
    """Whether the recent rate is back near the baseline, and whether it is plainly above it."""
    row, kind = scene.core, scene.kind
    if kind is Kind.COVERAGE:
        return scene.coverage >= 0.9, scene.coverage < kernel.LOW_COVERAGE
    if kind is Kind.COORDINATED:
        copies = float(row[c.RECENT_C])
        return copies < 0.5 * MIN_COPIES, copies >= MIN_COPIES
    local, share = _usual(life, scene)
    window = _RECENT_MIN
    if scene.ring_sum(c.RING_MU, scene.at - window) * share < 2.0:
        window = _RING_MIN
    begin = scene.at - window
    posts = scene.ring_sum(c.RING_MU, begin) * local / scene.local
    if kind is Kind.SURGE:
        seen, usual = scene.ring_sum(c.RING_N, begin), posts
    elif kind is Kind.MOOD:
        seen, usual = scene.ring_sum(c.RING_H, begin), scene.ring_sum(c.RING_N, begin) * share
    else:
        seen, usual = scene.ring_sum(c.RING_H, begin), posts * share
    slack = math.sqrt(max(usual, 0.0)) + 0.5
    calm_factor, loud_factor = (1.25, 1.5) if kind is Kind.MOOD else (1.5, 2.0)
    return seen <= calm_factor * usual + slack, seen > loud_factor * usual + slack


def _usual(life: Life, scene: Scene) -> tuple[float, float]:
    """Local level and negative share to compare with: frozen at the onset, for a time."""
    live = scene.at - life.onset > FORGET_BASELINE_MIN.get(scene.kind, 480)
    resolved = PHASES[life.phase] is Phase.RESOLVED
    if live or resolved:
        return max(life.local, scene.local), max(life.share, scene.share)
    return life.local, life.share


def _impact(life: Life, scene: Scene) -> Impact:
    row = scene.core
    local, share = _usual(life, scene)
    usual = float(row[c.RECENT_MU]) * local / scene.local * share
    reach = float(row[c.REACH_X]) / max(float(row[c.REACH_N]), 1.0)
    return Impact(
        excess_authors=life.seen_negative_authors - life.usual_h,
        rate_ratio=float(row[c.RECENT_H]) / (usual + 1.0),
        reach_ratio=life.seen_negative_reach / max((life.usual_h + 1.0) * reach, 1.0),
        platforms=life.seen_platforms,
        copies=float(row[c.RECENT_C]),
        minutes=float(scene.at - life.onset + 1),
    )


def _estimate_onset(scene: Scene) -> tuple[int, int, int]:
    """Mean of the onset under the Shiryaev–Roberts weights, and its 90 % interval, minutes."""
    row = scene.core
    if scene.row == ALL_ROWS and scene.kind is Kind.SURGE:
        begin = scene.at - scene.together_min + 1
        return begin, begin - SHORT_MIN, begin
    first, ages, squares, count = {
        Kind.SURGE_NEGATIVE: (c.CRISIS, c.AGE_1, c.AGE_2, c.N_ALT),
        Kind.MOOD: (c.BENIGN, c.BENIGN_AGE, -1, c.N_ALT),
        Kind.SURGE: (c.SURGE, c.SURGE_AGE, -1, c.N_SURGE),
        Kind.COORDINATED: (c.COPY_R, c.COPY_AGE, -1, 1),
        Kind.COVERAGE: (-1, -1, -1, 0),
    }[scene.kind]
    if count == 0:
        begin = scene.at - int(row[c.BLIND]) + 1
        return begin, begin, begin
    weight = max(float(row[first : first + count].sum()), kernel.LEAST)
    age = float(row[ages : ages + count].sum()) / weight
    sd = 0.5 * age
    if squares >= 0:
        sd = math.sqrt(max(float(row[squares : squares + count].sum()) / weight - age**2, 0.0))
    onset = scene.at - max(round(age), 1) + 1
    low = min(onset, scene.at - round(age + 1.645 * sd) + 1)
    high = max(onset, scene.at - max(round(age - 1.645 * sd), 1) + 1)
    return onset, low, high


# --- counting and telling -----------------------------------------------------------------------


def _count_past(life: Life, scene: Scene) -> None:
    """Sums since the onset, as far as the ring reaches back, this minute included."""
    begin = life.onset
    life.seen_n = scene.ring_sum(c.RING_N, begin)
    life.seen_h = scene.ring_sum(c.RING_H, begin)
    life.seen_authors = scene.ring_sum(c.RING_AUTHORS, begin)
    life.seen_negative_authors = scene.ring_sum(c.RING_NEG_AUTHORS, begin)
    life.seen_reach = scene.ring_sum(c.RING_REACH, begin)
    life.seen_negative_reach = scene.ring_sum(c.RING_NEG_REACH, begin)
    life.seen_platforms = scene.platforms
    life.seen_min = min(scene.at - begin + 1, _RING_MIN)
    life.usual_n = scene.ring_sum(c.RING_MU, begin)
    life.usual_h = life.usual_n * life.share


def _count(life: Life, scene: Scene) -> None:
    local, share = _usual(life, scene)
    usual = scene.expected * local / scene.local
    if scene.coverage > kernel.BLIND_BELOW:
        life.seen_n += scene.posts
        life.seen_h += scene.negative
        life.seen_authors += scene.authors
        life.seen_negative_authors += scene.negative_authors
        life.seen_reach += scene.reach
        life.seen_negative_reach += scene.negative_reach
        life.seen_platforms = max(life.seen_platforms, scene.platforms)
        life.usual_n += usual
        life.usual_h += usual * share
    life.seen_min += 1


def _tell(life: Life, scene: Scene, reason: str) -> Transition:
    row, settings = scene.core, scene.row_settings
    spread = scene.variance / max(scene.expected, 1e-9) ** 2 - 1.0 / max(scene.expected, 1e-9)
    sd = math.sqrt(life.usual_n + max(spread, 0.0) * life.usual_n**2)
    share = life.usual_h / life.usual_n if life.usual_n > 0 else life.share
    if scene.kind is Kind.COVERAGE or scene.row == ALL_ROWS:
        p_chance = 1.0
    else:
        p_chance = -math.expm1(-settings.period_min * math.exp(-min(life.peak, 60.0)))
    transition = Transition(
        row=scene.row,
        kind=scene.kind,
        phase=PHASES[life.phase],
        severity=ORDER[life.severity],
        onset_ms=life.onset * BUCKET_MS,
        onset_low_ms=life.onset_low * BUCKET_MS,
        onset_high_ms=life.onset_high * BUCKET_MS,
        decided_ms=(scene.at + 1) * BUCKET_MS,
        first_fired_ms=None if life.fired < 0 else (life.fired + 1) * BUCKET_MS,
        revision=life.revision,
        observed=Observation(
            mentions=life.seen_n,
            negative=life.seen_h,
            authors=life.seen_authors,
            negative_authors=life.seen_negative_authors,
            reach=life.seen_reach,
            minutes=life.seen_min,
        ),
        expected=Expectation(
            mentions=life.usual_n,
            low=max(life.usual_n - 1.96 * sd, 0.0),
            high=life.usual_n + 1.96 * sd,
            negative=life.usual_h,
            negative_share=share,
        ),
        statistic=scene.statistic,
        threshold=scene.threshold,
        p_chance=p_chance,
        votes={},
        baseline=_describe_baseline(row, scene),
        reason=f"{_sentence(life, scene)}: {reason}.",
    )
    life.revision += 1
    return transition


def _sentence(life: Life, scene: Scene) -> str:
    minutes = life.seen_min
    match scene.kind:
        case Kind.SURGE_NEGATIVE:
            return (
                f"{life.seen_h:.0f} negative posts in {minutes} min where about "
                f"{life.usual_h:.1f} are usual"
            )
        case Kind.SURGE if scene.row == ALL_ROWS:
            return (
                f"{life.seen_n:.0f} posts over all brands in {minutes} min where about "
                f"{life.usual_n:.1f} are usual, a platform effect"
            )
        case Kind.SURGE:
            return (
                f"{life.seen_n:.0f} posts in {minutes} min where about {life.usual_n:.1f} are usual"
            )
        case Kind.MOOD:
            seen = life.seen_h / life.seen_n if life.seen_n > 0 else 0.0
            return f"{seen:.0%} negative over {minutes} min where {life.share:.0%} is usual"
        case Kind.COORDINATED:
            return f"{scene.core[c.RECENT_C]:.0f} near-identical posts in about half an hour"
        case Kind.COVERAGE:
            whose = " of all brands" if scene.row == ALL_ROWS else ""
            return f"{scene.coverage:.0%} of what should be seen{whose} was seen"


def _describe_baseline(row: Floats, scene: Scene) -> dict[str, float]:
    return {
        "rate_per_min": scene.expected / max(scene.coverage, kernel.BLIND_BELOW),
        "level_per_min": float(kernel.level_of(row)),
        "local_level": scene.local,
        "negative_share": scene.share,
        "dispersion": float(kernel.dispersion_of(row)),
        "level_sd": math.sqrt(float(kernel.drift_of(row))),
        "mood_sd": math.sqrt(float(kernel.swing_of(row))),
        "age_h": float(row[c.AGE]) / 60.0,
    }
