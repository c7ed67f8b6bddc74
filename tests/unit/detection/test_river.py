"""The detector for one brand is a River citizen, and River's detectors vote beside the bank."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import river.checks
from river import base
from river.anomaly import GaussianScorer

from models.detection import DetectionSettings, RowSettings, make_bank
from models.detection.base import Phase, Transition
from models.detection.single import TwoNullDetector

from .story import DAY, Burst, Story


class Minutes:
    """Usual minutes, and a crisis near the end labelled as anomaly; River's checks iterate it."""

    def __iter__(self) -> Iterator[tuple[dict[str, float], bool]]:
        rng = np.random.default_rng(0)
        for t in range(400):
            strange = t >= 360
            posts = rng.poisson(20.0 if strange else 4.0)
            negative = rng.binomial(posts, 0.8 if strange else 0.2)
            yield {"posts": float(posts), "negative": float(negative)}, strange


def rivers_checks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Any], None]]:
    # River's own stream for anomaly detectors is downloaded; the checks run on ours instead.
    monkeypatch.setattr(river.checks, "_yield_datasets", lambda model, scale=1: [Minutes()])
    return list(river.checks.yield_checks(TwoNullDetector()))


def test_the_detector_passes_rivers_own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    random.seed(0)
    checks = rivers_checks(monkeypatch)
    assert len(checks) >= 15
    for check in checks:
        check(TwoNullDetector())


def test_it_is_one_of_rivers_anomaly_detectors() -> None:
    assert isinstance(TwoNullDetector(), base.AnomalyDetector)


def test_crisis_minutes_score_higher_than_usual_ones() -> None:
    detector = TwoNullDetector()
    scores = []
    for x, strange in Minutes():
        scores.append((strange, detector.score_one(x)))
        detector.learn_one(x)
    assert max(s for strange, s in scores if not strange) < 0.5
    assert [s for strange, s in scores if strange][-1] > 0.5


STORY = Story(
    rates=[6.0, 3.0], days=1.5, seed=2, night=0.8, bursts=[Burst(0, DAY + 300, DAY + 400, 5, 0.8)]
)


def votes_of(detectors: tuple[str, ...]) -> list[Transition]:
    bank = make_bank([RowSettings()] * 2, DetectionSettings(detectors=detectors))
    return [t for minute in STORY.minutes() for t in bank.step(minute)[1]]


def test_any_river_detector_votes_by_name_and_its_vote_is_in_the_alert() -> None:
    names = (
        "two-null",
        "river.anomaly.GaussianScorer",
        "river.anomaly.StandardAbsoluteDeviation",
        "river.anomaly.HalfSpaceTrees",
        "river.drift.ADWIN",
    )
    firing = [t for t in votes_of(names) if t.phase is Phase.FIRING]
    assert firing
    assert set(firing[0].votes) == set(names)
    assert all(0.0 <= vote <= 1.0 for vote in firing[0].votes.values())
    assert firing[0].votes["river.anomaly.GaussianScorer"] > 0.9


class Stubborn(GaussianScorer):
    """A detector that cannot be asked."""

    def score_one(self, x: dict[str, float], y: float) -> float:
        raise RuntimeError("not today")


class Demanding(GaussianScorer):
    """A detector that cannot be made without being told more."""

    def __init__(self, window: int) -> None:
        super().__init__(window_size=window)


@pytest.mark.parametrize(
    ("kind", "reason"), [(Stubborn, "not today"), (Demanding, "missing 1 required")]
)
def test_a_detector_that_cannot_vote_is_refused_before_an_alert_is_due(
    kind: type, reason: str
) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}' cannot vote: .*{reason}"):
        votes_of(("two-null", f"{__name__}.{kind.__name__}"))


def test_adwin_sees_the_mood_turn_during_a_long_crisis() -> None:
    life = votes_of(("two-null", "river.drift.ADWIN"))
    assert max(t.votes["river.drift.ADWIN"] for t in life) == 1.0


def test_second_opinions_change_nothing_but_the_votes() -> None:
    alone, together = votes_of(("two-null",)), votes_of(("two-null", "river.drift.ADWIN"))
    assert [(t.phase, t.decided_ms) for t in alone] == [(t.phase, t.decided_ms) for t in together]
