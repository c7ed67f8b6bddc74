"""The simulated days: believable, repeatable, with one crisis."""

import json
from collections import Counter
from datetime import datetime
from functools import cache

import pytest

from connectors.errors import ConfigurationError
from connectors.simulator import Story, simulate
from connectors.simulator.brands import AIRLINE, BRANDS, SHOP
from connectors.simulator.grammar import Grammar
from connectors.simulator.story import HOUR_MS, MINUTE_MS, ZONE, usual_activity
from models.post import Post, encode


@cache
def four_days() -> tuple[Post, ...]:
    return tuple(post for page in simulate(Story.plan(seed=1)) for post in page.posts)


def names_of(brand_id: str) -> tuple[str, ...]:
    [brand] = [brand for brand in BRANDS if brand.id == brand_id]
    plain = str.maketrans("ąćęłńóśźż", "acelnoszz")
    names = {name.lower() for name in brand.cases}
    return (*names, *(name.translate(plain) for name in names), brand.handle)


def mentions(brand_id: str, posts: tuple[Post, ...]) -> list[Post]:
    names = names_of(brand_id)
    return [post for post in posts if any(name in post.text.lower() for name in names)]


def between(posts: list[Post], from_ms: int, to_ms: int) -> list[Post]:
    return [post for post in posts if from_ms <= post.created_ms < to_ms]


def test_the_same_story_gives_the_same_posts_byte_for_byte() -> None:
    story = Story.plan(seed=7, days=1)
    first, again = (
        [encode(post) for page in simulate(story) for post in page.posts] for _ in range(2)
    )
    assert first == again


def test_another_seed_gives_other_posts() -> None:
    first, other = (
        {post.text for page in simulate(Story.plan(seed=seed, days=1)) for post in page.posts}
        for seed in (1, 2)
    )
    assert first != other


def test_four_days_have_between_a_hundred_and_a_hundred_and_fifty_thousand_posts() -> None:
    assert 100_000 <= len(four_days()) <= 150_000


def test_nights_in_warsaw_are_quiet() -> None:
    by_hour = Counter(
        datetime.fromtimestamp(post.created_ms / 1000, ZONE).hour for post in four_days()
    )
    assert by_hour[3] * 8 < by_hour[20]


def test_the_mean_activity_of_a_day_is_about_one() -> None:
    start_ms = Story.plan().from_ms
    mean = sum(usual_activity(start_ms + n * MINUTE_MS) for n in range(1440)) / 1440
    assert mean == pytest.approx(1.0, abs=0.05)


def test_one_giveaway_and_one_crisis_happen_and_the_crisis_ends_well_before_the_end() -> None:
    story = Story.plan()
    assert [(e.brand, e.kind) for e in story.truth] == [
        (SHOP.id, "giveaway"),
        (AIRLINE.id, "crisis"),
    ]
    assert story.truth[1].to_ms + 12 * HOUR_MS < story.to_ms


def test_the_giveaway_multiplies_the_posts_of_its_brand_by_six_to_ten() -> None:
    episode = Story.plan().truth[0]
    posts = mentions(SHOP.id, four_days())
    burst = len(between(posts, episode.from_ms, episode.from_ms + 2 * HOUR_MS))
    day_ms = 24 * HOUR_MS
    usual = len(between(posts, episode.from_ms - day_ms, episode.from_ms + 2 * HOUR_MS - day_ms))
    assert 6 <= burst / usual <= 10


def test_the_crisis_doubles_several_times_within_half_an_hour_and_goes_back_to_normal() -> None:
    episode = Story.plan().truth[1]
    posts = mentions(AIRLINE.id, four_days())
    tens = [
        len(between(posts, start_ms, start_ms + 10 * MINUTE_MS))
        for start_ms in range(episode.from_ms - HOUR_MS, episode.to_ms + HOUR_MS, 10 * MINUTE_MS)
    ]
    before, rise, after = tens[:6], tens[6:10], tens[-6:]
    assert rise[0] < rise[1] < rise[2] < rise[3]
    assert rise[3] > 5 * sum(before) / 6
    assert max(tens) > 200
    assert sum(after) < 2 * sum(before)


def test_most_posts_of_the_crisis_are_worded_differently() -> None:
    episode = Story.plan().truth[1]
    posts = [
        post
        for post in between(mentions(AIRLINE.id, four_days()), episode.from_ms, episode.to_ms)
        if post.repost_of is None
    ]
    assert len({post.text for post in posts}) > 0.9 * len(posts)


def test_every_brand_is_written_about_in_both_languages() -> None:
    for brand in BRANDS:
        languages = {post.language for post in mentions(brand.id, four_days())}
        assert languages == {"pl", "en", None}, brand.id


def test_rates_reach_from_a_third_of_a_post_to_eight_posts_a_minute() -> None:
    first_day = tuple(
        post for post in four_days() if post.created_ms < Story.plan().from_ms + 24 * HOUR_MS
    )
    per_min = {brand.id: len(mentions(brand.id, first_day)) / 1440 for brand in BRANDS}
    assert 0.15 < min(per_min.values()) < 0.6
    assert 6 < max(per_min.values()) < 12


def test_there_are_posts_about_nobody_and_about_namesakes() -> None:
    nobody = [
        post
        for post in four_days()
        if not any(name in post.text.lower() for brand in BRANDS for name in names_of(brand.id))
    ]
    assert len(nobody) > 10_000
    assert any("bielik" in post.text for post in four_days())


def test_a_few_posts_come_twice_and_a_few_come_late() -> None:
    posts = four_days()
    times = Counter(post.key for post in posts)
    repeated = sum(1 for count in times.values() if count == 2)
    late = sum(1 for post in posts if post.observed_ms - post.created_ms > 30_000)
    assert max(times.values()) == 2
    assert 0.005 < repeated / len(posts) < 0.02
    assert 0.001 < late / len(posts) < 0.02


def test_reposts_name_an_earlier_post_of_the_same_platform() -> None:
    by_id = {post.native_id: post for post in four_days()}
    reposts = [post for post in four_days() if post.repost_of is not None]
    assert len(reposts) > 1_000
    for post in reposts:
        assert post.repost_of is not None
        original = by_id[post.repost_of]
        assert original.created_ms < post.created_ms
        assert original.platform == post.platform
        assert post.text.endswith(original.text)


def test_reach_is_heavy_tailed() -> None:
    reach = sorted((post.reach for post in four_days()), reverse=True)
    assert reach[0] > 100 * reach[len(reach) // 2]


def test_the_truth_is_told_as_json() -> None:
    told = json.loads(Story.plan(seed=3).to_json())
    assert told["seed"] == 3
    assert {"brand", "kind", "from_ms", "to_ms"} == set(told["truth"][0])


def test_a_story_without_days_and_a_cursor_of_another_story_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one day"):
        Story.plan(days=0)
    cursor = next(simulate(Story.plan(seed=1))).cursor
    with pytest.raises(ConfigurationError, match="another story"):
        simulate(Story.plan(seed=2), cursor=cursor)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"a": ["{b}"]}, "names 'b'"),
        ({"a": []}, "empty"),
        ({"a": ["{b}"], "b": ["{a}"]}, "circle"),
    ],
)
def test_a_grammar_that_cannot_speak_is_refused(rules: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grammar(rules)
