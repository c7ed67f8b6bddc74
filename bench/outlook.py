"""How often what came lay within the forecast's interval: `python -m bench.outlook`.

Volumes of ten companies on Twitter (NAB, five-minute counts), each spread evenly over its minutes.
At every half-hour in which the last half-hour brought at least twice what is usual (the median of
the day before), the outlook is held against what came. A moment is young if the
half-hour before was not so loud. The constants were fitted on the first half of each series; the
second half was not looked at.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from models.outlook import HOURS, LEVEL, look_ahead

DATA = Path(os.environ.get("CZUJKA_DATA", "../shared/data")) / "nab" / "realTweets"
STEP_MIN = 5
DAY = 24 * 60 // STEP_MIN
LOUD = 2.0


def read_volumes(path: Path) -> np.ndarray:
    """Counts of one file, five minutes each, shape (n,)."""
    with path.open() as file:
        return np.array([float(row["value"]) for row in csv.DictReader(file)])


def judge(values: np.ndarray) -> Iterator[tuple[int, bool, bool, float]]:
    """Each loud moment and horizon: hours, whether young, whether hit, error as a log ratio."""
    for at in range(DAY, len(values) - HOURS[-1] * 12, 6):
        usual = float(np.median(values[at - DAY : at])) / STEP_MIN
        recent = values[at - 12 : at]
        if usual <= 0 or recent[-6:].sum() < LOUD * usual * 30:
            continue
        young = bool(recent[:6].sum() < LOUD * usual * 30)
        loud = recent[6:] >= LOUD * usual * STEP_MIN
        since_min = STEP_MIN * (6 - int(np.argmax(loud))) if young and loud.any() else 60
        counts = np.repeat(recent / STEP_MIN, STEP_MIN).tolist()
        outlook = look_ahead(counts, usual, since_min)
        assert outlook is not None
        for ahead in outlook.ahead:
            came = float(values[at : at + ahead.hours * 12].sum())
            hit = ahead.low <= came <= ahead.high
            yield ahead.hours, young, hit, float(np.log((came + 1) / (ahead.mentions + 1)))


def main() -> None:
    """Prints the table."""
    files = sorted(DATA.glob("*.csv"))
    if not files:
        raise SystemExit(f"no volumes under {DATA}: set CZUJKA_DATA")
    print(f"interval meant to hold {LEVEL:.0%}")
    for name, half in (("fitted on", 0), ("held out", 1)):
        found = [
            row for path in files for row in judge(np.array_split(read_volumes(path), 2)[half])
        ]
        for hours, young in product(HOURS, (False, True)):
            rows = [(hit, error) for h, y, hit, error in found if h == hours and (y or not young)]
            hits = np.mean([hit for hit, _ in rows])
            errors = np.array([error for _, error in rows])
            print(
                f"{name:9}  {hours} h, {'young' if young else 'all':5}: {len(rows)} moments, "
                f"within {hits:.2f}, median error x{np.exp(np.median(np.abs(errors))):.2f}, "
                f"bias x{np.exp(np.median(errors)):.2f}"
            )


if __name__ == "__main__":
    main()
