"""Runs the bank and its comparators over a world: false alarms in a quiet month, then crises."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.detection.bound import Bound, bound_from, sample_ratios
from bench.detection.comparators import NAMES, Comparators
from bench.detection.worlds import DAY, HOUR, SHAPES, SIZES, Tier, World, cells_of, draw_crises
from models.detection import DetectionSettings, RowSettings, make_bank
from models.detection.base import Bank, Kind, Phase, Transition
from models.detection.settings import PERIOD_MIN

Floats = npt.NDArray[np.float64]
REFRACTORY_MIN = 360
SELF = "two-null"
PAGING = (Kind.SURGE_NEGATIVE, Kind.MOOD)
"""Kinds that wake somebody; the budget is one promise for them together."""


@dataclass(frozen=True)
class Plan:
    """How much to simulate.

    Attributes:
        per_cell: brands for each tier and rate.
        warm_days: days before anything counts.
        null_days: days without crises in which alarms are counted.
        rounds: times that every brand gets a crisis, spread over the quiet days.
        horizon: minutes after which a crisis counts as missed.
        seed: of everything that is drawn.
        bound_samples: crises that a bound is estimated from.
    """

    per_cell: int
    warm_days: int
    null_days: int
    rounds: int
    horizon: int
    seed: int
    bound_samples: int = 4000


@dataclass
class Outcome:
    """What happened in one (tier, rate): alarms by kind, delays by detector, bounds.

    The comparators' thresholds are set to as many false alarms as the detector paged.
    """

    brand_weeks: float
    alarms: dict[str, int]
    pending: int
    delays: dict[str, Floats]
    mixture: Bound
    known: Bound
    budget: float
    by_size: dict[str, float] = field(default_factory=dict)
    onset_error_min: Floats = field(default_factory=lambda: np.zeros(0))


def count_fired(transitions: list[Transition], counts: dict[str, Floats]) -> None:
    """Counts first firings, by kind and row."""
    for t in transitions:
        first = t.phase is Phase.FIRING and t.first_fired_ms == t.decided_ms
        if first:
            counts.setdefault(t.kind.value, np.zeros(len(counts["rows"])))[t.row] += 1
        if t.phase is Phase.WATCH:
            counts["pending"][t.row] += 1


def run_trial(
    plan: Plan,
    world: World,
    settings: DetectionSettings,
    progress: bool = False,
) -> dict[tuple[str, float], Outcome]:
    """The whole trial of a world; see `Plan`."""
    n = world.n
    bank = make_bank([RowSettings()] * n, settings)
    others = Comparators(n)
    rng = np.random.default_rng(plan.seed + 1)
    counts: dict[str, Floats] = {"rows": np.zeros(n), "pending": np.zeros(n)}
    blocks: list[Floats] = []
    delays: dict[str, list[Floats]] = {SELF: []}
    curves: list[Floats] = []
    sizes: list[Floats] = []
    errors: list[Floats] = []
    total_hours = (plan.warm_days + plan.null_days) * 24
    forks = np.linspace(plan.warm_days * 24, total_hours - 1, plan.rounds, dtype=int)
    for h in range(total_hours):
        counting = h >= plan.warm_days * 24
        if h in forks:
            which = int(np.flatnonzero(forks == h)[0])
            found, curve, size, error = run_crises(plan, world, bank, others, settings, rng, which)
            delays[SELF].append(found)
            curves.append(curve)
            sizes.append(size)
            errors.append(error)
        hour = world.hour()
        best = np.full((len(NAMES), n), -np.inf)
        for m in range(HOUR):
            minute = hour.minute(m)
            _, transitions = bank.step(minute)
            stat = others.step(minute.mentions, minute.negative_authors)
            np.maximum(best, stat, out=best)
            if counting:
                count_fired(transitions, counts)
        if counting:
            blocks.append(best)
        if progress and h % (24 * 7) == 0:
            print(f"  week {h // 168}", flush=True)
    peaks = np.stack(blocks)
    cells = cells_of(world)
    outcome = {}
    for (tier, rate), mask in cells.items():
        mixture, known = find_bounds(world, mask, plan, rng)
        months = float(mask.sum()) * plan.null_days * DAY / PERIOD_MIN
        own = np.concatenate([d[mask] for d in delays[SELF]])
        alarms = {kind.value: int(counts.get(kind.value, np.zeros(n))[mask].sum()) for kind in Kind}
        paged = sum(alarms[kind.value] for kind in PAGING)
        found_by = {SELF: own}
        for k, name in enumerate(NAMES):
            threshold = threshold_for(peaks[:, k][:, mask], max(float(paged), 1.0))
            found_by[name] = np.concatenate(
                [first_at(curve[k][:, mask], threshold, plan.horizon) for curve in curves]
            )
        size = np.concatenate([s[mask] for s in sizes])
        outcome[tier, rate] = Outcome(
            brand_weeks=float(mask.sum() * plan.null_days / 7),
            alarms=alarms,
            pending=int(counts["pending"][mask].sum()),
            delays=found_by,
            mixture=mixture,
            known=known,
            budget=months,
            by_size={f"{s:g}": float(np.median(own[size == s])) for s in SIZES},
            onset_error_min=np.concatenate([e[mask] for e in errors]),
        )
    return outcome


def find_bounds(
    world: World, mask: npt.NDArray[np.bool_], plan: Plan, rng: np.random.Generator
) -> tuple[Bound, Bound]:
    """The bounds of brands like these; without a model of them there is none, and it is NaN."""
    if world.is_real:
        nothing = Bound(float("nan"), float("nan"), np.zeros(plan.horizon))
        return nothing, nothing
    alike = make_like(world, mask, plan.seed + 77)
    noisy = bool(alike.flags["noisy"].any())
    samples = [
        sample_ratios(alike, rng, plan.horizon, noisy)
        for _ in range(max(1, plan.bound_samples // alike.n))
    ]
    mixture, known = (np.concatenate([s[k] for s in samples], axis=1) for k in (0, 1))
    return bound_from(mixture, PERIOD_MIN), bound_from(known, PERIOD_MIN)


def make_like(world: World, mask: npt.NDArray[np.bool_], seed: int) -> World:
    """A world of brands like the masked ones, without what the bound cannot model."""
    tier = world.tiers[int(np.flatnonzero(mask)[0])]
    plain = Tier(tier.name, drift=tier.drift, noisy=tier.noisy)
    n = 200
    rate = world.rates[mask][0]
    return World(np.full(n, rate), [plain] * n, seed)


def run_crises(
    plan: Plan,
    world: World,
    bank: Bank,
    others: Comparators,
    settings: DetectionSettings,
    rng: np.random.Generator,
    which: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """A crisis for every brand from here; delays in minutes (horizon if missed), and curves.

    Returns:
        Delays shape (R,); comparators' statistics after the onset, shape (K, H, R); sizes; error
        of the onset estimate in minutes (NaN if missed).
    """
    n = world.n
    fork = world.fork(plan.seed * 1000 + which)
    twin = make_bank([RowSettings()] * n, settings)
    twin.load(bank.save())
    rivals = others.fork()
    crisis = draw_crises(fork, rng, which)
    start = fork.at
    delay = np.full(n, float(plan.horizon))
    error = np.full(n, np.nan)
    curve = np.full((len(NAMES), plan.horizon, n), -np.inf)
    columns = np.arange(n)
    hours = plan.horizon // HOUR + 1
    for _ in range(hours):
        at = fork.at
        hour = fork.hour(crisis)
        for m in range(HOUR):
            minute = hour.minute(m)
            after = at + m - crisis.begin
            _, transitions = twin.step(minute)
            stat = rivals.step(minute.mentions, minute.negative_authors)
            inside = (after >= 0) & (after < plan.horizon)
            curve[:, np.clip(after, 0, plan.horizon - 1)[inside], columns[inside]] = stat[:, inside]
            for t in transitions:
                fires = t.phase in (Phase.FIRING, Phase.ESCALATED)
                late = after[t.row]
                if (
                    fires
                    and t.kind is Kind.SURGE_NEGATIVE
                    and 0 <= late < plan.horizon
                    and delay[t.row] == plan.horizon
                ):
                    delay[t.row] = late + 1
                    begun = t.onset_ms // 60_000 - minute.bucket_ms // 60_000 + late
                    error[t.row] = begun
    assert start + hours * HOUR == fork.at
    return delay, curve, crisis.size, error


def threshold_for(peaks: Floats, budget: float) -> float:
    """Least threshold at which hourly peaks give no more alarms than the budget.

    Args:
        peaks: largest statistic by hour, shape (hours, R).
        budget: alarms allowed over all rows.
    """
    low, high = float(np.min(peaks)), float(np.max(peaks)) + 1e-6
    for _ in range(40):
        middle = (low + high) / 2
        if count_alarms(peaks, middle) > budget:
            low = middle
        else:
            high = middle
    return high


def count_alarms(peaks: Floats, threshold: float) -> int:
    """Alarms at a threshold; exceedances within six hours of the last belong to it."""
    last = np.full(peaks.shape[1], -1000)
    alarms = 0
    for h, row in enumerate(peaks):
        over = row >= threshold
        alarms += int((over & (h - last > REFRACTORY_MIN // 60)).sum())
        last[over] = h
    return alarms


def first_at(curve: Floats, threshold: float, horizon: int) -> Floats:
    """Minutes to the first statistic at or above a threshold, `horizon` if there is none."""
    over = curve >= threshold
    return np.where(over.any(axis=0), over.argmax(axis=0) + 1.0, float(horizon))


__all__ = ["SHAPES", "Outcome", "Plan", "run_trial"]
