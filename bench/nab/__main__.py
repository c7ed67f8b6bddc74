"""`python -m bench.nab`: NAB's Twitter volumes, threshold tuned on the other files each time."""

from __future__ import annotations

import csv
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.nab.scoring import Labelled, best_threshold, normalised_score, raw_score
from models.detection.series import score_series

OUT = Path("bench/out/nab")


def data_folder() -> Path:
    """Where the data lies; exits with the reason if it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("CZUJKA_DATA", default)) / "nab"
    if not (folder / "windows.json").exists():
        sys.exit(f"no NAB data in {folder}; set CZUJKA_DATA to the folder that holds nab/")
    return folder


def parse_ms(text: str) -> int:
    """Milliseconds since the epoch of a timestamp without zone, taken as UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def read_file(folder: Path, name: str, windows: list[list[str]]) -> Labelled:
    """A scored file with its windows as row ranges."""
    with (folder / name).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    times = np.array([parse_ms(row["timestamp"]) for row in rows])
    values = np.array([float(row["value"]) for row in rows])
    ranges = []
    for begin, end in windows:
        inside = np.flatnonzero((times >= parse_ms(begin)) & (times <= parse_ms(end)))
        ranges.append((int(inside[0]), int(inside[-1])))
    return Labelled(name, score_series(times, values), tuple(ranges))


def main() -> None:
    """Prints and writes the score with the threshold of the other files, and beside it others'."""
    folder = data_folder()
    windows = json.loads((folder / "windows.json").read_text())
    names = sorted(n for n in windows if n.startswith("realTweets/"))
    files = [read_file(folder, name, windows[name]) for name in names]
    total, count, lines = 0.0, 0, []
    for i, held_out in enumerate(files):
        threshold = best_threshold(files[:i] + files[i + 1 :])
        raw = raw_score(held_out, threshold)
        w = len(held_out.windows)
        total, count = total + raw, count + w
        lines.append(
            f"{held_out.name:40s} threshold {threshold:.3f}  {100 * (raw + w) / (2 * w):5.1f}"
        )
    left_out = 100 * (total + count) / (2 * count)
    tuned = normalised_score(files, best_threshold(files))
    published = json.loads((folder / "published.json").read_text())["detectors"]
    others = sorted(published.items(), key=lambda item: -item[1]["dev_subset_score"])
    lines.append(f"\nleave one file out: {left_out:.1f}   (tuned on all five: {tuned:.1f})")
    lines.append("published, tuned on the five: ")
    lines += [f"  {name:20s} {entry['dev_subset_score']:.1f}" for name, entry in others]
    elsewhere = [n for n in windows if not n.startswith("realTweets/") and windows[n]]
    elsewhere = [n for n in elsewhere if (folder / n).exists()]
    if elsewhere:
        threshold = best_threshold(files)
        rest = [read_file(folder, name, windows[name]) for name in elsewhere]
        transferred = normalised_score(rest, threshold)
        lines.append(
            f"\nthe same threshold on {len(rest)} labelled files of other kinds: {transferred:.1f}"
        )
    report = "\n".join(lines)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "table.txt").write_text(report + "\n")
    figures = {"leave_one_out": left_out, "tuned_on_all": tuned}
    (OUT / "figures.json").write_text(json.dumps(figures))
    print(report)


if __name__ == "__main__":
    main()
