"""`czujka train`: makes the weights file from the data folder and a seed, bit for bit.

Two models are fitted in the same way to what the same teachers say. One of them and the teachers do
not know a quarter of the labelled texts: calibration is fitted to those. The other knows them too
and is shipped with that calibration.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.sentiment.calibration import calibration_error, chance_error, fit_calibration
from models.sentiment.corpus import SEMEVAL_TEST_2016, CorpusError
from models.sentiment.distillation import (
    Sources,
    class_weights,
    collect,
    set_exercises,
    teach,
)
from models.sentiment.scorer import HashedScorer, pack
from models.sentiment.teacher import Encoder, TeacherError
from models.sentiment.terms import count_terms
from models.sentiment.training import Examples, Settings, fit, logits
from models.sentiment.weights import UNKNOWN_LANGUAGE, Weights, dump

VERSION = "czujka-sentiment-3"

SETTINGS = Settings(passes=8, rate=0.05, dropout=0.2)
"""Of the shipped model."""

CALIBRATION_SHARE = 0.25
"""Share of the labelled texts that the model used for calibration does not know."""

CALIBRATION_BALANCE = 0.75
"""Class mass that calibration assumes: between that of the sets (0) and equal shares (1)."""


@dataclass(frozen=True, slots=True)
class Check:
    """Calibration of one language, on texts that neither the model nor its calibration knows.

    Attributes:
        language: its tag.
        texts: how many.
        error: the expected calibration error.
        chance: what that would be, in the mean, if the probabilities were right.
    """

    language: str
    texts: int
    error: float
    chance: float


def train(
    folder: Path,
    seed: int,
    *,
    without: list[str],
    encoder: Encoder,
    progress: Progress,
) -> tuple[Weights, list[Check]]:
    """Trains and calibrates a model.

    Args:
        folder: the data folder.
        seed: of everything random.
        without: sets to leave out.
        encoder: the teacher's.
        progress: shows how far it is.

    Returns:
        The model, and how well the one that calibration is fitted to is calibrated.

    Raises:
        CorpusError: a file of the data folder is absent or malformed.
    """
    sources = collect(folder, without, seed, encoder, progress)

    hidden = np.random.default_rng(seed).random(len(sources.texts)) < CALIBRATION_SHARE
    lessons = teach(sources, ~hidden, seed, encoder, progress)
    fitting = progress.add_task("fit", total=2 * SETTINGS.passes)

    def fit_to(chosen: npt.NDArray[np.bool_]) -> Weights:
        examples = set_exercises(sources, lessons, chosen, seed)
        everything = np.arange(len(examples.weights))
        return fit(examples, everything, SETTINGS, seed, lambda: progress.advance(fitting))

    unknowing = fit_to(~hidden)
    languages, calibration = calibrate(sources, hidden, unknowing)
    weights = replace(
        fit_to(np.ones_like(hidden)),
        version=VERSION,
        languages=languages,
        calibration=calibration,
        common=count_terms(sources.bodies + sources.unlabelled),
    )
    return weights, check_calibration(sources, hidden, unknowing, seed)


def calibrate(
    sources: Sources, hidden: npt.NDArray[np.bool_], model: Weights
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Calibration of each language, and of all together for texts of unknown language.

    Args:
        sources: the labelled texts.
        hidden: which of them the model does not know, shape (n,).
        model: a model that was fitted to the others.

    Returns:
        Tags, UNKNOWN_LANGUAGE first, and one row a tag, shape (tags, 4).
    """
    texts = [text for text, unknown in zip(sources.texts, hidden, strict=True) if unknown]
    labels = sources.labels[hidden]
    weights = class_weights(texts, labels, CALIBRATION_BALANCE)
    data, offsets = pack([text.body for text in texts])
    found = logits(model, Examples(data, offsets, np.eye(3, dtype=np.float32)[labels], weights))
    spoken = np.array([text.language for text in texts])
    together = fit_calibration(found, labels, weights)
    tags = sorted(set(spoken))
    rows = [together]
    for tag in tags:
        chosen = spoken == tag
        rows.append(fit_calibration(found[chosen], labels[chosen], weights[chosen], together))
    return (UNKNOWN_LANGUAGE, *tags), np.array(rows, dtype=np.float32)


def check_calibration(
    sources: Sources, hidden: npt.NDArray[np.bool_], model: Weights, seed: int
) -> list[Check]:
    """Calibrates on one half of the hidden texts and measures on the other, both ways.

    Args:
        sources: the labelled texts.
        hidden: which of them the model does not know, shape (n,).
        model: a model that was fitted to the others.
        seed: of the halves.

    Returns:
        One check a language.
    """
    # Numbers of its own: those of `seed` alone have already chosen what is hidden.
    first = np.random.default_rng((seed, 1)).random(len(hidden)) < 0.5
    spoken = np.array([text.language for text in sources.texts])
    scores = np.zeros((len(hidden), 3), dtype=np.float32)
    for half in (first, ~first):
        languages, calibration = calibrate(sources, hidden & half, model)
        scorer = HashedScorer(replace(model, languages=languages, calibration=calibration))
        others = np.flatnonzero(hidden & ~half)
        bodies = [sources.texts[i].body for i in others]
        scores[others] = scorer.score(bodies, [str(spoken[i]) for i in others])
    checks = []
    for tag in sorted(set(spoken[hidden])):
        some = hidden & (spoken == tag)
        error = calibration_error(scores[some], sources.labels[some])
        checks.append(Check(str(tag), int(some.sum()), error, chance_error(scores[some], seed)))
    return checks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `czujka train`."""
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="the weights file to write")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (1: as shipped)")
    parser.add_argument(
        "--everything",
        action="store_true",
        help="train on the SemEval-2016 test part too, which the shipped weights keep for judging",
    )
    parser.add_argument(
        "--cache", type=Path, help="a folder that keeps the embeddings of words between runs"
    )


def run(args: argparse.Namespace) -> int:
    """Carries out `czujka train`.

    Args:
        args: what `add_arguments` declares.

    Returns:
        The exit status.

    Raises:
        SystemExit: the data or the teacher is absent; the message says what to do.
    """
    columns = (TextColumn("{task.description:<6}"), BarColumn(), MofNCompleteColumn())
    without = [] if args.everything else [SEMEVAL_TEST_2016]
    try:
        encoder = Encoder(args.cache)
        with Progress(*columns, TimeElapsedColumn()) as progress:
            model, checks = train(
                args.data, args.seed, without=without, encoder=encoder, progress=progress
            )
    except (CorpusError, TeacherError) as error:
        raise SystemExit(f"czujka train: {error}") from error
    args.out.write_bytes(dump(model))
    print("calibration error on unseen texts (what chance gives where probabilities are right):")
    for check in checks:
        print(f"  {check.language} {check.error:.3f} ({check.chance:.3f}), {check.texts} texts")
    return 0


def main() -> int:
    """Runs the command by itself: `python -m models.sentiment.train`."""
    parser = argparse.ArgumentParser(prog="czujka train", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
