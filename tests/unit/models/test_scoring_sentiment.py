"""Which words of a post are judged for which brand, and what corrections change in the tallies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.brand import Brand
from models.matching import Matcher
from models.post import Heartbeat, Post, encode
from models.scoring import Brands, PartitionScorer, ScoreSettings
from models.sentiment.base import NEGATIVE, Scorer
from models.sentiment.feedback import AdaptiveScorer, Correction, make_lesson
from models.sentiment.scorer import load_scorer
from models.tally import Tally, encode_frame

BASE = load_scorer()
T = 29_000_000 * 60_000
NAMES = ("@JetBlue", "United", "Bank Polny")
SETTINGS = ScoreSettings(block_records=16, duplicate_window_blocks=2)


class CountingMatcher(Matcher):
    """Counts how often it is asked where brands stand."""

    asked = 0

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        self.asked += 1
        return super().spans(text)


def brand(name: str) -> Brand:
    return Brand.model_validate(
        {"id": name.lower().strip("@").replace(" ", "-"), "name": name, "match": {"any": [name]}}
    )


def scorer_of(
    sentiment: Scorer, matcher: Matcher | None = None, start: int = 0, memo: str = ""
) -> PartitionScorer:
    found = matcher or Matcher([brand(name) for name in NAMES])
    brands = Brands(NAMES, (0, 0, 0), 1, found)
    return PartitionScorer(0, 1, brands, sentiment, SETTINGS, start, memo)


def post(number: int, text: str, **fields: Any) -> bytes:
    given_ = {"created_ms": T, "observed_ms": T, "source": "one", "language": None} | fields
    return encode(
        Post(platform="x", native_id=str(number), author=f"a{number}", text=text, **given_)
    )


def feed(scorer: PartitionScorer, values: Sequence[bytes], first: int = 0) -> None:
    taken = scorer.feed(list(range(first, first + len(values))), [None] * len(values), values)
    assert taken == len(values)


def tallies(sentiment: Scorer, *texts: str, matcher: Matcher | None = None) -> dict[str, Tally]:
    scorer = scorer_of(sentiment, matcher)
    feed(scorer, [post(i, text) for i, text in enumerate(texts)])
    return {entry.brand: entry.tally for frame in scorer.cut().values() for entry in frame.entries}


def milli(text: str) -> int:
    return round(float(BASE.score([text])[0, NEGATIVE]) * 1000)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("Love @JetBlue, but United lost my bag again", "@JetBlue", "United"),
        ("United ruined my holiday. @JetBlue was wonderful, thank you!", "@JetBlue", "United"),
        ("Uwielbiam @JetBlue, ale Bank Polny to dramat i skandal", "@JetBlue", "Bank Polny"),
    ],
)
def test_a_post_that_praises_one_brand_and_blames_another_is_counted_so(
    text: str, good: str, bad: str
) -> None:
    found = tallies(BASE, text)
    assert found[good].negative_milli < found[good].positive_milli
    assert found[bad].negative_milli > found[bad].positive_milli


def test_of_two_brands_each_tally_has_the_score_of_its_own_clause() -> None:
    found = tallies(BASE, "Love @JetBlue, but United lost my bag again", "United is fine")
    assert found["@JetBlue"].negative_milli == milli("Love @JetBlue")
    own = milli(", but United lost my bag again")
    assert found["United"].negative_milli == own + milli("United is fine")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_a_post_with_one_brand_is_judged_whole(texts: list[str]) -> None:
    whole = [f"{text} United {text}" for text in texts]
    found = tallies(BASE, *whole)["United"]
    assert found.negative_milli == sum(map(milli, whole))


def test_where_brands_stand_is_asked_only_of_posts_with_several() -> None:
    matcher = CountingMatcher([brand(name) for name in NAMES])
    tallies(BASE, "United is late", "@JetBlue and United", "nobody", matcher=matcher)
    assert matcher.asked == 1


def taught(moments_ms: Sequence[int]) -> list[tuple[bytes, Correction]]:
    lesson = make_lesson(BASE, "padł system, nie działa")
    return [(f"{ms}".encode(), Correction(lesson, NEGATIVE, ms)) for ms in moments_ms]


def test_after_twenty_corrections_posts_with_the_word_count_as_negative_others_as_before() -> None:
    texts = ["Bank Polny: znowu padł system", "United jest punktualny", "@JetBlue is fine"]
    scorer = AdaptiveScorer(BASE)
    for i in range(20):
        lesson = make_lesson(BASE, f"dzień {i}, padł system")
        scorer.learn(f"{i}".encode(), Correction(lesson, NEGATIVE, T - 1))
    before, after = tallies(BASE, *texts), tallies(scorer, *texts)
    assert after["Bank Polny"].negative_milli > max(500, before["Bank Polny"].negative_milli)
    assert after["United"].negative_milli == before["United"].negative_milli
    assert after["@JetBlue"].negative_milli == before["@JetBlue"].negative_milli


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_replay_after_a_crash_says_the_same_whenever_corrections_are_heard_of(
    data: st.DataObject,
) -> None:
    seen = sorted(data.draw(st.lists(st.integers(0, 100), min_size=4, max_size=14)))
    values = [
        post(i, f"Bank Polny padł system {'xyz'[i % 3]}", observed_ms=T + ms, created_ms=T + ms)
        for i, ms in enumerate(seen)
    ]
    values.append(encode(Heartbeat(source="one", until_ms=T + 200, sent_ms=T + 200)))
    moments = data.draw(st.lists(st.integers(1, 100), max_size=4, unique=True))
    corrections = taught([T + ms for ms in moments])
    crash = data.draw(st.integers(0, len(values)))

    all_along = AdaptiveScorer(BASE)
    for key, correction in corrections:
        all_along.learn(key, correction)
    whole = scorer_of(all_along)
    feed(whole, values)

    # The first worker hears of each correction just before posts of its moment; then it crashes.
    first = AdaptiveScorer(BASE)
    worker = scorer_of(first)
    waiting = sorted(corrections, key=lambda known: known[1].from_ms)
    for at, value in enumerate(values[:crash]):
        while waiting and at < len(seen) and waiting[0][1].from_ms <= T + seen[at]:
            first.learn(*waiting.pop(0))
        feed(worker, [value], first=at)
    told_by_the_first = worker.cut()

    # The second reads the topic first, then the block again.
    second = AdaptiveScorer(BASE)
    for key, correction in data.draw(st.permutations(corrections)):
        second.learn(key, correction)
    again = scorer_of(second)
    feed(again, values[:crash])
    assert {o: encode_frame(f) for o, f in again.cut().items()} == {
        o: encode_frame(f) for o, f in told_by_the_first.items()
    }
    feed(again, values[crash:], first=crash)
    final = {entry.bucket: entry.tally for f in whole.cut().values() for entry in f.entries}
    told = {entry.bucket: entry.tally for f in again.cut().values() for entry in f.entries}
    assert told == {bucket: final[bucket] for bucket in told}
    assert first.late == 0


def test_what_was_learned_leaves_posts_seen_before_alone() -> None:
    scorer = AdaptiveScorer(BASE)
    for key, correction in taught([T + 10]):
        scorer.learn(key, correction)
    texts = ["Bank Polny padł system"]
    np.testing.assert_array_equal(scorer.score(texts, None, [T + 9]), BASE.score(texts))
    assert tallies(scorer, *texts) == tallies(BASE, *texts)
