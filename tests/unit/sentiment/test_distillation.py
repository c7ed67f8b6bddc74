"""What a model is fitted to: each text labelled by a teacher to which it was new."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from rich.progress import Progress

from models.sentiment import distillation, teacher
from models.sentiment.corpus import Text
from models.sentiment.distillation import Lessons, Sources, set_exercises, teach
from models.sentiment.tuning import Tuning

WORDS = {
    0: ["awful", "hate", "broken"],
    1: ["opens", "page", "monday"],
    2: ["great", "love", "fun"],
}


def sources(count: int = 60) -> Sources:
    """Labelled texts, the first half copied once, with one piece a text: its number."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, count)
    bodies = [" ".join(random.choice(WORDS[int(label)], 2)) for label in labels]
    texts = [Text("semeval-1", "en", int(y), body) for y, body in zip(labels, bodies, strict=True)]
    origins = np.arange(count // 2)
    return Sources(
        texts=texts,
        labels=labels,
        weights=np.ones(count, np.float32),
        pieces=[np.array([i]) for i in range(count)],
        unlabelled=["who knows"],
        unlabelled_pieces=[np.array([1000])],
        words=["fun"],
        word_pieces=[np.array([1001])],
        valences={},
        copies=[f"kopia {i}" for i in origins],
        copy_pieces=[np.array([2000 + i]) for i in origins],
        origins=origins,
        stretches=[f"part {i}" for i in origins],
        stretch_pieces=[np.array([3000 + i]) for i in origins],
        stretch_origins=origins,
    )


class Sage:
    """Stands for a tuned encoder: remembers what it was shown and what it was asked."""

    made: list[Sage]

    def __init__(self) -> None:
        self.shown: set[int] = set()
        self.asked: set[int] = set()
        Sage.made.append(self)

    def fit(self, texts: list[np.ndarray], *_: object) -> Sage:
        self.shown = {int(text[0]) for text in texts}
        return self

    def predict(self, texts: list[np.ndarray], progress: object) -> np.ndarray:
        self.asked |= {int(text[0]) for text in texts}
        return np.full((len(texts), 3), 1 / 3, np.float32)


class Untuned:
    def untuned(self, tuning: Tuning) -> Sage:
        return Sage()


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> tuple[Sources, np.ndarray, Lessons]:
    monkeypatch.setattr(teacher, "BAG_SEEDS", (1,))
    monkeypatch.setattr(distillation, "FOLDS", 2)
    Sage.made = []
    material = sources()
    known = np.arange(60) % 4 != 0
    lessons = teach(material, known, 1, Untuned(), Progress(disable=True))  # type: ignore[arg-type]
    return material, known, lessons


def test_no_encoder_labels_a_text_that_it_knows_nor_what_was_made_of_one(
    taught: tuple[Sources, np.ndarray, Lessons],
) -> None:
    _, known, _ = taught
    labelled = set(range(60))
    assert len(Sage.made) == 2
    assert set.union(*(sage.shown for sage in Sage.made)) == set(np.flatnonzero(known))
    assert set.union(*(sage.asked for sage in Sage.made)) > labelled
    for sage in Sage.made:
        assert not sage.shown & sage.asked
        assert not {2000 + i for i in sage.shown} & sage.asked
        assert not {3000 + i for i in sage.shown} & sage.asked
        assert {1000, 1001} <= sage.asked


def test_labels_of_texts_that_are_kept_back_change_nothing_that_is_said_of_others(
    taught: tuple[Sources, np.ndarray, Lessons],
) -> None:
    material, known, lessons = taught
    material.labels[~known] = (material.labels[~known] + 1) % 3
    again = teach(material, known, 1, Untuned(), Progress(disable=True))  # type: ignore[arg-type]
    for name in ("texts", "copies", "stretches", "unlabelled", "words"):
        assert getattr(lessons, name).tobytes() == getattr(again, name).tobytes()
    material.labels[known] = (material.labels[known] + 1) % 3
    other = teach(material, known, 1, Untuned(), Progress(disable=True))  # type: ignore[arg-type]
    assert lessons.texts.tobytes() != other.texts.tobytes()


def test_a_model_is_shown_the_chosen_texts_and_what_was_made_of_them_alone(
    taught: tuple[Sources, np.ndarray, Lessons], monkeypatch: pytest.MonkeyPatch
) -> None:
    material, known, lessons = taught
    monkeypatch.setattr(distillation, "EMOTICONS", 5)
    made = set_exercises(material, lessons, known, 1)
    ends = made.offsets
    shown = [bytes(made.data[a:b]).decode() for a, b in pairwise(ends)]
    count = int(known.sum())
    assert shown[:count] == [text.body for text, k in zip(material.texts, known, strict=True) if k]
    for made_of in ("kopia", "part"):
        assert {body for body in shown if body.startswith(made_of) and body[-1].isdigit()} == {
            f"{made_of} {i}" for i in range(30) if known[i]
        }
    assert len(shown) == count + 1 + 1 + 2 * int(known[:30].sum()) + 5
    np.testing.assert_allclose(made.targets.sum(axis=1), 1, rtol=1e-4)
    assert (made.targets[:count].argmax(axis=1) == material.labels[known]).mean() > 0.8
