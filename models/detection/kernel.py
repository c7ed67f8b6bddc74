"""The compiled inner loop: one minute of one row, and the loop over rows.

A mixture Shiryaev–Roberts test against two nulls, usual business and a benign burst. Each row is
computed by scalar code from its own figures and the pooled ones it is handed, so a row's result
does not depend on the rows beside it. It is all in one file, because the compiler's cache looks at
the file of the function that it compiles: what was inlined from another would be kept stale. For
the same reason touch this file after a change of `columns`.

Sources: Shiryaev–Roberts e-detectors, Shin, Ramdas, Rinaldo, arXiv 2203.03532; the guard band of
the local level, EARS C2 (Hutwagner et al. 2003).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from models.detection import columns as c

Floats = npt.NDArray[np.float64]

SIZES = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
"""Crisis sizes: posts added, in units of half the long-run plus half the current rate."""
SURGE_SIZES = np.array([1.0, 3.0, 9.0])
"""Buzz sizes, in units of the inflated expectation."""
CRISIS_NEGATIVE = 0.7
"""Share of negatives among the posts that a crisis adds."""

HALF_LIFE_MIN = 150.0
HALF_LIFE_POWER = 0.35
HALF_LIFE_LEAST_MIN = 60.0
"""The local level and mood forget by half in this time at up to one post a minute, and sooner where
more posts tell more: the gain of the best filter grows with the root of their number."""
WEEK_DECAY = 0.5 ** (1.0 / 4.0)
LONG_DECAY = 0.5 ** (1.0 / (14 * 24 * 60.0))
LONG_DECAY_HOUR = LONG_DECAY**60
SLOT_LONG_DECAY = LONG_DECAY**c.SLOT_MIN
RECENT_DECAY = math.exp(-1.0 / 30.0)
SHORT_DECAY = math.exp(-1.0 / 10.0)

LOCAL_PRIOR = 16.0
SHARE_PRIOR = 40.0
LOGIT_PRIOR = 1.0
SEASON_PRIOR_MIN = 120.0
SEASON_PRIOR_POSTS = 10.0
DAY_PRIOR_MIN = 60.0
"""What it takes to believe that an hour of the week differs from that hour of the other days."""
SMOOTH_POSTS = 200.0
"""An hour of the day with few posts counts those of each neighbouring hour half, with this many a
quarter."""
DISPERSION_PRIOR = 0.1
DISPERSION_PRIOR_W = 200.0
DRIFT_PRIOR = 0.0225
DRIFT_PRIOR_W = 8.0
SWING_PRIOR = 0.04
SWING_PRIOR_W = 8.0
CLUMP_PRIOR_W = 50.0
CLUMP_SLACK = 0.05
CLUMP_PENALTY = 3.5
"""Nats that the mood must show in addition, by log of the clumping, where posts are few."""
SPARSE_PER_MIN = 2.0
BUSY_PER_MIN = 3.0
BUSY_LAG_SLOTS = 6
"""Where posts are many a crisis shows within minutes, so half the guard band does."""
PROFILE_SD = 0.5
LEVEL_MARGIN = 0.5
"""Standard deviations of the level by which the null's volume is shifted up."""
MOOD_MARGIN = 1.0
MOOD_MARGIN_SLOPE = 0.35
"""Standard deviations of the hourly mood by which the null's share is shifted up, and more for each
tenfold above one post a minute: where posts are many, drift is all that is left to be mistaken."""
NEW_MOOD = 2.0
"""Standard deviations of the long-run mood by which the null is shifted up while it is learnt."""
NEW_LEVEL = 2.0
"""How far, in logs, a new brand's rate may lie above what little is known."""
NEW_MIN = 3.0 * 1440.0
"""That lasts for days, until each hour has been seen on some, and is gone within the week."""
BETTER_MOOD = 0.5
"""A local mood better than the long run counts by this share, and not at all in or after a burst:
the end of good news is no bad news."""
BUSY = 1.5
BUZZ_FROM = math.exp(8.0)
BUZZ_SPENT_MIN = 15.0
"""The longer a burst lasts, the less credit; so a week of it costs little more than an hour."""
SILENT_POSTS = 5.0
SLUMP_FLOOR = 0.5
"""A local level below this share of the season counts as this: silence must not raise alarms."""
USUAL_CREDIT = 0.8
USUAL_CREDIT_SLOPE = 1.2
"""Nats credited to the test against usual business, and more for each tenfold above one post a
minute: its margins make it err on the safe side, the more so the more posts there are."""
BENIGN_CREDIT = 5.4
"""Nats credited to the test against a benign burst, because bursts are rare."""
BENIGN_LEAD = math.exp(6.0)
RISE_LEVEL = math.log(28 * 24 * 60.0) - 3.0
RISES_DUE_PER_MIN = math.exp(-RISE_LEVEL)
"""A brand that has one false alarm in four weeks rises to this level e³ times in them, and by what
it does itself the credit is corrected."""
RISE_GAP_MIN = 360.0
RISES_KEEP = 0.5 ** (1.0 / (56 * 1440.0))
RISES_FROM_MIN = 5 * 1440.0
RISES_PRIOR = 10.0
"""Rises that the prior is worth: weeks must pass before a brand's own count moves its credit."""
RISES_SHARE = 0.30
RISES_SHARE_SPARSE = 0.30
"""Usual share of the due rises, and more for each tenfold below one post a minute."""
EARNED_CREDIT = 0.1
EARNED_CREDIT_SLOPE = 0.35
"""Nats that a brand of the usual share has to spare, and more for each tenfold above one post a
minute."""
EARNED_LEAST = -1.5
EARNED_MOST = 1.5
LEAK = 0.1
"""Share of near-duplicates that may pass the duplicate check unseen; their mood proves nothing."""
LEAK_SHARE = 0.5
SURGE_FACTOR = 1.5
MINUTE_CAP = 5.0
"""No minute's volume is worth more than this many nats: one spike is not a crisis."""
CAP = math.exp(60.0)
LEAST = 1e-12

WARM_UP_MIN = 120.0
SETTLED_MIN = 24 * 60.0
LEARN_ALWAYS_MIN = 14 * 24 * 60.0
HOLD_LIMIT_MIN = 8 * 60.0
HOLD_FROM = math.exp(8.0)
BLIND_BELOW = 0.05
LOW_COVERAGE = 0.5
NEGATIVE_BIN = 6
"""First bin of the histogram that counts as negative, `NEGATIVE_FROM * N_BINS`."""


def compile_loop(function: Any) -> Any:
    """Compiles a function to scalar machine code (no fast-math, so results are exact)."""
    return njit(cache=True, nogil=True)(function)


@compile_loop
def dispersion_of(row: Floats) -> float:
    """1/r of the negative binomial of a minute's count."""
    v = (row[c.DISP_X] + DISPERSION_PRIOR * DISPERSION_PRIOR_W) / (
        row[c.DISP_W] + DISPERSION_PRIOR_W
    )
    return float(max(v, 0.003))


@compile_loop
def drift_of(row: Floats) -> float:
    """Variance of the log level around its forecast over an hour."""
    v = (row[c.DRIFT_X] + DRIFT_PRIOR * DRIFT_PRIOR_W) / (row[c.DRIFT_W] + DRIFT_PRIOR_W)
    return float(max(v, 0.0025))


@compile_loop
def swing_of(row: Floats) -> float:
    """Variance of the hourly logit share around its forecast."""
    v = (row[c.SWING_X] + SWING_PRIOR * SWING_PRIOR_W) / (row[c.SWING_W] + SWING_PRIOR_W)
    return float(max(v, 0.0025))


@compile_loop
def clumping_of(row: Floats) -> float:
    """How many posts come as one: variance of slots over that of independent posts, at least 1.

    Replies and shares come in clumps; a clump of k posts is worth about as much evidence as one.
    """
    excess = (row[c.CLUMP_X] + CLUMP_PRIOR_W) / (row[c.CLUMP_W] + CLUMP_PRIOR_W) - CLUMP_SLACK
    return float(max(excess, 1.0))


@compile_loop
def _watch_clumps(row: Floats, ring: Any, slot: int) -> None:
    """Compares two neighbouring stretches that ended: 5 minutes, or 30 where posts are few."""
    width = 1
    if level_of(row) < SPARSE_PER_MIN:
        width = 6
        if slot % 2 == 1:
            return
    newer, older, expected = 0.0, 0.0, 0.0
    for k in range(width):
        a = ring[(slot - 1 - k) % c.N_SLOTS]
        b = ring[(slot - 1 - width - k) % c.N_SLOTS]
        if a[c.RING_S] <= 0.0 or b[c.RING_S] <= 0.0:
            return
        newer += a[c.RING_N]
        older += b[c.RING_N]
        expected += a[c.RING_MU] + b[c.RING_MU]
    usual = (newer + older + expected) / 2.0
    usual += dispersion_of(row) * (newer**2 + older**2) / (c.SLOT_MIN * width)
    row[c.CLUMP_X] = SLOT_LONG_DECAY * row[c.CLUMP_X] + min((newer - older) ** 2, 25.0 * usual)
    row[c.CLUMP_W] = SLOT_LONG_DECAY * row[c.CLUMP_W] + usual


@compile_loop
def long_logit_of(row: Floats, prior: float) -> float:
    """Long-run logit of the negative share, shrunk to the prior share."""
    weight = LOGIT_PRIOR
    x = (row[c.SHARE_X] + weight * math.log(prior / (1.0 - prior))) / (row[c.SHARE_W] + weight)
    return float(min(max(x, -5.0), 2.5))


@compile_loop
def local_logit_of(row: Floats, prior: float) -> float:
    """Local logit of the negative share: the recent one, shrunk to the long run."""
    weight = 1.0 / swing_of(row)
    x = (row[c.MOOD_X] + weight * long_logit_of(row, prior)) / (row[c.MOOD_W] + weight)
    return float(min(max(x, -5.0), 2.5))


@compile_loop
def share_of(row: Floats, prior: float) -> float:
    """Local share of posts in the negative bins, shrunk to the long run."""
    long_run = (row[c.SHARE_H] + SHARE_PRIOR * prior) / (row[c.SHARE_N] + SHARE_PRIOR)
    return float((row[c.MOOD_H] + 40.0 * long_run) / (row[c.MOOD_N] + 40.0))


@compile_loop
def level_of(row: Floats) -> float:
    """Long-run posts per minute."""
    return float(max((row[c.LEVEL_N] + 0.1) / (row[c.LEVEL_T] + 60.0), 1e-4))


@compile_loop
def tenfold_of(row: Floats) -> float:
    """Powers of ten of the long-run posts per minute, between -1 and 1."""
    return float(min(max(math.log10(level_of(row)), -1.0), 1.0))


@compile_loop
def earned_of(row: Floats) -> float:
    """Nats of credit, by how often the brand's statistic has come near its threshold.

    The count of rises is Poisson, its rate Gamma about a usual share of what the budget allows; the
    credit is the logarithm of the usual over the posterior rate, and what is usual to spare.
    """
    tenfold = tenfold_of(row)
    share = RISES_SHARE + RISES_SHARE_SPARSE * max(-tenfold, 0.0)
    own = math.log((RISES_PRIOR + share * row[c.RISES_DUE]) / (RISES_PRIOR + row[c.RISES]))
    spare = EARNED_CREDIT + EARNED_CREDIT_SLOPE * max(tenfold, 0.0)
    spare *= 1.0 - math.exp(-row[c.AGE] / RISES_FROM_MIN)
    return float(min(max(own + spare, EARNED_LEAST), EARNED_MOST))


@compile_loop
def _count_rise(row: Floats, statistic: float, cov: float) -> None:
    """Counts a rise of the statistic before it is credited; one within hours is the same."""
    row[c.SINCE_RISE] = min(row[c.SINCE_RISE] + 1.0, 1e6)
    if row[c.AGE] < RISES_FROM_MIN:
        return
    row[c.RISES] *= RISES_KEEP
    row[c.RISES_DUE] = RISES_KEEP * row[c.RISES_DUE] + cov * RISES_DUE_PER_MIN
    if statistic >= RISE_LEVEL:
        if row[c.SINCE_RISE] > RISE_GAP_MIN:
            row[c.RISES] += 1.0
        row[c.SINCE_RISE] = 0.0


@compile_loop
def local_of(row: Floats) -> float:
    """Local level: posts over seasonal expectation, discounted, prior of some posts."""
    return float((row[c.LOCAL_N] + LOCAL_PRIOR) / (row[c.LOCAL_S] + LOCAL_PRIOR))


@compile_loop
def rates_at(
    left: int, level: float, season_n: Any, season_t: Any, shape: Floats
) -> tuple[float, float, float]:
    """Seasonal rates per minute of an hour of the week and the next, and their uncertainty.

    Each hour of the week is shrunk to that hour of all days, and that to the pooled week. (A factor
    for each weekday would step at midnight for a week after the level has jumped.)
    """
    day_n, day_t, daily = np.zeros(24), np.zeros(24), np.empty(24)
    for hour in range(c.HOURS):
        day_n[hour % 24] += season_n[hour]
        day_t[hour % 24] += season_t[hour] / c.EXPOSURE_SCALE
    for hour in range(24):
        before, after = (hour + 23) % 24, (hour + 1) % 24
        part = 0.5 / (1.0 + day_n[hour] / SMOOTH_POSTS)
        posts = day_n[hour] + part * (day_n[before] + day_n[after])
        minutes = day_t[hour] + part * (day_t[before] + day_t[after])
        prior = level * shape[hour]
        daily[hour] = (posts + DAY_PRIOR_MIN * prior) / (minutes + DAY_PRIOR_MIN)
    rates = np.empty(2)
    uncertain = 0.0
    for k in range(2):
        hour = (left + k) % c.HOURS
        usual = max(daily[hour % 24], 1e-5)
        own_t = season_t[hour] / c.EXPOSURE_SCALE
        weight = SEASON_PRIOR_MIN + SEASON_PRIOR_POSTS / usual
        rates[k] = max((season_n[hour] + weight * usual) / (own_t + weight), 1e-5)
        known = own_t + 0.4 * day_t[hour % 24]
        uncertain = max(uncertain, PROFILE_SD * math.sqrt(60.0 / (60.0 + known)))
    return rates[0], rates[1], uncertain


@compile_loop
def _close_hour(row: Floats, hour: int, season_n: Any, season_t: Any) -> None:
    """Folds the finished hour into season, long-run mood and the two slow variances."""
    t = row[c.HOUR_T]
    if t > 0.0:
        n, mu = row[c.HOUR_N], row[c.HOUR_MU]
        part = 1.0
        if row[c.AGE] > SETTLED_MIN and n > 3.0 * mu + 10.0:
            part = (3.0 * mu + 10.0) / n
        # An hour without a post where many are usual is an outage or a pause, no new season.
        if n > 0.0 or 0.5 * (row[c.RATE_A] + row[c.RATE_B]) * t < SILENT_POSTS:
            season_n[hour] = np.float32(WEEK_DECAY * season_n[hour] + part * n)
            kept = WEEK_DECAY * (season_t[hour] / c.EXPOSURE_SCALE) + t
            season_t[hour] = np.uint16(min(kept * c.EXPOSURE_SCALE + 0.5, 65535.0))
        if mu > 0.0 and t > 30.0:
            z = min((n - mu) / mu, 2.0)
            noise = 1.0 / mu + dispersion_of(row) / t
            w = (DRIFT_PRIOR / (noise + DRIFT_PRIOR)) ** 2
            row[c.DRIFT_X] = LONG_DECAY_HOUR * row[c.DRIFT_X] + w * (z * z - noise)
            row[c.DRIFT_W] = LONG_DECAY_HOUR * row[c.DRIFT_W] + w
        info = row[c.HOUR_W]
        if info > 0.0:
            x = min(max(row[c.HOUR_U] / info, -1.5), 1.5)
            w = (SWING_PRIOR / (1.0 / info + SWING_PRIOR)) ** 2
            row[c.SWING_X] = LONG_DECAY_HOUR * row[c.SWING_X] + w * (x * x - 1.0 / info)
            row[c.SWING_W] = LONG_DECAY_HOUR * row[c.SWING_W] + w
        row[c.SHARE_N] = LONG_DECAY_HOUR * row[c.SHARE_N] + part * n
        row[c.SHARE_H] = LONG_DECAY_HOUR * row[c.SHARE_H] + part * row[c.HOUR_H]
        row[c.SHARE_X] = LONG_DECAY_HOUR * row[c.SHARE_X] + part * row[c.HOUR_X]
        row[c.SHARE_W] = LONG_DECAY_HOUR * row[c.SHARE_W] + part * info
    for k in range(c.HOUR_N, c.HOUR_U + 1):
        row[k] = 0.0


@compile_loop
def half_life_of(row: Floats) -> float:
    """Minutes after which what is known of the local level and mood counts half."""
    shorter = max(level_of(row), 1.0) ** -HALF_LIFE_POWER
    return float(max(HALF_LIFE_MIN * shorter, HALF_LIFE_LEAST_MIN))


@compile_loop
def _feed_local(row: Floats, slot: Any) -> None:
    """Feeds a past slot of the ring into local level and local mood, spikes clipped."""
    s = slot[c.RING_S]
    if s <= 0.0:
        return
    n = slot[c.RING_N]
    keep = 0.5 ** (c.SLOT_MIN / half_life_of(row))
    part = 1.0
    limit = 2.0 * slot[c.RING_MU] + 6.0
    if row[c.AGE] > SETTLED_MIN and n > limit:
        part = limit / n
    row[c.LOCAL_N] = keep * row[c.LOCAL_N] + part * n
    row[c.LOCAL_S] = keep * row[c.LOCAL_S] + s
    usual = 1.5 * s + 3.0
    if row[c.AGE] > SETTLED_MIN and n > usual:
        part = usual / n
    row[c.MOOD_N] = keep * row[c.MOOD_N] + part * n
    row[c.MOOD_H] = keep * row[c.MOOD_H] + part * slot[c.RING_H]
    row[c.MOOD_X] = keep * row[c.MOOD_X] + part * slot[c.RING_X]
    row[c.MOOD_W] = keep * row[c.MOOD_W] + part * slot[c.RING_W]


@compile_loop
def _open_slot(row: Floats, ring: Any, slot: int, learns: bool) -> None:
    """Begins a slot of the ring: the one that left the guard band is learnt."""
    if learns:
        _watch_clumps(row, ring, slot)
        if row[c.AGE] <= WARM_UP_MIN:
            _feed_local(row, ring[(slot - 1) % c.N_SLOTS])
        elif row[c.AGE] > WARM_UP_MIN + c.LAG_SLOTS * c.SLOT_MIN:
            lag = BUSY_LAG_SLOTS if level_of(row) >= BUSY_PER_MIN else c.LAG_SLOTS
            _feed_local(row, ring[(slot - 1 - lag) % c.N_SLOTS])
    for k in range(c.N_RING):
        ring[slot, k] = np.float32(0.0)


@compile_loop
def begin_minute(
    minute: int,
    core: Floats,
    season_n: Any,
    season_t: Any,
    ring: Any,
    shape: Floats,
    offsets: Any,
    refresh: bool,
) -> None:
    """Does what a new minute asks before it is looked at: close hours, slots, refresh rates.

    Args:
        minute: minutes since the Unix epoch.
        core: figures of the rows, shape (R, N_CORE), changed in place.
        season_n: discounted posts by hour of the week, float32, shape (R, HOURS).
        season_t: discounted exposure, fixed point, shape (R, HOURS).
        ring: the last 100 minutes, float32, shape (R, N_SLOTS, N_RING).
        shape: pooled shape of the week, mean 1, shape (HOURS,).
        offsets: minutes to add to UTC, shape (R,).
        refresh: whether to compute the seasonal rates anew in any case, as after a gap.
    """
    for i in range(core.shape[0]):
        row = core[i]
        local = minute + offsets[i]
        if minute % c.SLOT_MIN == 0:
            _open_slot(row, ring[i], (minute // c.SLOT_MIN) % c.N_SLOTS, not is_held(row))
        if local % 60 == 0:
            _close_hour(row, (local // 60 + 71) % c.HOURS, season_n[i], season_t[i])
        if refresh or local % 30 == 0 or row[c.RATE_A] == 0.0:
            left = (local - 30) // 60 + 72
            level = level_of(row)
            row[c.RATE_A], row[c.RATE_B], row[c.RATE_SD] = rates_at(
                left % c.HOURS, level, season_n[i], season_t[i], shape
            )


@compile_loop
def is_held(row: Floats) -> bool:
    """Whether learning is held back: the test sees a crisis, and not for too long."""
    if row[c.AGE] < LEARN_ALWAYS_MIN or row[c.HELD] >= HOLD_LIMIT_MIN:
        return False
    return bool(mean_of(row, c.CRISIS, c.N_ALT) >= HOLD_FROM)


@compile_loop
def mean_of(row: Floats, first: int, count: int) -> float:
    """Mean of neighbouring columns."""
    total = 0.0
    for j in range(count):
        total += row[first + j]
    return total / count


@compile_loop
def _advance(r: float, age: float, gain: float) -> tuple[float, float]:
    """One step of a Shiryaev–Roberts statistic and its first moment of age."""
    r_new = (1.0 + r) * gain
    age_new = (age + r + 1.0) * gain
    if r_new > CAP:
        age_new *= CAP / r_new
        r_new = CAP
    return r_new, age_new


@compile_loop
def step_rows(
    minute: int,
    core: Floats,
    ring: Any,
    histogram: Floats,
    late: Floats,
    copies: Floats,
    authors: Floats,
    negative_authors: Floats,
    reach: Floats,
    negative_reach: Floats,
    coverage: Floats,
    ratios: Floats,
    common: float,
    widened: Any,
    offsets: Any,
    prior: float,
    out: Floats,
) -> None:
    """Takes one minute for every row.

    Args:
        minute: minutes since the Unix epoch.
        core: figures of the rows, shape (R, N_CORE), changed in place.
        ring: the last 100 minutes, shape (R, N_SLOTS, N_RING), changed in place.
        histogram: posts by bin of P(negative), shape (R, N_BINS).
        late: late posts by bin, shape (R, N_BINS).
        copies: near-duplicates, shape (R,).
        authors: distinct authors, shape (R,).
        negative_authors: distinct authors of negative posts, shape (R,).
        reach: reach of the authors, shape (R,).
        negative_reach: reach over negative posts, shape (R,).
        coverage: share seen, shape (R,).
        ratios: likelihood ratio negative against not of each bin, shape (N_BINS,).
        common: factor by which all rows together are above their expectation, at least 1.
        widened: whether a planned event is on, shape (R,).
        offsets: minutes to add to UTC, shape (R,).
        prior: negative share expected before anything is known.
        out: what the minute was, shape (R, N_OUT), written.
    """
    n_bins = ratios.shape[0]
    slot = (minute // c.SLOT_MIN) % c.N_SLOTS
    shares = np.empty(c.N_ALT)
    mood = np.empty(c.N_ALT)
    for i in range(core.shape[0]):
        row = core[i]
        cov = coverage[i]
        local = minute + offsets[i]
        along = ((local - 30) % 60 + 0.5) / 60.0
        season = row[c.RATE_A] + (row[c.RATE_B] - row[c.RATE_A]) * along
        g = local_of(row)
        mu_full = season * g
        dispersion = dispersion_of(row)
        drift = drift_of(row)
        share = share_of(row, prior)
        level_var = max(drift, 1.0 / (row[c.LOCAL_N] + LOCAL_PRIOR), row[c.RATE_SD] ** 2)
        seen = cov > BLIND_BELOW
        scale = cov if seen else 1.0
        mu = mu_full * scale
        out[i, c.OUT_MU] = mu
        out[i, c.OUT_VAR] = mu + (dispersion + level_var) * mu * mu
        out[i, c.OUT_SHARE] = share

        row[c.BLIND] = row[c.BLIND] + 1.0 if cov < LOW_COVERAGE else 0.0
        if seen:
            n, hard = 0.0, 0.0
            for k in range(n_bins):
                n += histogram[i, k]
                if k >= NEGATIVE_BIN:
                    hard += histogram[i, k]
            out[i, c.OUT_N] = n
            out[i, c.OUT_H] = hard
            held = is_held(row)

            # Nulls: the volume and the mood least favourable within their uncertainty.
            local_x = local_logit_of(row, prior)
            long_x = long_logit_of(row, prior)
            trust = BETTER_MOOD if g < BUSY else 0.0
            null_x = max(local_x, local_x + (1.0 - trust) * (long_x - local_x))
            unknown = NEW_MOOD * NEW_MOOD / (row[c.SHARE_W] + LOGIT_PRIOR)
            margin = MOOD_MARGIN + MOOD_MARGIN_SLOPE * max(tenfold_of(row), 0.0)
            null_x += math.sqrt(margin * margin * swing_of(row) + unknown)
            p_u = 1.0 / (1.0 + math.exp(-null_x))
            floor = 1.0 if row[c.AGE] < 2.0 * NEW_MIN else SLUMP_FLOOR
            mu_u = season * max(g, floor) * scale * common
            new = NEW_LEVEL * math.exp(-((row[c.AGE] / NEW_MIN) ** 2))
            mu_u *= math.exp(LEVEL_MARGIN * math.sqrt(level_var) + new)
            leak = LEAK * copies[i]
            if leak > 0.0:
                p_u = (mu_u * p_u + leak * max(LEAK_SHARE, p_u)) / (mu_u + leak)
                mu_u += leak
            temper = 1.0 / clumping_of(row)
            unit = (0.5 * level_of(row) + 0.5 * mu_full) * scale
            testing = row[c.AGE] >= WARM_UP_MIN

            # Mood of the posts: likelihood ratios, score and information of the logit share.
            p_x = 1.0 / (1.0 + math.exp(-local_x))
            score, info = 0.0, 0.0
            for j in range(c.N_ALT):
                m = 1.0 + SIZES[j] * unit / mu_u
                shares[j] = (p_u + (m - 1.0) * max(CRISIS_NEGATIVE, p_u)) / m
                mood[j] = 0.0
            for k in range(n_bins):
                posts = histogram[i, k]
                both = posts + late[i, k]
                if both > 0.0:
                    lift = ratios[k] - 1.0
                    under = 1.0 + p_u * lift
                    for j in range(c.N_ALT):
                        mood[j] += both * math.log((1.0 + shares[j] * lift) / under)
                if posts > 0.0:
                    u = p_x * (1.0 - p_x) * lift / (1.0 + p_x * lift)
                    score += posts * u
                    info += posts * u * u

            if testing:
                for j in range(c.N_ALT):
                    m = 1.0 + SIZES[j] * unit / mu_u
                    volume = 0.0
                    if not widened[i]:
                        volume = n * math.log(m) - (n + 1.0 / dispersion) * math.log(
                            1.0 + dispersion * mu_u * (m - 1.0) / (1.0 + dispersion * mu_u)
                        )
                        volume = min(volume, MINUTE_CAP)
                    gain = math.exp(min(temper * (mood[j] + volume), 60.0))
                    r = row[c.CRISIS + j]
                    age = row[c.AGE_1 + j]
                    age_2 = (row[c.AGE_2 + j] + 2.0 * age + r + 1.0) * gain
                    r_new, age_new = _advance(r, age, gain)
                    if r_new >= CAP:
                        age_2 *= CAP / ((1.0 + r) * gain)
                    row[c.CRISIS + j], row[c.AGE_1 + j] = r_new, age_new
                    row[c.AGE_2 + j] = age_2
                    gain = math.exp(min(temper * mood[j], 60.0))
                    row[c.BENIGN + j], row[c.BENIGN_AGE + j] = _advance(
                        row[c.BENIGN + j], row[c.BENIGN_AGE + j], gain
                    )
                # Without angry posts, volume alone is no evidence to be remembered: a giveaway
                # must not leave a debt that its end is charged with.
                most = (1.0 + mean_of(row, c.BENIGN, c.N_ALT)) * BENIGN_LEAD
                for j in range(c.N_ALT):
                    if row[c.CRISIS + j] > most:
                        part = most / row[c.CRISIS + j]
                        row[c.CRISIS + j] = most
                        row[c.AGE_1 + j] *= part
                        row[c.AGE_2 + j] *= part
                mu_s = max(mu_u, season * scale) * SURGE_FACTOR
                disp_s = 2.0 * dispersion
                for j in range(c.N_SURGE):
                    m = 1.0 + SURGE_SIZES[j]
                    volume = n * math.log(m) - (n + 1.0 / disp_s) * math.log(
                        1.0 + disp_s * mu_s * (m - 1.0) / (1.0 + disp_s * mu_s)
                    )
                    if widened[i]:
                        volume = min(volume, 0.0)
                    gain = math.exp(temper * min(volume, MINUTE_CAP))
                    row[c.SURGE + j], row[c.SURGE_AGE + j] = _advance(
                        row[c.SURGE + j], row[c.SURGE_AGE + j], gain
                    )
                if mean_of(row, c.SURGE, c.N_SURGE) >= BUZZ_FROM:
                    row[c.BUZZ_MIN] += 1.0
                else:
                    row[c.BUZZ_MIN] = 0.0
                # Copies: ten times the usual and half the brand's traffic, over a wide null.
                copy_mu = 3.0 * (row[c.COPY_N] + 1.0) / (row[c.COPY_T] + 60.0) + 0.1 * mu_full
                copy_mu *= scale
                volume = copies[i] * math.log(4.0) - (copies[i] + 2.0) * math.log(
                    1.0 + 0.5 * copy_mu * 3.0 / (1.0 + 0.5 * copy_mu)
                )
                row[c.COPY_R], row[c.COPY_AGE] = _advance(
                    row[c.COPY_R], row[c.COPY_AGE], math.exp(min(volume, MINUTE_CAP))
                )

            # Learning.
            if mean_of(row, c.CRISIS, c.N_ALT) >= HOLD_FROM:
                row[c.HELD] = min(row[c.HELD] + 1.0, 2.0 * HOLD_LIMIT_MIN)
            else:
                row[c.HELD] = max(row[c.HELD] - 1.0, 0.0)
            row[c.AGE] += cov
            if not held:
                clipped = n
                if row[c.AGE] > SETTLED_MIN:
                    clipped = min(n, 4.0 * mu + 10.0)
                if row[c.RECENT_N] + n > 0.05 or season * 30.0 < SILENT_POSTS:
                    row[c.LEVEL_N] = LONG_DECAY * row[c.LEVEL_N] + clipped
                    row[c.LEVEL_T] = LONG_DECAY * row[c.LEVEL_T] + cov
                row[c.COPY_N] = LONG_DECAY * row[c.COPY_N] + min(copies[i], mu + 1.0)
                row[c.COPY_T] = LONG_DECAY * row[c.COPY_T] + cov
                noise = 1.0 / mu
                w = (DISPERSION_PRIOR / (noise + DISPERSION_PRIOR)) ** 2
                z = min((n - mu) / mu, 4.0 * math.sqrt(noise + dispersion))
                excess = z * z - noise
                row[c.DISP_X] = LONG_DECAY * row[c.DISP_X] + w * excess
                row[c.DISP_W] = LONG_DECAY * row[c.DISP_W] + w
                row[c.HOUR_N] += n
                row[c.HOUR_T] += cov
                row[c.HOUR_MU] += mu
                row[c.HOUR_H] += hard
                row[c.HOUR_X] += info * local_x + score
                row[c.HOUR_W] += info
                row[c.HOUR_U] += score
            ring[i, slot, c.RING_N] += np.float32(n)
            ring[i, slot, c.RING_H] += np.float32(hard)
            ring[i, slot, c.RING_X] += np.float32(info * local_x + score)
            ring[i, slot, c.RING_W] += np.float32(info)
            ring[i, slot, c.RING_S] += np.float32(season * cov)
            ring[i, slot, c.RING_MU] += np.float32(mu)
            ring[i, slot, c.RING_AUTHORS] += np.float32(authors[i])
            ring[i, slot, c.RING_NEG_AUTHORS] += np.float32(negative_authors[i])
            ring[i, slot, c.RING_REACH] += np.float32(reach[i])
            ring[i, slot, c.RING_NEG_REACH] += np.float32(negative_reach[i])
            row[c.RECENT_N] = RECENT_DECAY * row[c.RECENT_N] + n
            row[c.RECENT_H] = RECENT_DECAY * row[c.RECENT_H] + hard
            row[c.RECENT_MU] = RECENT_DECAY * row[c.RECENT_MU] + mu
            row[c.RECENT_T] = RECENT_DECAY * row[c.RECENT_T] + cov
            row[c.RECENT_C] = RECENT_DECAY * row[c.RECENT_C] + copies[i]
            row[c.REACH_N] = LONG_DECAY * row[c.REACH_N] + n
            row[c.REACH_X] = LONG_DECAY * row[c.REACH_X] + reach[i]
            row[c.SHORT_N] = SHORT_DECAY * row[c.SHORT_N] + n
            row[c.SHORT_MU] = SHORT_DECAY * row[c.SHORT_MU] + mu
        else:
            out[i, c.OUT_N] = 0.0
            out[i, c.OUT_H] = 0.0

        benign = math.log(mean_of(row, c.BENIGN, c.N_ALT) + LEAST)
        crisis = math.log(mean_of(row, c.CRISIS, c.N_ALT) + LEAST)
        tenfold = tenfold_of(row)
        usual_credit = USUAL_CREDIT + USUAL_CREDIT_SLOPE * max(tenfold, 0.0)
        credit = BENIGN_CREDIT - math.log(1.0 + row[c.BUZZ_MIN] / BUZZ_SPENT_MIN)
        credit -= CLUMP_PENALTY * math.log(clumping_of(row)) * max(-tenfold, 0.0)
        statistic = min(crisis + usual_credit, benign + credit)
        earned = earned_of(row)
        if seen:
            _count_rise(row, statistic, cov)
        out[i, c.OUT_CRISIS] = statistic + earned
        out[i, c.OUT_USUAL] = crisis
        out[i, c.OUT_MOOD] = benign
        out[i, c.OUT_SURGE] = math.log(mean_of(row, c.SURGE, c.N_SURGE) + LEAST)
        out[i, c.OUT_COPY] = math.log(row[c.COPY_R] + LEAST)
