"""The post after which a story took off, and whose posts the tone turned after."""

from __future__ import annotations

import itertools
import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.tally import ExhibitRow, Tally
from models.turning import LEAST_MIN, MAX_TURNED, STRETCH_MIN, Turn, Turns, find_turns

MINUTES = 60
SPARK = 30


def post(minute: int, reach: int, name: str = "", author: str | None = None) -> ExhibitRow:
    key = name or f"x:{minute}-{reach}"
    return ExhibitRow(
        900, key, minute, "x", author or f"a{key}", reach, f"text {key}", "pl", None, 900
    )


def tally(negative: int, mild: int, *rows: ExhibitRow) -> Tally:
    made = Tally(mentions=negative + mild, exhibits=list(rows))
    made.histogram[9], made.histogram[1] = negative, mild
    return made


def story(rate_after: int = 20, seed: int = 1) -> list[tuple[int, Tally]]:
    """Two negative posts of ten a minute; from the spark on many more; small posts everywhere."""
    rng = random.Random(seed)
    minutes = []
    for minute in range(MINUTES):
        negative = 2 if minute < SPARK else rate_after
        rows = [post(minute, rng.randrange(200)) for _ in range(2)]
        minutes.append((minute, tally(negative, 8, *rows)))
    return minutes


def with_post(minutes: list[tuple[int, Tally]], row: ExhibitRow) -> list[tuple[int, Tally]]:
    minutes[row.created_ms][1].exhibits.append(row)
    return minutes


def whole(minutes: list[tuple[int, Tally]]) -> Turns:
    return find_turns(minutes, 0, MINUTES, (0, MINUTES - 1))


def test_a_story_took_off_after_the_post_with_an_audience_at_the_jump() -> None:
    spark = post(SPARK, 50_000, "x:spark")
    turns = whole(with_post(story(), spark))
    assert turns.took_off is not None
    assert turns.took_off.row == spark
    assert (turns.took_off.before, turns.took_off.after) == (2, 20)
    assert turns.took_off.minutes == STRETCH_MIN
    assert turns.turned[0].row == spark
    assert (turns.turned[0].before, turns.turned[0].after) == (2 / 10, 20 / 28)


def test_a_louder_post_long_before_or_long_after_the_jump_is_not_it() -> None:
    minutes = with_post(story(), post(SPARK, 5_000, "x:spark"))
    with_post(minutes, post(SPARK - 20, 5_000_000, "x:before"))
    with_post(minutes, post(SPARK + 20, 5_000_000, "x:after"))
    turns = whole(minutes)
    assert turns.took_off is not None
    assert turns.took_off.row.post == "x:spark"


def test_nothing_takes_off_where_nothing_rises() -> None:
    assert whole(with_post(story(rate_after=2), post(SPARK, 5_000_000))) == Turns()


def test_more_posts_of_the_same_mood_take_off_and_turn_no_tone() -> None:
    minutes = [
        (minute, tally(2 * more, 8 * more, post(minute, 100)))
        for minute in range(MINUTES)
        for more in [1 if minute < SPARK else 10]
    ]
    turns = whole(minutes)
    assert turns.took_off is not None
    assert turns.turned == []


def test_a_worse_mood_at_the_same_volume_turns_the_tone() -> None:
    minutes = [
        (minute, tally(negative, 40 - negative, post(minute, 100)))
        for minute in range(MINUTES)
        for negative in [4 if minute < SPARK else 24]
    ]
    turned = whole(minutes).turned
    assert turned[0].row.created_ms == SPARK
    assert len({turn.row.author for turn in turned}) == len(turned) == MAX_TURNED


def test_what_was_before_the_minutes_that_are_known_is_not_taken_for_silence() -> None:
    minutes = story(rate_after=2)
    assert find_turns(minutes[5:], 0, MINUTES, (5, MINUTES - 1)) == Turns()
    assert find_turns(minutes[5:], 0, MINUTES, (0, MINUTES - 1)).took_off is not None


def test_copies_make_a_flood_take_off_though_they_do_not_count_otherwise() -> None:
    minutes = [(minute, tally(1, 1, post(minute, 10))) for minute in range(MINUTES)]
    for minute, flooded in minutes:
        flooded.mentions += 30 if minute >= SPARK else 0
    assert whole(minutes).took_off is None
    found = find_turns(minutes, 0, MINUTES, (0, MINUTES - 1), copies=True).took_off
    assert found is not None
    assert found.row.created_ms == SPARK


def test_a_post_that_nothing_can_have_followed_yet_is_not_asked_about() -> None:
    minutes = with_post(story(), post(SPARK, 50_000, "x:spark"))
    now = SPARK + LEAST_MIN - 1
    young = find_turns(minutes, 0, MINUTES, (0, now - 1)).took_off
    assert young is None or young.row.created_ms < SPARK
    found = find_turns(minutes, 0, MINUTES, (0, now)).took_off
    assert found is not None
    assert (found.row.post, found.minutes) == ("x:spark", LEAST_MIN)


@given(st.sets(st.integers(0, MINUTES)), st.integers(1, 40), st.integers(0, 9))
def test_asking_piece_by_piece_finds_the_same_as_asking_for_all(
    cuts: set[int], rate_after: int, seed: int
) -> None:
    minutes = story(rate_after, seed)
    edges = sorted({0, MINUTES} | cuts)
    pieces = [
        find_turns(minutes, begin, end, (0, MINUTES - 1))
        for begin, end in itertools.pairwise(edges)
    ]
    random.Random(seed).shuffle(pieces)
    gathered = Turns()
    for piece in pieces:
        gathered = gathered.with_others(piece)
    assert gathered == whole(minutes)


@given(st.integers(1, 40), st.integers(0, 9))
def test_what_is_found_comes_back_from_a_state_that_was_saved(rate: int, seed: int) -> None:
    turns = whole(story(rate, seed))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(turns), type=Turns) == turns


def test_erased_posts_and_authors_are_forgotten() -> None:
    turns = whole(with_post(story(), post(SPARK, 50_000, "x:spark", "u_spark")))
    assert turns.without({"x:spark"}, ()).took_off is None
    left = turns.without((), {"u_spark"})
    assert left.took_off is None
    assert "u_spark" not in [turn.row.author for turn in left.turned]
    assert turns.without({"x:none"}, {"u_none"}) == turns


def test_nobody_and_nobody_without_an_audience_is_said_to_have_turned_the_tone() -> None:
    minutes = story()
    for minute, one in minutes:
        one.exhibits = [msgspec.structs.replace(post(minute, 9), author=None), post(minute, 0)]
    turns = whole(minutes)
    assert isinstance(turns.took_off, Turn)
    assert turns.turned == []
