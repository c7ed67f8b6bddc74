"""Simulated brands whose truth is known: usual business, trouble that is no crisis, and crises.

All brands of a world live side by side, one column each; a world yields an hour at a time.

Usual business: hour-of-week profile, Ornstein–Uhlenbeck log level, negative binomial minutes, a
share of negatives that may drift, labels that may be noisy. A crisis adds posts, of which most are
negative, as a step, a ramp or an exponential growth. The unmatched tier adds what the detector's
model does not know: Hawkes cascades that pass their mood on, benign bursts, bot floods, outages
with a backlog, late and repeated posts.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.detection.base import BUCKET_MS, Minute
from models.sentiment.bins import N_BINS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR = 60
DAY = 1440
WEEK = 7 * DAY
START_MIN = 29_836_800 - 29_836_800 % WEEK + 4 * DAY
"""A Monday, minutes since the epoch."""

LEVEL_SD, LEVEL_TAU_MIN = 0.2, 12 * 60.0
MOOD_SD, MOOD_TAU_MIN = 0.25, 6 * 60.0
DISPERSION = 0.1
SEPARATION = 1.6
"""Distance of the two classes of the noisy labels in standard deviations (AUC 0.87)."""
CALIBRATED_ON = 0.35
SIZES = (1.0, 2.0, 4.0)
QS = (0.6, 0.7, 0.8)
SHAPES = ("step", "ramp", "exponential")


@dataclass(frozen=True)
class Tier:
    """What a brand is troubled by."""

    name: str
    drift: bool = False
    noisy: bool = False
    bursts: bool = False
    unmatched: bool = False


TIERS = (
    Tier("clean"),
    Tier("bursts", bursts=True),
    Tier("drift", drift=True),
    Tier("noisy", drift=True, noisy=True),
    Tier("unmatched", drift=True, noisy=True, bursts=True, unmatched=True),
)
RATES = (0.1, 1.0, 10.0)


@dataclass
class Crisis:
    """One crisis per brand: NaN-free arrays, shape (R,); `begin` in minutes of the world."""

    begin: Ints
    size: Floats
    q: Floats
    shape: Ints


@dataclass
class Hour:
    """What an hour brings: arrays of shape (60, R) or (60, R, N_BINS)."""

    at: int
    posts: Floats
    histogram: Floats
    late: Floats
    copies: Floats
    coverage: Floats
    rate: Floats
    share: Floats

    def minute(self, m: int) -> Minute:
        """The bank's view of a minute of this hour."""
        n = self.histogram[m].sum(axis=1)
        negative = self.histogram[m, :, N_BINS // 2 :].sum(axis=1)
        return Minute(
            bucket_ms=(START_MIN + self.at + m) * BUCKET_MS,
            mentions=n + self.copies[m],
            histogram=self.histogram[m],
            late_histogram=self.late[m],
            copies=self.copies[m],
            negative_authors=negative,
            authors=n,
            reach=300.0 * n,
            negative_reach=300.0 * negative,
            platforms=np.minimum(n, 3.0),
            coverage=self.coverage[m],
        )


def label_bins(noisy: bool) -> tuple[Floats, Floats]:
    """Distribution of the label over bins, of a negative post and of another, shape (N_BINS,)."""
    if not noisy:
        negative, other = np.zeros(N_BINS), np.zeros(N_BINS)
        negative[-1], other[0] = 1.0, 1.0
        return negative, other
    edges = np.linspace(0.0, 1.0, N_BINS + 1)[1:-1]
    prior = np.log(CALIBRATED_ON / (1.0 - CALIBRATED_ON))
    cuts = (np.log(edges / (1.0 - edges)) - prior) / SEPARATION
    return tuple(
        np.diff(np.concatenate([[0.0], normal_cdf(cuts - mean), [1.0]]))
        for mean in (SEPARATION / 2, -SEPARATION / 2)
    )  # type: ignore[return-value]


def normal_cdf(x: Floats) -> Floats:
    """Standard normal distribution function."""
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


def growth_at(minutes: Floats, shape: Ints) -> Floats:
    """Share of its full size that a crisis has `minutes` after its onset."""
    ramp = np.clip((minutes + 1.0) / 30.0, 0.0, 1.0)
    exponential = np.clip(0.1 * 2.0 ** (minutes / 10.0), 0.0, 1.0)
    size = np.where(shape == 0, 1.0, np.where(shape == 1, ramp, exponential))
    return np.where(minutes < 0, 0.0, size)


class World:
    """Brands side by side; `hour` goes on by an hour, `fork` gives an independent copy."""

    is_real = False
    """Whether volumes are real, so that no bound is known and brands are told together."""

    def __init__(self, rates: Floats, tiers: list[Tier], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.n = len(rates)
        self.rates = rates
        self.tiers = tiers
        self.at = 0
        rng, n = self.rng, self.n
        hours = np.arange(168)
        phase = rng.uniform(0, 24, n)
        depth = rng.uniform(0.4, 1.0, n)
        weekend = rng.uniform(-0.4, 0.1, n)
        wave = np.cos((hours[None, :] - phase[:, None]) * 2 * np.pi / 24)
        logs = depth[:, None] * wave + weekend[:, None] * (hours[None, :] >= 120)
        profile = np.exp(logs)
        self.profile = profile / profile.mean(axis=1, keepdims=True)
        self.base_share = rng.beta(12, 55, n)
        self.level = LEVEL_SD * rng.standard_normal(n)
        self.mood = rng.standard_normal(n)
        self.flags = {
            name: np.array([getattr(t, name) for t in tiers])
            for name in ("drift", "noisy", "bursts", "unmatched")
        }
        self.bins = {noisy: label_bins(noisy) for noisy in (False, True)}
        self.burst_until = np.full(n, -1)
        self.burst_size = np.ones(n)
        self.flood_until = np.full(n, -1)
        self.outage_until = np.full(n, -1)
        self.outage_seen = np.zeros(n)
        self.backlog = np.zeros((n, N_BINS))
        self.excited = np.zeros(n)
        self.recent = np.zeros((n, 2))

    def fork(self, seed: int) -> World:
        """A copy that goes its own way from here."""
        other = copy.deepcopy(self)
        other.rng = np.random.default_rng(seed)
        return other

    def _walk(self, state: Floats, sd: float, tau: float) -> Floats:
        """Sixty minutes of an Ornstein–Uhlenbeck path, shape (60, n)."""
        keep = np.exp(-1.0 / tau)
        noise = sd * np.sqrt(1 - keep * keep) * self.rng.standard_normal((HOUR, self.n))
        path = np.empty((HOUR, self.n))
        for m in range(HOUR):
            state = keep * state + noise[m]
            path[m] = state
        return path

    def rate_profile(self) -> Floats:
        """Seasonal factor for the minutes of the coming hour, shape (60, n)."""
        t = (self.at + np.arange(HOUR) - 30) / 60.0
        left = np.floor(t).astype(int)
        along = (t - left)[:, None]
        a, b = self.profile[:, left % 168].T, self.profile[:, (left + 1) % 168].T
        return np.asarray(a + (b - a) * along)

    def hour(self, crisis: Crisis | None = None) -> Hour:
        """The next hour."""
        rng, n = self.rng, self.n
        levels = self._walk(self.level, LEVEL_SD, LEVEL_TAU_MIN)
        moods = self._walk(self.mood, 1.0, MOOD_TAU_MIN)
        self.level, self.mood = levels[-1], moods[-1]
        rate = self.rates * self.rate_profile() * np.exp(levels - LEVEL_SD**2 / 2)
        logit = np.log(self.base_share / (1 - self.base_share))
        share = 1 / (1 + np.exp(-(logit + MOOD_SD * self.flags["drift"] * moods)))
        mean, angry = rate.copy(), share.copy()
        mean *= self._bursts()
        if crisis is not None:
            mean, angry = add_crisis(self, crisis, rate, mean, angry)
        coverage = np.ones((HOUR, n))
        copies = np.zeros((HOUR, n))
        troubled = bool(self.flags["unmatched"].any())
        shape = 1.0 / DISPERSION
        if not troubled:
            posts = rng.poisson(mean * rng.gamma(shape, 1.0 / shape, (HOUR, n)))
            negative = rng.binomial(posts, angry)
        else:
            posts, negative, copies, coverage = self._trouble(mean, angry)
        histogram = self._label(posts, negative)
        late = np.zeros_like(histogram)
        if troubled:
            self._delay(histogram, late, coverage)
        hour = Hour(self.at, posts.astype(float), histogram, late, copies, coverage, rate, share)
        self.at += HOUR
        return hour

    def _bursts(self) -> Floats:
        """Factor of benign bursts: a launch, a giveaway; about two in four weeks."""
        rng, n = self.rng, self.n
        factor = np.ones((HOUR, n))
        begins = (rng.random(n) < 2 / (28 * 24)) & (self.burst_until < self.at)
        begins &= self.flags["bursts"]
        self.burst_size = np.where(begins, np.exp(rng.uniform(np.log(2), np.log(10), n)), 0) + (
            np.where(begins, 0, self.burst_size)
        )
        start = np.where(begins, rng.integers(0, 60, n), 0)
        length = rng.integers(30, 240, n)
        self.burst_until = np.where(begins, self.at + start + length, self.burst_until)
        minutes = np.arange(HOUR)[:, None]
        on = (self.at + minutes < self.burst_until) & (minutes >= start)
        factor[on] = np.broadcast_to(self.burst_size, (HOUR, n))[on]
        return factor

    def _trouble(self, mean: Floats, angry: Floats) -> tuple[Ints, Ints, Floats, Floats]:
        rng, n, own = self.rng, self.n, self.flags["unmatched"]
        posts, negative = np.zeros((HOUR, n), int), np.zeros((HOUR, n), int)
        copies, coverage = np.zeros((HOUR, n)), np.ones((HOUR, n))
        flood = (rng.random(n) < 1 / (14 * 24)) & own
        self.flood_until = np.where(flood, self.at + rng.integers(20, 90, n), self.flood_until)
        out = (rng.random(n) < 1 / (5 * 24)) & own & (self.outage_until < self.at)
        length = rng.integers(20, 180, n)
        self.outage_until = np.where(out, self.at + length, self.outage_until)
        self.outage_seen = np.where(out, rng.choice([0.0, 0.4], n), self.outage_seen)
        gamma = rng.gamma(1 / DISPERSION, DISPERSION, (HOUR, n))
        branching, keep = 0.5, np.exp(-1 / 8.0)
        for m in range(HOUR):
            base = np.where(own, (1 - branching), 1.0) * mean[m] * gamma[m]
            fresh = rng.poisson(base)
            echo = rng.poisson(np.where(own, self.excited, 0.0))
            told = self.recent[:, 1] / np.maximum(self.recent[:, 0], 1e-9)
            mix = np.where(self.recent[:, 0] > 0, 0.5 * told + 0.5 * angry[m], angry[m])
            fresh_negative = rng.binomial(fresh, angry[m])
            echo_negative = rng.binomial(echo, np.clip(mix, 0, 1))
            bots = np.where(self.at + m < self.flood_until, 20.0 * self.rates + 2.0, 0.0)
            leaked = rng.poisson(0.05 * bots)
            copies[m] = rng.poisson(0.95 * bots + 0.05 * np.where(own, mean[m], 0))
            posts[m] = fresh + echo + leaked
            negative[m] = fresh_negative + echo_negative + rng.binomial(leaked, 0.5)
            born = (fresh + echo).astype(float)
            self.excited = keep * self.excited + branching * (1 - keep) * born
            self.recent = keep * self.recent + np.stack([born, fresh_negative + echo_negative], 1)
            coverage[m] = np.where(self.at + m < self.outage_until, self.outage_seen, 1.0)
        return posts, negative, copies, coverage

    def _label(self, posts: Ints, negative: Ints) -> Floats:
        rng = self.rng
        histogram = np.zeros((*posts.shape, N_BINS))
        clean = ~self.flags["noisy"]
        histogram[:, clean, -1] = negative[:, clean]
        histogram[:, clean, 0] = (posts - negative)[:, clean]
        noisy = self.flags["noisy"]
        if noisy.any():
            of_negative, of_other = self.bins[True]
            histogram[:, noisy] = rng.multinomial(negative[:, noisy], of_negative)
            histogram[:, noisy] += rng.multinomial((posts - negative)[:, noisy], of_other)
        return histogram

    def _delay(self, histogram: Floats, late: Floats, coverage: Floats) -> None:
        """Thins by coverage; half of what an outage swallowed comes back late, over minutes."""
        rng, own = self.rng, self.flags["unmatched"]
        tardy = rng.binomial(histogram.astype(int), np.where(own, 0.03, 0.0)[None, :, None])
        histogram -= tardy
        late[1:] += tardy[:-1]
        for m in range(HOUR):
            blind = coverage[m] < 1
            if blind.any():
                lost = rng.binomial(histogram[m].astype(int), (1 - coverage[m])[:, None])
                histogram[m] -= lost
                self.backlog += rng.binomial(lost, 0.5)
            back = ~blind & (self.backlog.sum(axis=1) > 0)
            if back.any():
                due = rng.binomial(self.backlog.astype(int), np.where(back, 0.15, 0)[:, None])
                self.backlog -= due
                late[m] += due


def add_crisis(
    world: World, crisis: Crisis, rate: Floats, mean: Floats, angry: Floats
) -> tuple[Floats, Floats]:
    """Adds the crisis to an hour: expected posts and share of negatives, shape (60, n)."""
    minutes = (world.at + np.arange(HOUR))[:, None] - crisis.begin[None, :]
    grown = growth_at(minutes.astype(float), np.broadcast_to(crisis.shape, minutes.shape))
    extra = grown * crisis.size * (0.5 * world.rates + 0.5 * rate)
    total = mean + extra
    return total, (mean * angry + extra * crisis.q) / total


def draw_crises(world: World, rng: np.random.Generator, which: int) -> Crisis:
    """A crisis for each brand, beginning within the coming hour.

    Sizes, shares and shapes are dealt in turn, so that neighbouring brands and rounds meet all
    combinations alike: what is compared is detectors, not the luck of the draw.
    """
    n = world.n
    deal = (16 * which + np.arange(n)) % 27
    return Crisis(
        begin=world.at + rng.integers(0, 60, n),
        size=np.array(SIZES)[deal % 3],
        q=np.array(QS)[deal // 3 % 3],
        shape=deal // 9,
    )


def make_world(per_cell: int, seed: int, tiers: tuple[Tier, ...] = TIERS) -> World:
    """`per_cell` brands for each tier and rate, tier-major."""
    rates = np.repeat(np.tile(RATES, len(tiers)), per_cell)
    kinds = [tier for tier in tiers for _ in range(len(RATES) * per_cell)]
    return World(np.asarray(rates, float), kinds, seed)


def cells_of(world: World) -> dict[tuple[str, float], npt.NDArray[np.bool_]]:
    """Which brands belong to each (tier, rate); real ones together, at their median rate."""
    if world.is_real:
        rate = float(np.median(world.rates))
        return {(world.tiers[0].name, rate): np.ones(world.n, dtype=np.bool_)}
    names = np.array([t.name for t in world.tiers])
    return {
        (tier, float(rate)): (names == tier) & (world.rates == rate)
        for tier in dict.fromkeys(names.tolist())
        for rate in sorted(set(world.rates.tolist()))
    }
