"""What corrections do to the score, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.sentiment.base import NEGATIVE, POSITIVE
from models.sentiment.feedback import BUCKETS, JOURNAL, AdaptiveScorer, Correction
from models.sentiment.scorer import load_scorer

BASE = load_scorer()
STARTS = [
    "znowu",
    "dzisiaj",
    "hej",
    "serio",
    "no i",
    "od rana",
    "halo",
    "w banku",
    "wczoraj",
    "ech",
]
DOWN = [f"{start} padł system, kod {i}" for i, start in enumerate(STARTS * 2)]
SICK = [
    "these sneakers are sick",
    "sick drop this morning",
    "the red ones look sick",
    "my brother got the sick retro pair",
    "how sick is this design",
    "sick new colours on the site",
    "that collab was sick, want it",
    "wearing my sick kicks today",
    "got them, so sick",
    "a sick pair for the summer",
    "the sole is sick too",
    "sick release again",
    "everyone at school says they are sick",
    "look at this sick shoe",
    "sick stitching up close",
    "the advert with the sick runner",
    "these are the sick ones",
    "i call that a sick upgrade",
    "sick laces as well",
    "another sick model from them",
]
UNSEEN = {
    "pl": ["u was też padł system?", "klienci mówią, że padł system w oddziale"],
    "en": ["just saw the sick colourway", "sick pair of shoes at the store"],
}
OTHERS = [
    "Świetna obsługa, polecam",
    "Nie polecam, drogo i brudno",
    "Spotkanie jest jutro o dziewiątej",
    "Love this phone",
    "worst flight ever",
    "The store opens at 9",
    "@user thanks for the help!",
    "😡",
    "",
]


def taught(texts: list[str], label: int) -> AdaptiveScorer:
    return AdaptiveScorer(BASE, [Correction(text, label) for text in texts])


@pytest.mark.parametrize(
    ("texts", "unseen", "label"),
    [(DOWN, UNSEEN["pl"], NEGATIVE), (SICK, UNSEEN["en"], POSITIVE)],
    ids=["padł system", "sick"],
)
def test_twenty_corrections_of_a_word_move_posts_with_it_and_leave_the_rest(
    texts: list[str], unseen: list[str], label: int
) -> None:
    scorer = taught(texts, label)
    moved = scorer.score(unseen)[:, label] - BASE.score(unseen)[:, label]
    assert (scorer.score(unseen).argmax(axis=1) == label).all()
    assert (moved > 0).all()
    drift = np.abs(scorer.score(OTHERS) - BASE.score(OTHERS)).max(axis=1)
    assert drift.max() < 0.1
    assert (scorer.score(OTHERS).argmax(axis=1) == BASE.score(OTHERS).argmax(axis=1)).all()


def test_without_corrections_the_score_is_the_base_score() -> None:
    np.testing.assert_array_equal(AdaptiveScorer(BASE).score(OTHERS), BASE.score(OTHERS))
    assert AdaptiveScorer(BASE).version == BASE.version


def test_switched_off_it_gives_the_base_score_and_on_again_what_it_learned() -> None:
    scorer = taught(DOWN, NEGATIVE)
    learned = scorer.score(DOWN)
    scorer.enabled = False
    np.testing.assert_array_equal(scorer.score(DOWN), BASE.score(DOWN))
    assert scorer.version == BASE.version
    scorer.enabled = True
    np.testing.assert_array_equal(scorer.score(DOWN), learned)


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_rolled_back_it_is_as_if_the_latest_corrections_had_not_been_given(
    data: st.DataObject,
) -> None:
    corrections = data.draw(
        st.lists(
            st.builds(Correction, st.sampled_from(DOWN + SICK), st.integers(0, 2)), max_size=12
        )
    )
    back = data.draw(st.integers(0, len(corrections)))
    scorer = AdaptiveScorer(BASE, corrections)
    scorer.roll_back(back)
    kept = AdaptiveScorer(BASE, corrections[: len(corrections) - back])
    np.testing.assert_array_equal(scorer.score(DOWN + OTHERS), kept.score(DOWN + OTHERS))
    assert scorer.corrections == kept.corrections


def test_only_what_is_in_the_journal_can_be_taken_back() -> None:
    scorer = taught(DOWN * (JOURNAL // len(DOWN) + 2), NEGATIVE)
    scorer.roll_back(JOURNAL)
    assert scorer.corrections > 0
    with pytest.raises(ValueError, match="1 corrections asked back, 0 can be"):
        scorer.roll_back(1)


def test_what_was_learned_fades_as_other_things_are_learned() -> None:
    scorer = taught(DOWN, NEGATIVE)
    before = scorer.score(DOWN[:1])[0, NEGATIVE]
    for i in range(600):
        scorer.learn(Correction(f"unrelated{i} words{i % 7}", POSITIVE))
    after = scorer.score(DOWN[:1])[0, NEGATIVE]
    base = BASE.score(DOWN[:1])[0, NEGATIVE]
    assert base < after < before


def test_the_model_is_bounded_however_many_words_it_meets() -> None:
    scorer = AdaptiveScorer(BASE)
    for i in range(400):
        scorer.learn(Correction(" ".join(f"w{i}x{j}" for j in range(40)), i % 3))
    assert all(len(model.weights) <= BUCKETS for model in scorer._models)


def test_corrections_the_other_way_undo_each_other() -> None:
    scorer = taught(DOWN * 2, NEGATIVE)
    for text in DOWN * 4:
        scorer.learn(Correction(text, POSITIVE))
    assert (scorer.score(DOWN).argmax(axis=1) == POSITIVE).all()


def test_a_change_in_how_right_the_score_is_counts_as_a_drift() -> None:
    scorer = AdaptiveScorer(BASE)
    right = [Correction(text, int(BASE.score([text])[0].argmax())) for text in OTHERS[:6]]
    for _ in range(50):
        for correction in right:
            scorer.learn(correction)
    assert scorer.calibration_drifts == 0
    for i in range(300):
        text = f"unknown{i} thing{i} happened{i}"
        wrong = int(BASE.score([text])[0].argmin())
        scorer.learn(Correction(text, wrong))
    assert scorer.calibration_drifts > 0
    assert 0 <= scorer.calibration_error <= 1


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3 is none of 0, 1, 2"):
        AdaptiveScorer(BASE).learn(Correction("x", 3))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(st.characters(codec=None)), st.integers(0, 2)), max_size=5))
def test_any_text_can_be_learned_and_scored(corrections: list[tuple[str, int]]) -> None:
    scorer = AdaptiveScorer(BASE, [Correction(text, label) for text, label in corrections])
    scores = scorer.score([text for text, _ in corrections] + ["", "ok"])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
