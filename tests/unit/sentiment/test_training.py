"""Training: repeatable, learns, and never from what its licence forbids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment.augmentation import (
    FROWNS,
    SMILES,
    STRETCHES,
    add_emoticons,
    cut_stretches,
    emoticon_effects,
)
from models.sentiment.bins import N_BINS, bin_centres, bin_of
from models.sentiment.calibration import calibration_error, chance_error, fit_calibration
from models.sentiment.corpus import CorpusError, Text, read_semeval, training_texts, unescape
from models.sentiment.distillation import Sources, class_weights
from models.sentiment.scorer import pack
from models.sentiment.train import check_calibration
from models.sentiment.training import Examples, Settings, fit, logits
from models.sentiment.weights import dump

DATA = Path(os.environ.get("CZUJKA_DATA", Path(__file__).parents[3] / "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the public data sets are not here")

GOOD = ["great stuff", "super obsługa", "love it", "polecam bardzo"]
BAD = ["awful stuff", "fatalna obsługa", "hate it", "odradzam bardzo"]
PLAIN = ["opens at nine", "spotkanie jutro", "see page two", "w programie"]


BODIES = (BAD + PLAIN + GOOD) * 8


def examples() -> tuple[Examples, np.ndarray]:
    bodies = BODIES
    labels = np.repeat([0, 1, 2], 4).tolist() * 8
    data, offsets = pack(bodies)
    targets = np.eye(3, dtype=np.float32)[labels]
    return Examples(data, offsets, targets, np.ones(len(bodies), np.float32)), np.array(labels)


def test_the_same_seed_gives_the_same_file_and_another_seed_another() -> None:
    material, labels = examples()
    chosen = np.arange(len(labels))
    first, second, other = (
        dump(fit(material, chosen, Settings(passes=2), seed, lambda: None)) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_it_learns_what_it_is_shown_and_rounding_loses_nothing_of_it() -> None:
    material, labels = examples()
    model = fit(material, np.arange(len(labels)), Settings(passes=20), 1, lambda: None)
    assert (logits(model, material).argmax(axis=1) == labels).all()


def test_texts_that_were_not_chosen_leave_no_trace() -> None:
    material, labels = examples()
    chosen = np.flatnonzero(labels != 2)
    model = fit(material, chosen, Settings(passes=10), 1, lambda: None)
    assert set(logits(model, material)[chosen].argmax(axis=1).tolist()) == {0, 1}


@settings(deadline=None, max_examples=20)
@given(st.floats(0.3, 4), st.integers(0, 2**32 - 1))
def test_calibration_finds_the_temperature_that_logits_were_made_with(
    factor: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, (4000, 3))
    share = np.exp(true - true.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    labels = (random.random((4000, 1)) > share.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    skewed = (true / factor).astype(np.float32)
    found = fit_calibration(skewed, labels, np.ones(4000, np.float32))
    mended = skewed * found[0] + found[1:]
    mended = np.exp(mended - mended.max(axis=1, keepdims=True))
    mended /= mended.sum(axis=1, keepdims=True)
    assert found[0] == pytest.approx(factor, rel=0.2)
    assert calibration_error(mended.astype(np.float32), labels) < 0.05


def test_calibration_error_is_nought_for_certain_truth_and_one_for_certain_error() -> None:
    labels = np.array([0, 1, 2])
    assert calibration_error(np.eye(3, dtype=np.float32), labels) == 0
    assert calibration_error(np.eye(3, dtype=np.float32), (labels + 1) % 3) == 1


def test_where_probabilities_are_right_the_calibration_error_is_what_chance_gives() -> None:
    random = np.random.default_rng(1)
    right = random.dirichlet((1, 1, 1), 20_000).astype(np.float32)
    labels = (random.random((len(right), 1)) > right.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    assert calibration_error(right, labels) == pytest.approx(chance_error(right, 1), abs=0.005)
    assert chance_error(right[:200], 1) > 5 * chance_error(right, 1)
    assert calibration_error(right**2 / (right**2).sum(axis=1, keepdims=True), labels) > 0.05


def test_calibration_is_checked_on_the_half_it_was_not_fitted_to() -> None:
    material, labels = examples()
    model = fit(material, np.arange(len(labels)), Settings(passes=6), 1, lambda: None)
    texts = [Text("a", "en", int(label), body) for body, label in zip(BODIES, labels, strict=True)]
    wrong = np.where(np.arange(len(labels)) % 3 == 0, (labels + 1) % 3, labels)
    for given_, most in ((labels, 0.1), (wrong, 0.2)):
        sources = Sources(
            texts,
            given_,
            np.ones(len(texts), np.float32),
            [],
            [],
            [],
            [],
            [],
            {},
            [],
            [],
            np.zeros(0, np.int64),
            [],
            [],
            np.zeros(0, np.int64),
        )
        (check,) = check_calibration(sources, np.ones(len(texts), bool), model, 1)
        assert (check.language, check.texts) == ("en", len(texts))
        assert check.error <= most
    uncalibrated = np.exp(logits(model, material) * 5)
    uncalibrated /= uncalibrated.sum(axis=1, keepdims=True)
    assert check.error < calibration_error(uncalibrated, wrong)


def test_class_weights_lift_the_rare_class_of_each_family() -> None:
    texts = [Text("a-1", "en", 0, "x")] + [Text("a-2", "en", 2, "x")] * 9
    weights = class_weights(texts, np.array([0] + [2] * 9), 0.5)
    assert weights[0] == pytest.approx(3 * weights[1])


def test_an_emoticon_moves_a_target_as_it_does_in_the_posts_where_it_occurs() -> None:
    posts = [Text("a", "en", 2, "ok :)")] * 30 + [Text("a", "en", 0, "ok :(")] * 30
    posts += [Text("a", "en", label, "http://x.pl") for label in (0, 1, 2)] * 30
    effects = emoticon_effects(posts)
    assert [group for group, _ in effects] == [SMILES, FROWNS]
    bodies, targets = add_emoticons(
        ["w domu"] * 40, np.full((40, 3), 1 / 3, np.float32), effects, np.random.default_rng(1)
    )
    for body, target in zip(bodies, targets, strict=True):
        assert target.argmax() == (2 if body.removeprefix("w domu ") in SMILES else 0)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)


def test_stretches_are_words_in_their_order_out_of_posts_alone_and_never_the_whole() -> None:
    posts = [
        Text("umsab-de-train", "de", 1, " ".join(str(i) for i in range(count)))
        for count in range(30)
    ]
    reviews = [Text("wccrs-hotels-train", "pl", 2, "bardzo miły hotel w centrum")]
    made, origins = cut_stretches(reviews + posts, np.random.default_rng(1))
    assert origins.tolist() == [1 + i for i in range(3, 30) for _ in range(STRETCHES)]
    lengths = set()
    for stretch, origin in zip(made, origins, strict=True):
        numbers = [int(word) for word in stretch.split()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert 2 <= len(numbers) <= min(12, origin - 2)
        assert numbers[-1] < origin - 1
        lengths.add(len(numbers))
    assert {2, 12} <= lengths


def test_bins_cover_the_probabilities_in_order() -> None:
    centres = bin_centres()
    assert bin_of(centres.astype(np.float32)).tolist() == list(range(N_BINS))
    assert bin_of(np.array([0, 1], np.float32)).tolist() == [0, N_BINS - 1]


def test_an_absent_data_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"give the folder that data/README\.md describes"):
        read_semeval(tmp_path)


def test_a_malformed_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    folder = tmp_path / "semeval2017_4a"
    folder.mkdir()
    (folder / "twitter-2013dev-A.tsv").write_text("1\tneutral\tok\n2\tsideways\tno\n")
    with pytest.raises(CorpusError, match=r"twitter-2013dev-A\.tsv:2: expected id, label and text"):
        read_semeval(tmp_path)


def test_literal_escapes_become_their_characters() -> None:
    assert unescape(r"it\u2019s \u002c ok") == "it’s , ok"


@needs_data
def test_no_text_is_trained_on_that_only_may_be_looked_at_or_is_held_out() -> None:
    texts = training_texts(DATA, ["semeval-2016-test"])
    sources = {text.source for text in texts}
    assert not [s for s in sources if s.startswith(("airline", "mozetic", "poleval"))]
    assert not [s for s in sources if s.endswith(("-dev", "-val")) and not s.startswith("semeval")]
    hidden = {t.body for t in read_semeval(DATA) if t.source == "semeval-2016-test"}
    assert not hidden & {text.body for text in texts}
    assert all(text.label in (0, 1, 2) for text in texts)


def test_the_package_is_imported_without_compiling_or_loading_anything() -> None:
    code = (
        "import sys, models.sentiment; print([m for m in ('numba', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs a path nobody can write")
def test_a_place_that_cannot_be_written_costs_compilation_and_not_the_scorer(
    tmp_path: Path,
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    code = (
        "from models.sentiment.compiled import compiled\n"
        "f = compiled('int64(int64)')(lambda x: x + 1)\n"
        "print(f(1))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(blocked / "below"), "HOME": str(blocked)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.strip() == "2", done.stderr
