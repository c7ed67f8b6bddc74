"""What corrections do to the score, and what they leave alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feedback import LESSON_BUCKETS, MAX_LESSON_TERMS
from models.sentiment import feedback as learning
from models.sentiment.base import NEGATIVE, NEUTRAL, POSITIVE
from models.sentiment.feedback import NOT_NEGATIVE, AdaptiveScorer, Correction, make_lesson
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


def correction(text: str, label: int, from_ms: int = 0) -> Correction:
    return Correction(make_lesson(BASE, text), label, from_ms)


def taught(texts: list[str], label: int, from_ms: int = 0) -> AdaptiveScorer:
    scorer = AdaptiveScorer(BASE)
    for i, text in enumerate(texts):
        scorer.learn(f"{i}".encode(), correction(text, label, from_ms))
    return scorer


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


def test_what_is_not_negative_loses_that_and_keeps_the_proportion_of_the_rest() -> None:
    texts = [f"dramat {start}, polecam numer {i}" for i, start in enumerate(STARTS * 2)]
    before, after = BASE.score(texts), taught(texts, NOT_NEGATIVE).score(texts)
    assert (after[:, NEGATIVE] < 0.5 * before[:, NEGATIVE]).all()
    np.testing.assert_allclose(
        after[:, POSITIVE] / after[:, NEUTRAL], before[:, POSITIVE] / before[:, NEUTRAL], rtol=1e-3
    )


def test_without_corrections_the_score_is_the_base_score() -> None:
    np.testing.assert_array_equal(AdaptiveScorer(BASE).score(OTHERS), BASE.score(OTHERS))
    assert AdaptiveScorer(BASE).version == BASE.version


def test_switched_off_it_gives_the_base_score_and_on_again_what_it_learned() -> None:
    scorer = taught(DOWN, NEGATIVE)
    learned = scorer.score(DOWN)
    scorer.enabled = False
    np.testing.assert_array_equal(scorer.score(DOWN), BASE.score(DOWN))
    scorer.enabled = True
    np.testing.assert_array_equal(scorer.score(DOWN), learned)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_what_was_taken_back_is_as_if_it_had_not_been_given(data: st.DataObject) -> None:
    given_ = data.draw(
        st.lists(
            st.tuples(st.sampled_from(DOWN + SICK), st.integers(-1, 2), st.integers(0, 50)),
            max_size=12,
        )
    )
    kept, scorer = AdaptiveScorer(BASE), AdaptiveScorer(BASE)
    back = data.draw(st.sets(st.integers(0, 11)))
    for i, (text, label, from_ms) in enumerate(given_):
        scorer.learn(f"{i:02}".encode(), correction(text, label, from_ms))
        if i not in back:
            kept.learn(f"{i:02}".encode(), correction(text, label, from_ms))
        if data.draw(st.booleans()):
            scorer.score(DOWN[:1])  # what was made for it may not be used afterwards
    for i in back:
        scorer.withdraw(f"{i:02}".encode(), 100)
    np.testing.assert_array_equal(scorer.score(DOWN + OTHERS), kept.score(DOWN + OTHERS))


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_score_depends_on_what_counts_at_its_moment_and_not_on_when_it_was_heard_of(
    data: st.DataObject,
) -> None:
    given_ = data.draw(
        st.lists(
            st.tuples(st.sampled_from(DOWN + SICK), st.integers(-1, 2), st.integers(1, 9)),
            max_size=8,
            unique_by=lambda entry: entry[2],
        )
    )
    posts = data.draw(
        st.lists(st.tuples(st.sampled_from(DOWN + SICK + OTHERS), st.integers(0, 10)), max_size=8)
    )
    at_once, bit_by_bit = AdaptiveScorer(BASE), AdaptiveScorer(BASE)
    for text, label, from_ms in data.draw(st.permutations(given_)):
        at_once.learn(f"{from_ms}".encode(), correction(text, label, from_ms))
    later = sorted(given_, key=lambda entry: entry[2])
    for text, seen_ms in sorted(posts, key=lambda post: post[1]):
        while later and later[0][2] <= seen_ms:  # heard of just in time
            known, label, from_ms = later.pop(0)
            bit_by_bit.learn(f"{from_ms}".encode(), correction(known, label, from_ms))
        np.testing.assert_array_equal(
            bit_by_bit.score([text], None, [seen_ms]), at_once.score([text], None, [seen_ms])
        )
    texts, moments = [post[0] for post in posts], [post[1] for post in posts]
    together = at_once.score(texts, None, moments)
    for row, (text, seen_ms) in zip(together, posts, strict=True):
        np.testing.assert_array_equal(row, at_once.score([text], None, [seen_ms])[0])
    assert bit_by_bit.late == 0


def test_a_correction_counts_from_its_moment_until_it_is_taken_back() -> None:
    scorer = taught(DOWN, NEGATIVE, from_ms=1_000)
    for i in range(len(DOWN)):
        scorer.withdraw(f"{i}".encode(), 2_000)
    before, during, after = scorer.score(DOWN[:1] * 3, None, [999, 1_000, 2_000])
    base = BASE.score(DOWN[:1])[0]
    np.testing.assert_array_equal(before, base)
    np.testing.assert_array_equal(after, base)
    assert during[NEGATIVE] > base[NEGATIVE]
    assert scorer.corrections == 0


def test_the_last_answer_to_a_question_counts_and_a_repeated_one_changes_nothing() -> None:
    scorer = AdaptiveScorer(BASE)
    for label, from_ms in ((NEGATIVE, 10), (NEGATIVE, 10), (POSITIVE, 20)):
        scorer.learn(b"q", correction(DOWN[0], label, from_ms))
    alone = AdaptiveScorer(BASE)
    alone.learn(b"q", correction(DOWN[0], POSITIVE, 20))
    np.testing.assert_array_equal(scorer.score(DOWN), alone.score(DOWN))
    assert scorer.corrections == 1


def test_a_correction_heard_of_after_its_moment_was_scored_is_counted_as_late() -> None:
    scorer = AdaptiveScorer(BASE)
    scorer.score(["ok"], None, [100])
    scorer.learn(b"on time", correction("ok", POSITIVE, 101))
    assert scorer.late == 0
    scorer.learn(b"late", correction("ok", POSITIVE, 100))
    assert scorer.late == 1


def test_only_the_newest_corrections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_CORRECTIONS", 5)
    scorer = taught(DOWN, NEGATIVE)
    assert scorer.corrections == 5


def test_what_was_learned_fades_as_other_things_are_learned() -> None:
    scorer = taught(DOWN, NEGATIVE)
    before = scorer.score(DOWN[:1])[0, NEGATIVE]
    for i in range(600):
        text = f"unrelated{i} words{i % 7}"
        scorer.learn(f"other {i}".encode(), correction(text, POSITIVE, 1))
    after = scorer.score(DOWN[:1])[0, NEGATIVE]
    base = BASE.score(DOWN[:1])[0, NEGATIVE]
    assert base < after < before


def test_a_lesson_is_bounded_however_long_the_text_and_holds_none_of_it() -> None:
    words = ["".join(letters) for letters in product("aeiou", "bdfgk", "lmnrs", "tvwz")]
    lesson = make_lesson(BASE, " ".join(words))
    assert len(lesson.terms) == MAX_LESSON_TERMS
    assert all(0 <= bucket < LESSON_BUCKETS for bucket, _ in lesson.terms)
    assert words[0] not in lesson.model_dump_json()


def test_corrections_the_other_way_undo_each_other() -> None:
    scorer = taught(DOWN * 2, NEGATIVE)
    for i, text in enumerate(DOWN * 4):
        scorer.learn(f"back {i}".encode(), correction(text, POSITIVE, 1))
    assert (scorer.score(DOWN).argmax(axis=1) == POSITIVE).all()


def test_a_change_in_how_right_the_score_is_counts_as_a_drift() -> None:
    scorer = AdaptiveScorer(BASE)
    right = [(text, int(BASE.score([text])[0].argmax())) for text in OTHERS[:6]]
    for i in range(300):
        text, label = right[i % len(right)]
        scorer.learn(f"right {i}".encode(), correction(text, label))
    assert scorer.errors.changes == 0
    for i in range(300):
        text = f"unknown{i} thing{i} happened{i}"
        wrong = int(BASE.score([text])[0].argmin())
        scorer.learn(f"wrong {i}".encode(), correction(text, wrong))
    assert scorer.errors.changes > 0
    assert 0 <= scorer.errors.mean <= 1


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3 is none of -1, 0, 1, 2"):
        AdaptiveScorer(BASE).learn(b"x", correction("x", 3))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(st.characters(codec=None)), st.integers(-1, 2)), max_size=5))
def test_any_text_can_be_learned_and_scored(corrections: list[tuple[str, int]]) -> None:
    scorer = AdaptiveScorer(BASE)
    for i, (text, label) in enumerate(corrections):
        scorer.learn(f"{i}".encode(), correction(text, label))
    scores = scorer.score([text for text, _ in corrections] + ["", "ok"])
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
