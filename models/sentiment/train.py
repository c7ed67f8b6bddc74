"""`czujka train`: makes the weights file from the data folder and a seed, bit for bit.

Calibration is fitted to logits of texts that the model giving them had not seen (cross-fitting),
then the shipped model is fitted to all texts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.sentiment.calibration import fit_calibration
from models.sentiment.corpus import CorpusError, Text, training_texts
from models.sentiment.scorer import pack
from models.sentiment.training import Examples, Settings, fit, logits
from models.sentiment.weights import UNKNOWN_LANGUAGE, Weights, dump

VERSION = "czujka-sentiment-1"
SMOOTHING = 0.05
"""Share of each target that is spread over the three classes."""

BALANCE = 0.5
"""How far class weights go from none (0) to equal mass of the classes within a set (1)."""

FOLDS = 4


def train(
    texts: list[Text], seed: int, settings: Settings | None = None, *, progress: Progress
) -> Weights:
    """Trains and calibrates a model.

    Args:
        texts: labelled texts.
        seed: of everything random.
        settings: how to fit; None for the shipped model's.
        progress: shows how far it is.

    Returns:
        The model.

    Raises:
        ValueError: a text has no label.
    """
    settings = settings or Settings()
    labels = np.array([-1 if text.label is None else text.label for text in texts], dtype=np.int64)
    if (labels < 0).any():
        raise ValueError("a text without a label is among those to train on")
    data, offsets = pack([text.body for text in texts])
    targets = np.eye(3, dtype=np.float32)[labels] * np.float32(1 - SMOOTHING)
    targets += np.float32(SMOOTHING / 3)
    examples = Examples(data, offsets, targets, class_weights(texts, labels))
    everything = np.arange(len(texts))
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(texts))
    task = progress.add_task("fit", total=(FOLDS + 1) * settings.passes)
    unseen = np.empty((len(texts), 3), dtype=np.float32)
    for turn in range(FOLDS):
        model = fit(
            examples, everything[fold != turn], settings, seed, lambda: progress.advance(task)
        )
        unseen[fold == turn] = logits(model, examples)[fold == turn]
    model = fit(examples, everything, settings, seed, lambda: progress.advance(task))
    languages, calibration = calibrate(texts, unseen, labels, examples.weights)
    return replace(model, version=VERSION, languages=languages, calibration=calibration)


def class_weights(texts: list[Text], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Weights that move the classes of each family of sets towards equal mass.

    Args:
        texts: the texts.
        labels: their classes.

    Returns:
        Shape (n,), about 1 in the mean.
    """
    families = np.array([text.source.partition("-")[0] for text in texts])
    weights = np.ones(len(texts), dtype=np.float32)
    for family in sorted(set(families)):
        inside = families == family
        for label in range(3):
            cell = inside & (labels == label)
            if cell.any():
                weights[cell] = (inside.sum() / 3 / cell.sum()) ** BALANCE
    return weights


def calibrate(
    texts: list[Text],
    unseen: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    """Calibration of each language, and of all together for texts of unknown language.

    Args:
        texts: the texts.
        unseen: logits by models that were not fitted to them, shape (n, 3).
        labels: their classes.
        weights: their weights.

    Returns:
        Tags, UNKNOWN_LANGUAGE first, and one row a tag, shape (tags, 4).
    """
    spoken = np.array([text.language for text in texts])
    tags = (UNKNOWN_LANGUAGE, *sorted(set(spoken)))
    rows = []
    for tag in tags:
        chosen = np.ones(len(texts), dtype=np.bool_) if tag == UNKNOWN_LANGUAGE else spoken == tag
        rows.append(fit_calibration(unseen[chosen], labels[chosen], weights[chosen]))
    return tags, np.array(rows, dtype=np.float32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `czujka train`."""
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="the weights file to write")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (1: as shipped)")
    parser.add_argument(
        "--without", action="append", default=[], metavar="SET", help="a set to leave out"
    )


def run(args: argparse.Namespace) -> int:
    """Carries out `czujka train`.

    Args:
        args: what `add_arguments` declares.

    Returns:
        The exit status.
    """
    try:
        write(args.data, args.out, args.seed, args.without)
    except CorpusError as error:
        raise SystemExit(f"czujka train: {error}") from error
    return 0


def write(data: Path, out: Path, seed: int, without: Iterable[str] = ()) -> None:
    """Trains on a data folder and writes the weights file.

    Args:
        data: the data folder.
        out: the file.
        seed: of everything random.
        without: sets to leave out.

    Raises:
        CorpusError: a file of the data folder is absent or malformed.
    """
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        content = dump(train(training_texts(data, without), seed, progress=progress))
    out.write_bytes(content)


def main() -> int:
    """Runs the command by itself: `python -m models.sentiment.train`."""
    parser = argparse.ArgumentParser(prog="czujka train", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
