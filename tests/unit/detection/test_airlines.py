"""Real posts: three airlines in February 2015; flights are cancelled on the 22nd."""

from __future__ import annotations

import csv
import os
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.detection import RowSettings, make_bank
from models.detection.base import BUCKET_MS, Kind, Minute, Phase, Transition
from models.sentiment.bins import N_BINS

DEFAULT = Path(__file__).resolve().parents[3].parent / "shared" / "data"
POSTS = Path(os.environ.get("CZUJKA_DATA", DEFAULT)) / "airline" / "posts.csv"
# The file's own names; its "Delta" is JetBlue.
AIRLINES = ("Delta", "Southwest", "Virgin America")
NEGATIVE_BIN, OTHER_BIN = 10, 2
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def alerts() -> list[Transition]:
    if not POSTS.exists():
        pytest.skip(f"no airline posts at {POSTS}; set CZUJKA_DATA")
    with POSTS.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    posts: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        at = datetime.fromisoformat(row["created_utc"].replace("Z", "+00:00"))
        minute = int(at.timestamp()) // 60
        negative = row["airline_sentiment"] == "negative"
        where = AIRLINES.index(row["airline"])
        posts.setdefault(minute, []).append((where, NEGATIVE_BIN if negative else OTHER_BIN))
    bank = make_bank([RowSettings()] * len(AIRLINES))
    transitions = []
    nothing = np.zeros(len(AIRLINES))
    for minute in range(min(posts), max(posts) + 1):
        histogram = np.zeros((len(AIRLINES), N_BINS))
        for where, bin_ in posts.get(minute, []):
            histogram[where, bin_] += 1
        n, negative_n = histogram.sum(axis=1), histogram[:, N_BINS // 2 :].sum(axis=1)
        transitions += bank.step(
            Minute(
                bucket_ms=minute * BUCKET_MS,
                mentions=n,
                histogram=histogram,
                late_histogram=np.zeros_like(histogram),
                copies=nothing,
                negative_authors=negative_n,
                authors=n,
                reach=300 * n,
                negative_reach=300 * negative_n,
                platforms=np.minimum(n, 1),
                coverage=np.ones(len(AIRLINES)),
            )
        )[1]
    fired = (Phase.FIRING, Phase.ESCALATED)
    return [t for t in transitions if t.kind is Kind.SURGE_NEGATIVE and t.phase in fired]


def first_day(alerts: list[Transition], airline: str) -> date:
    """Day of the first alert in New York."""
    first = next(t for t in alerts if AIRLINES[t.row] == airline)
    return datetime.fromtimestamp(first.decided_ms / 1000, NEW_YORK).date()


@pytest.mark.parametrize("airline", ["Delta", "Southwest"])
def test_an_airline_is_first_alerted_on_the_day_of_its_cancellations(
    alerts: list[Transition], airline: str
) -> None:
    assert first_day(alerts, airline) == date(2015, 2, 22)


def test_virgin_america_is_left_in_peace(alerts: list[Transition]) -> None:
    assert [t for t in alerts if AIRLINES[t.row] == "Virgin America"] == []
