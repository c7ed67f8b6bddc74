"""Three review bombs as posts for a backtest: `python -m bench.review_bombs OUT.jsonl`.

A review stands on the page of its game and seldom names it, so each is given the game's tag.
Times are those of the reviews (UTC assumed); those that have a day alone are left out. Authors are
unknown.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

DATA = Path(os.environ.get("CZUJKA_DATA", "../shared/data")) / "review_bombs"


def read_reviews(folder: Path) -> list[dict[str, str]]:
    """Reviews of all games, by time; one that was annotated more than once comes once."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("final_annotation_project_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if " " not in row["review_date"]:
                    continue  # a day without a time of day cannot be replayed by the minute
                moment = datetime.strptime(row["review_date"], "%d.%m.%Y %H:%M:%S")
                tag = "".join(c for c in row["game_name_display"] if c.isalnum())
                found[row["id"]] = {
                    "native_id": row["id"],
                    "created_at": moment.replace(tzinfo=UTC).isoformat(),
                    "text": f"#{tag} {row['review']}",
                    "language": "en",
                    "platform": "steam",
                }
    return sorted(found.values(), key=lambda post: post["created_at"])


def main() -> None:
    """Writes the posts."""
    reviews = read_reviews(DATA)
    if not reviews:
        raise SystemExit(f"no reviews under {DATA}: set CZUJKA_DATA")
    out = Path(sys.argv[1])
    out.write_text("".join(json.dumps(review, ensure_ascii=False) + "\n" for review in reviews))
    print(f"{len(reviews)} reviews written to {out}")


if __name__ == "__main__":
    main()
