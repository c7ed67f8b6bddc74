"""Where each figure of a row stands in the bank's arrays.

Plain integers, because the compiled kernel reads them as constants. The order is part of the
saved format: a change raises `state.VERSION`.
"""

from __future__ import annotations

from typing import Final

N_ALT: Final = 5
"""Sizes of crisis that the test mixes over."""
N_SURGE: Final = 3
"""Sizes of buzz that the volume test mixes over."""

# Minutes seen, in units of full coverage, and minutes learning has been held back.
AGE: Final = 0
HELD: Final = 1
# Long-run level: discounted posts and minutes.
LEVEL_N: Final = 2
LEVEL_T: Final = 3
# Local level g: discounted posts and seasonal exposure, fed late.
LOCAL_N: Final = 4
LOCAL_S: Final = 5
# Long-run mood: posts, posts in negative bins, weighted logit share and its information.
SHARE_N: Final = 6
SHARE_H: Final = 7
SHARE_X: Final = 8
SHARE_W: Final = 9
# The same, local and fed late.
MOOD_N: Final = 10
MOOD_H: Final = 11
MOOD_X: Final = 12
MOOD_W: Final = 13
# Excess variances as weighted sums and weights: of a minute's count, of the log level over an
# hour, of the logit share over an hour.
DISP_X: Final = 14
DISP_W: Final = 15
DRIFT_X: Final = 16
DRIFT_W: Final = 17
SWING_X: Final = 18
SWING_W: Final = 19
# The running hour: posts, minutes, expected posts, posts in negative bins, weighted logit share
# and its information, score of the logit share.
HOUR_N: Final = 20
HOUR_T: Final = 21
HOUR_MU: Final = 22
HOUR_H: Final = 23
HOUR_X: Final = 24
HOUR_W: Final = 25
HOUR_U: Final = 26
# Seasonal rate at the centres of two neighbouring hours, and the relative sd of the profile.
RATE_A: Final = 27
RATE_B: Final = 28
RATE_SD: Final = 29
# Recent exponentially weighted sums, 30 minutes: posts, negative, expected posts, minutes.
RECENT_N: Final = 30
RECENT_H: Final = 31
RECENT_MU: Final = 32
RECENT_T: Final = 33
# 10 minutes, for what all brands have in common.
SHORT_N: Final = 34
SHORT_MU: Final = 35
# Copies: long-run discounted copies and minutes; the flood test and its age.
COPY_N: Final = 36
COPY_T: Final = 37
COPY_R: Final = 38
COPY_AGE: Final = 39
# The tests: run statistics per alternative, and their moments of age.
CRISIS: Final = 40
BENIGN: Final = CRISIS + N_ALT
AGE_1: Final = BENIGN + N_ALT
AGE_2: Final = AGE_1 + N_ALT
BENIGN_AGE: Final = AGE_2 + N_ALT
SURGE: Final = BENIGN_AGE + N_ALT
SURGE_AGE: Final = SURGE + N_SURGE
# Minutes in a row with little coverage; recent copies, 30 minutes; reach of a usual post.
BLIND: Final = SURGE_AGE + N_SURGE
RECENT_C: Final = BLIND + 1
REACH_N: Final = RECENT_C + 1
REACH_X: Final = REACH_N + 1
# Clumping of posts: squared differences of neighbouring slots, and what independent posts give.
CLUMP_X: Final = REACH_X + 1
CLUMP_W: Final = CLUMP_X + 1
# Minutes that volume alone has been above a burst's.
BUZZ_MIN: Final = CLUMP_W + 1
# What the brand shows of itself below the threshold: discounted rises of the statistic, those that
# a brand of that budget would show, minutes since the last.
RISES: Final = BUZZ_MIN + 1
RISES_DUE: Final = RISES + 1
SINCE_RISE: Final = RISES_DUE + 1
N_CORE: Final = SINCE_RISE + 1
N_CORE_2: Final = RISES
"""Columns of a row in states of version 2."""

SLOT_MIN: Final = 5
N_SLOTS: Final = 20
LAG_SLOTS: Final = 12
"""The ring holds the last 100 minutes; what is 60 minutes old feeds the local baseline."""
RING_N: Final = 0
RING_H: Final = 1
RING_X: Final = 2
RING_W: Final = 3
RING_S: Final = 4
RING_MU: Final = 5
RING_AUTHORS: Final = 6
RING_NEG_AUTHORS: Final = 7
RING_REACH: Final = 8
RING_NEG_REACH: Final = 9
N_RING: Final = 10

HOURS: Final = 168
EXPOSURE_SCALE: Final = 128.0
"""Seasonal exposure is kept as 16-bit fixed point, in 1/128 minutes."""

# Columns of what a step hands out.
OUT_MU: Final = 0
OUT_VAR: Final = 1
OUT_SHARE: Final = 2
OUT_CRISIS: Final = 3
OUT_MOOD: Final = 4
OUT_SURGE: Final = 5
OUT_COPY: Final = 6
OUT_N: Final = 7
OUT_H: Final = 8
OUT_USUAL: Final = 9
N_OUT: Final = 10
