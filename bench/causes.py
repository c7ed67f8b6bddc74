"""How often the cause is right: `python -m bench.causes`.

Labelled data: complaints to airlines of February 2015 with a `negativereason` (licence CC BY-NC-SA:
looked at, never learnt from) mapped to our causes, and reviews of two games in a review bomb. The
rules name the cause of a whole story, so posts are judged in groups of one label: a hundred groups
of thirty, drawn with a fixed seed. A real story is less pure. Single posts are the hard case: most
are too short to say. The words of the rules were written before either half of the airline posts
was looked at; who tunes them tunes on the first half alone. Of nine causes four are measured here:
no labelled posts of the others are at hand.
"""

from __future__ import annotations

import csv
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from models.causes import Cause, guess_cause, signs_in

DATA = Path(os.environ.get("CZUJKA_DATA", Path(__file__).parents[2] / "shared" / "data"))
REASONS = {
    "Customer Service Issue": Cause.SERVICE,
    "Late Flight": Cause.SERVICE,
    "Cancelled Flight": Cause.SERVICE,
    "Lost Luggage": Cause.SERVICE,
    "Damaged Luggage": Cause.SERVICE,
    "longlines": Cause.SERVICE,
    "Flight Attendant Complaints": Cause.PEOPLE,
    "Bad Flight": Cause.PRODUCT,
    "Flight Booking Problems": Cause.OUTAGE,
}
GROUP, GROUPS = 30, 100


def airline_posts(half: int) -> dict[Cause, list[str]]:
    """Texts by cause; `half` 0 may be tuned on, 1 is held out."""
    posts: dict[Cause, list[str]] = {}
    with (DATA / "airline" / "posts.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cause = REASONS.get(row["negativereason"])
            if cause is not None and int(row["tweet_id"]) // 10 % 2 == half:
                posts.setdefault(cause, []).append(row["text"])
    return posts


def review_posts() -> dict[Cause, list[str]]:
    """Reviews of the two negative bombs about the game's content: `product`."""
    texts = []
    for name in ("Firewatch", "Mortal Kombat 11"):
        path = DATA / "review_bombs" / f"final_annotation_project_{name}.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            texts += [
                row["review"]
                for row in csv.DictReader(file)
                if row["is-review-bombing"] == "Nein"
                and row["criticism-praise-game-content"] == "Ja"
            ]
    return {Cause.PRODUCT: texts}


def macro_f1(pairs: Sequence[tuple[Cause, Cause]]) -> float:
    """Mean F1 over the true labels; an `unknown` is a miss, never a hit."""
    hits = Counter(true for true, said in pairs if true is said)
    trues, saids = Counter(true for true, _ in pairs), Counter(said for _, said in pairs)
    return sum(2 * hits[c] / (trues[c] + saids[c]) for c in trues) / len(trues)


def judge(name: str, posts: dict[Cause, list[str]]) -> None:
    """Prints how groups and single posts are named."""
    draw = random.Random(1)
    groups = [
        (cause, guess_cause(draw.choices(texts, k=GROUP)).cause)
        for cause, texts in posts.items()
        for _ in range(GROUPS)
    ]
    single = []
    for cause, texts in posts.items():
        for text in texts:
            signs = list(signs_in(text))
            single.append((cause, signs[0] if len(signs) == 1 else Cause.UNKNOWN))
    print(f"{name}: {sum(map(len, posts.values()))} posts, {len(posts)} causes")
    for what, pairs in (("groups of 30", groups), ("single posts", single)):
        unknown = sum(said is Cause.UNKNOWN for _, said in pairs) / len(pairs)
        right = [true is said for true, said in pairs if said is not Cause.UNKNOWN]
        share = sum(right) / len(right) if right else 0.0
        print(
            f"  {what}: macro-F1 {macro_f1(pairs):.2f}, unknown {unknown:.0%}, "
            f"named rightly {share:.0%}"
        )
    for cause in posts:
        said = Counter(said.value for true, said in groups if true is cause)
        print(f"    {cause.value}: {dict(said.most_common())}")


def main() -> int:
    """Prints the figures."""
    if not (DATA / "airline" / "posts.csv").exists():
        print(f"no data under {DATA}: set CZUJKA_DATA", file=sys.stderr)
        return 2
    judge("airline, first half (for tuning)", airline_posts(0))
    judge("airline, held out", airline_posts(1))
    judge("review bombs", review_posts())
    return 0


if __name__ == "__main__":
    sys.exit(main())
