"""Plots of the benchmark: how delays lie against the bound, and one story."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from bench.detection.trial import SELF, Outcome
from bench.detection.worlds import DAY, RATES, TIERS, Crisis, World
from models.detection import RowSettings, make_bank


def plot_delays(outcomes: dict[tuple[str, float], Outcome], out: Path) -> None:
    """Share of crises found by minute: bound, detector, rivals; a panel a (tier, rate)."""
    tiers = list(dict.fromkeys(tier for tier, _ in outcomes))
    figure, axes = plt.subplots(
        len(tiers), len(RATES), figsize=(4 * len(RATES), 2.6 * len(tiers)), squeeze=False
    )
    for (tier, rate), o in outcomes.items():
        column = RATES.index(rate) if rate in RATES else 0
        axis = axes[tiers.index(tier)][column]
        minutes = np.arange(1, len(o.mixture.found) + 1)
        if np.isfinite(o.mixture.mean_min):
            axis.plot(minutes, o.mixture.found, color="black", label="bound")
        for name, delays in o.delays.items():
            share = [(delays <= m).mean() if m < len(minutes) else np.nan for m in minutes]
            width = 2.0 if name == SELF else 0.8
            axis.plot(minutes, share, lw=width, label=name)
        axis.set_title(f"{tier}, {rate:.3g} posts/min", fontsize=9)
        axis.set_xscale("log")
        axis.set_ylim(0, 1.02)
    for axis in axes.flat:
        axis.set_axis_on() if axis.lines else axis.set_axis_off()
    axes[0][0].legend(fontsize=6)
    figure.supxlabel("minutes after the onset")
    figure.supylabel("share of crises found")
    figure.tight_layout()
    figure.savefig(out / "delays.png", dpi=110)
    plt.close(figure)


def plot_story(out: Path, seed: int) -> None:
    """One brand over two days: what it saw, what it expected, when it fired."""
    world = World(np.array([2.0]), [TIERS[2]], seed)
    bank = make_bank([RowSettings()])
    crisis = Crisis(np.array([6 * DAY + 900]), np.array([2.0]), np.array([0.7]), np.array([1]))
    seen, expected, low, high, statistic, fired = [], [], [], [], [], []
    for h in range(7 * 24):
        end = h * 60 >= 6 * DAY + 1100
        hour = world.hour(None if end else crisis)
        for m in range(60):
            reading, transitions = bank.step(hour.minute(m))
            seen.append(hour.posts[m, 0])
            expected.append(reading.expected[0])
            low.append(reading.low[0])
            high.append(reading.high[0])
            statistic.append(reading.statistic[0])
            fired += [(h * 60 + m, t.kind.value, t.phase.value) for t in transitions]
    shown = slice(5 * DAY, 7 * DAY)
    hours = np.arange(7 * DAY)[shown] / 60
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(11, 6), sharex=True)
    top.plot(hours, np.convolve(seen, np.ones(5) / 5, "same")[shown], lw=0.7, label="seen (5 min)")
    top.plot(hours, expected[shown], label="expected")
    top.fill_between(hours, low[shown], high[shown], alpha=0.2, label="95 % of minutes")
    bottom.plot(hours, statistic[shown], lw=0.8, label="statistic")
    bottom.axhline(float(reading.threshold[0]), color="grey", ls="--", label="threshold")
    for at, kind, phase in fired:
        if at >= 5 * DAY and phase in ("firing", "resolved"):
            for axis in (top, bottom):
                axis.axvline(at / 60, color="red" if phase == "firing" else "green", lw=0.8)
            bottom.text(at / 60, 1, f"{kind} {phase}", rotation=90, fontsize=6)
    top.legend(fontsize=7)
    bottom.legend(fontsize=7)
    bottom.set_xlabel("hours")
    figure.tight_layout()
    figure.savefig(out / "story.png", dpi=110)
    plt.close(figure)
