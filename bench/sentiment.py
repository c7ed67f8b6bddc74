"""Quality and speed of sentiment beside VADER, a scikit-learn pipeline and a sentence encoder.

    python -m bench.sentiment [--fast]

All are trained on the same labelled texts and judged on sets that none of them was trained on.
Writes a table, `bench/out/sentiment.json` and `bench/out/sentiment.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bench.sentiment_comparators import Classifier, Encoded, Pipeline, Vader
from models.sentiment.base import NEGATIVE, POSITIVE
from models.sentiment.calibration import calibration_error, chance_error
from models.sentiment.clauses import split_by_brand
from models.sentiment.corpus import (
    SEMEVAL_TEST_2016,
    Text,
    read_airline,
    read_mozetic,
    read_semeval,
    read_umsab,
    read_wccrs,
    training_texts,
)
from models.sentiment.scorer import HashedScorer, load_scorer

OUT = Path("bench/out")
BATCH = 1024
RESAMPLES = 2000
UMSAB_GOAL = ("de", "fr", "es", "it", "pt")

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """A set to judge on.

    Attributes:
        name: as in the table.
        texts: labelled texts that nothing here was trained on.
        measure: "recall" and "f1" are macro-averages over three classes, "accuracy" is of
            negative against positive.
    """

    name: str
    texts: list[Text]
    measure: str

    @property
    def labels(self) -> Labels:
        """Classes of the texts."""
        return np.array([text.label for text in self.texts], dtype=np.int64)


def measure(labels: Labels, scores: Floats, kind: str) -> tuple[float, float, float]:
    """A measure and its 95 % interval by resampling the texts.

    Args:
        labels: shape (n,).
        scores: class probabilities, shape (n, 3).
        kind: see `Task.measure`.

    Returns:
        The value, and the lower and upper end of the interval.
    """
    if kind == "accuracy":
        found = np.where(scores[:, POSITIVE] > scores[:, NEGATIVE], POSITIVE, NEGATIVE)
    else:
        found = scores.argmax(axis=1)
    cells = np.bincount(labels * 3 + found, minlength=9)
    draws = np.random.default_rng(0).multinomial(cells.sum(), cells / cells.sum(), RESAMPLES)
    tables = np.concatenate((cells[None], draws)).reshape(-1, 3, 3).astype(np.float64)
    hits = np.diagonal(tables, axis1=1, axis2=2)
    actual, said = tables.sum(axis=2), tables.sum(axis=1)
    if kind == "accuracy":
        values = hits.sum(axis=1) / tables.sum(axis=(1, 2))
    elif kind == "recall":
        values = (hits / np.maximum(actual, 1)).mean(axis=1)
    else:
        values = (2 * hits / np.maximum(actual + said, 1)).mean(axis=1)
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def read_tasks(data: Path) -> list[Task]:
    """The sets to judge on, in the order of the table."""
    english = [text for text in read_semeval(data) if text.source == SEMEVAL_TEST_2016]
    umsab = read_umsab(data, "val")
    tasks = [
        Task("SemEval-2016 test (en)", english, "recall"),
        Task("airline posts (en)", read_airline(data), "recall"),
        Task("WCCRS dev (pl)", read_wccrs(data, "dev"), "f1"),
        Task("Mozetič posts (pl)", read_mozetic(data), "accuracy"),
    ]
    for language in (*UMSAB_GOAL, "ar", "hi"):
        some = [text for text in umsab if text.language == language]
        tasks.append(Task(f"UMSAB val ({language})", some, "f1"))
    return tasks


def microseconds(
    score: Callable[[Sequence[str]], object], bodies: list[str], repeats: int
) -> float:
    """Median processor time a post, in microseconds, of scoring all bodies at once.

    Processor time, not time on the wall, because the machine may be shared; all run in one thread.
    """
    score(bodies)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        score(bodies)
        times.append(time.process_time() - start)
    return float(np.median(times)) / len(bodies) * 1e6


def judge_clauses(scorer: HashedScorer, posts: list[Text]) -> dict[str, float]:
    """Macro-recall on posts that name two airlines, whole against cut, and on single ones.

    Each pair joins two real posts to different airlines, so the sentiment for each is known.
    """
    handles = {"@JetBlue": 0, "@SouthwestAir": 1, "@VirginAmerica": 2}
    single: dict[int, list[Text]] = {brand: [] for brand in handles.values()}
    for post in posts:
        named = [handle for handle in handles if handle.lower() in post.body.lower()]
        if len(named) == 1 and len(post.body) <= 110 and post.body.count("@") == 1:
            single[handles[named[0]]].append(post)
    random = np.random.default_rng(0)
    glue = (", but ", ". ", " and ", ", while ", " – ", "\n")
    cut: list[str] = []
    whole: list[str] = []
    labels: list[int] = []
    names = {brand: handle for handle, brand in handles.items()}
    for i in range(2000):
        first, second = random.choice(3, 2, replace=False)
        pair = [single[int(b)][int(random.integers(len(single[int(b)])))] for b in (first, second)]
        text = glue[i % len(glue)].join(post.body for post in pair)
        mentions = []
        for brand in (int(first), int(second)):
            at = text.lower().index(names[brand].lower())
            mentions.append((brand, at, at + len(names[brand])))
        pieces = split_by_brand(text, mentions)
        for brand, post in zip((int(first), int(second)), pair, strict=True):
            cut.append(pieces[brand])
            whole.append(text)
            labels.append(int(post.label or 0))
    truth = np.array(labels, dtype=np.int64)
    english = ["en"] * len(truth)
    alone = [post for some in single.values() for post in some]
    alone_truth = np.array([post.label for post in alone], dtype=np.int64)
    alone_scores = scorer.score([post.body for post in alone], ["en"] * len(alone))
    same = all(split_by_brand(p.body, [(0, 0, 1)]) == {0: p.body} for p in alone)
    return {
        "pairs, whole text": measure(truth, scorer.score(whole, english), "recall")[0],
        "pairs, own clause": measure(truth, scorer.score(cut, english), "recall")[0],
        "the same posts alone": measure(alone_truth, alone_scores, "recall")[0],
        "single-brand posts scored whole": float(same),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CZUJKA_DATA", "../shared/data"))
    )
    parser.add_argument("--fast", action="store_true", help="speed alone")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder to write to")
    args = parser.parse_args(argv)
    threadpool_limits(1)
    if not args.data.exists():
        print(f"bench.sentiment: skipped, {args.data} is absent (set CZUJKA_DATA)")
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    report = run(args.data, args.out / "embeddings", quality=not args.fast)
    (args.out / "sentiment.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    print_report(report)
    if not args.fast:
        plot(report, args.out / "sentiment.png")
    return 0


def run(data: Path, cache: Path, *, quality: bool) -> dict[str, Any]:
    """Measures everything.

    Args:
        data: the data folder.
        cache: keeps embeddings of training texts between runs.
        quality: whether to measure more than speed.

    Returns:
        What goes into the JSON file.
    """
    texts = training_texts(data, [SEMEVAL_TEST_2016])
    sample = [t.body for t in texts if t.source == "semeval-2013-train"][:BATCH]
    shipped = load_scorer()
    encoded = Encoded(cache)
    pipeline, vader = Pipeline(), Vader()
    few = texts if quality else texts[:: max(1, len(texts) // 3000)]
    print("training the scikit-learn pipeline …", flush=True)
    pipeline.fit(few)
    print("training USE + logistic regression …", flush=True)
    encoded.fit(few)
    rivals: list[Classifier] = [pipeline, encoded, vader]
    report: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "python": sys.version.split()[0],
        "date": datetime.now(UTC).date().isoformat(),
        "weights": shipped.version,
        "speed_us_per_post": {"Czujka": microseconds(shipped.score, sample, 50)},
        "speed_us_single_call": {"Czujka": microseconds(shipped.score, sample[:1], 2000)},
    }
    for rival in rivals:
        repeats = 1 if isinstance(rival, Encoded) else 3
        batch, one = report["speed_us_per_post"], report["speed_us_single_call"]
        batch[rival.name] = microseconds(rival.score, sample, repeats)
        one[rival.name] = microseconds(rival.score, sample[:1], 50)
    # Again at the end: the machine may be shared, and the ratio should not rest on one moment.
    report["speed_us_per_post"]["Czujka, again"] = microseconds(shipped.score, sample, 50)
    if quality:
        report |= judge(data, cache, shipped, rivals)
    return report


def judge_calibration(scores: npt.NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Calibration error, and what chance alone gives with as many texts."""
    return calibration_error(scores, labels), chance_error(scores, seed=0)


def judge(
    data: Path, cache: Path, shipped: HashedScorer, rivals: list[Classifier]
) -> dict[str, Any]:
    """Quality of all on all sets, calibration, and scoring by clause."""
    tasks = read_tasks(data)
    quality: dict[str, dict[str, Any]] = {}
    errors: dict[str, tuple[float, float]] = {}
    for task in tasks:
        bodies = [text.body for text in task.texts]
        languages = [text.language for text in task.texts]
        scores = shipped.score(bodies, languages)
        row: dict[str, Any] = {"posts": len(bodies), "measure": task.measure}
        row["Czujka"] = measure(task.labels, scores, task.measure)
        row["Czujka, language not told"] = measure(task.labels, shipped.score(bodies), task.measure)
        if task.measure != "accuracy":
            errors[task.name] = judge_calibration(scores, task.labels)
        for rival in rivals:
            if rival.speaks(languages[0]):
                row[rival.name] = measure(task.labels, rival.score(bodies), task.measure)
        quality[task.name] = row
    polish = next(task for task in tasks if task.name.startswith("WCCRS"))
    alone = Encoded(cache)
    alone.fit(read_wccrs(data, "train"))
    quality[polish.name]["USE + logistic regression, trained on WCCRS alone"] = measure(
        polish.labels, alone.score([text.body for text in polish.texts]), "f1"
    )
    goal = [task for task in tasks if task.name[-3:-1] in UMSAB_GOAL and "UMSAB" in task.name]
    means = {
        name: float(np.mean([quality[task.name][name][0] for task in goal]))
        for name in ("Czujka", "Czujka, language not told", *(r.name for r in rivals))
        if all(name in quality[task.name] for task in goal)
    }
    pooled = [text for task in goal for text in task.texts]
    scores = shipped.score([text.body for text in pooled], [text.language for text in pooled])
    errors["UMSAB val, de fr es it pt together"] = judge_calibration(
        scores, np.array([text.label for text in pooled], dtype=np.int64)
    )
    return {
        "quality": quality,
        "umsab_mean_f1": means,
        "calibration_error": errors,
        "clauses_macro_recall": judge_clauses(shipped, read_airline(data)),
    }


def print_report(report: dict[str, Any]) -> None:
    """Prints the tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=140)
    if "quality" in report:
        names = ["Czujka", Pipeline.name, Encoded.name, Vader.name]
        table = Table(title="quality (95 % interval)")
        for column in ("set", "posts", "measure", *names):
            table.add_column(column)
        for task, row in report["quality"].items():
            cells = [
                f"{row[n][0]:.3f} ({row[n][1]:.3f}–{row[n][2]:.3f})" if n in row else "–"
                for n in names
            ]
            table.add_row(task, str(row["posts"]), row["measure"], *cells)
        means = report["umsab_mean_f1"]
        means_row = [f"{means[n]:.3f}" if n in means else "–" for n in names]
        table.add_row("UMSAB mean, de fr es it pt", "", "f1", *means_row)
        console.print(table)
        for name, (error, chance) in report["calibration_error"].items():
            console.print(f"calibration error: {name}: {error:.3f} (by chance {chance:.3f})")
        for name, value in report["clauses_macro_recall"].items():
            console.print(f"clauses, macro-recall: {name}: {value:.3f}")
    table = Table(title="speed, processor time in one thread")
    for column in ("model", "µs a post, batch of 1024", "× Czujka", "µs, a single post"):
        table.add_column(column)
    batch, one = report["speed_us_per_post"], report["speed_us_single_call"]
    for name, value in batch.items():
        alone = f"{one[name]:.0f}" if name in one else ""
        table.add_row(name, f"{value:.1f}", f"{value / batch['Czujka']:.1f}", alone)
    console.print(table)


def plot(report: dict[str, Any], path: Path) -> None:
    """Draws quality per set, and quality against speed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = ["Czujka", Pipeline.name, Encoded.name, Vader.name]
    tasks = list(report["quality"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), width_ratios=(2.4, 1))
    for k, name in enumerate(names):
        rows = [
            (i, report["quality"][t][name])
            for i, t in enumerate(tasks)
            if name in report["quality"][t]
        ]
        values = np.array([row[1] for row in rows])
        left.bar(
            [row[0] + 0.2 * (k - 1.5) for row in rows],
            values[:, 0],
            0.19,
            yerr=np.abs(values[:, 1:].T - values[:, 0]),
            label=name,
            error_kw={"lw": 0.8},
        )
    left.set_xticks(range(len(tasks)), tasks, rotation=40, ha="right")
    left.set_ylim(0, 0.95)
    left.set_ylabel("macro-recall, macro-F1 or accuracy")
    left.legend(fontsize=8)
    english = tasks[0]
    slowest = max(report["speed_us_per_post"].values())
    for name in names:
        cost, value = report["speed_us_per_post"][name], report["quality"][english][name][0]
        right.scatter(cost, value)
        inward = -1 if cost**2 > slowest else 1  # towards the middle of a logarithmic axis
        right.annotate(
            name,
            (cost, value),
            xytext=(7 * inward, 4),
            textcoords="offset points",
            ha="left" if inward > 0 else "right",
            fontsize=8,
        )
    right.set_xscale("log")
    right.set_xlabel("µs of processor time a post")
    right.set_ylabel(f"{english}, macro-recall")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    raise SystemExit(main())
