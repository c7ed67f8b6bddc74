"""What must be there besides evidence before anybody is woken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.detection import RowSettings, make_bank
from models.detection.base import Kind, Phase
from models.sentiment.bins import N_BINS

from .story import DAY, Story, make_minute


@pytest.mark.parametrize(("people", "told"), [(1, False), (4, False), (5, True), (8, True)])
def test_five_people_must_be_angry_however_much_they_write(people: int, told: bool) -> None:
    bank = make_bank([RowSettings()])
    for minute in Story([0.2], 15).minutes():
        bank.step(minute)
    angry = np.zeros((1, N_BINS))
    angry[0, -1] = 16 / people
    fired = []
    for t in range(people):
        made = make_minute(15 * DAY + 12 * 60 + t, angry)
        _, transitions = bank.step(replace(made, negative_authors=np.ones(1)))
        fired += [
            transition
            for transition in transitions
            if transition.kind is Kind.SURGE_NEGATIVE and transition.phase is Phase.FIRING
        ]
    assert bool(fired) is told
