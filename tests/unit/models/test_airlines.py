"""The airlines' watchlist finds the airlines in real posts."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from models.matching import Matcher
from models.watchlist import load_watchlist

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("CZUJKA_DATA", ROOT.parent / "shared" / "data"))
POSTS = DATA / "airline" / "posts.csv"
BRAND_OF = {"Delta": "jetblue", "Southwest": "southwest", "Virgin America": "virgin-america"}


@pytest.mark.skipif(not POSTS.exists(), reason=f"no airline posts at {POSTS}; set CZUJKA_DATA")
def test_nearly_every_post_is_matched_to_the_airline_it_was_labelled_with() -> None:
    watchlist = load_watchlist(ROOT / "tests" / "data" / "airlines.yaml")
    with POSTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    confusion: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for row, found in zip(
        rows, Matcher(watchlist.brands).match([row["text"] for row in rows]), strict=True
    ):
        confusion[row["airline"], tuple(watchlist.brands[index].id for index in found)] += 1
    right = sum(n for (label, found), n in confusion.items() if BRAND_OF[label] in found)
    alone = sum(n for (label, found), n in confusion.items() if found == (BRAND_OF[label],))
    assert right >= 0.995 * len(rows), confusion
    assert alone >= 0.99 * len(rows), confusion
