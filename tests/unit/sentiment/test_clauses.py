"""Which part of a post is scored for which brand."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.sentiment.clauses import split_by_brand

NAMES = ("Jet", "United", "Orzeł")


def split(text: str) -> dict[str, str]:
    mentions = [
        (brand, match.start(), match.end())
        for brand, name in enumerate(NAMES)
        for match in re.finditer(name, text)
    ]
    return {NAMES[brand]: piece for brand, piece in split_by_brand(text, mentions).items()}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (
            "Love @Jet, but United lost my bag again",
            {"Jet": "Love @Jet", "United": ", but United lost my bag again"},
        ),
        (
            "Uwielbiam Orzeł, ale United to dramat",
            {"Orzeł": "Uwielbiam Orzeł", "United": ", ale United to dramat"},
        ),
        (
            "United lost my bag. Never again! Jet rocks",
            {"United": "United lost my bag.", "Jet": "Never again! Jet rocks"},
        ),
        (
            "Jet is late, United is on time",
            {"Jet": "Jet is late,", "United": "United is on time"},
        ),
        (
            "Jet was fine and United was awful",
            {"Jet": "Jet was fine", "United": "and United was awful"},
        ),
        (
            "Jet ruined it. United helped. Jet never answered",
            {"Jet": "Jet ruined it. Jet never answered", "United": "United helped."},
        ),
    ],
)
def test_a_post_is_cut_at_the_strongest_boundary_between_two_brands(
    text: str, pieces: dict[str, str]
) -> None:
    assert split(text) == pieces


@pytest.mark.parametrize(
    "text",
    ["Jet, United and Orzeł are all late", "@Jet @United thanks!", "Jet is better than United"],
)
def test_brands_in_a_list_or_without_a_boundary_share_the_text(text: str) -> None:
    assert set(split(text).values()) == {text}


def test_the_brands_of_a_list_share_their_piece_and_the_next_brand_has_its_own() -> None:
    assert split("Jet and United were late, but Orzeł was great") == {
        "Jet": "Jet and United were late",
        "United": "Jet and United were late",
        "Orzeł": ", but Orzeł was great",
    }


@given(st.text(), st.integers(0, 50), st.integers(0, 50))
def test_a_post_with_one_brand_is_scored_whole(text: str, start: int, length: int) -> None:
    assert split_by_brand(text, [(7, start, start + length)]) == {7: text}


def test_no_mention_gives_no_piece() -> None:
    assert split_by_brand("nothing here", []) == {}


@st.composite
def posts(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, int]]]:
    glue = st.sampled_from([" ", ", ", " but ", ". ", "!", " and ", "\n", "…", " – ", "x", " ale "])
    text, mentions = "", []
    for brand in draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)):
        text += draw(glue)
        mentions.append((brand, len(text), len(text) + len(NAMES[brand])))
        text += NAMES[brand] + draw(glue) + draw(st.text(max_size=8))
    return text, draw(st.permutations(mentions))


@given(posts())
def test_every_brand_gets_a_piece_that_names_it_and_nothing_is_lost(
    post: tuple[str, list[tuple[int, int, int]]],
) -> None:
    text, mentions = post
    pieces = split_by_brand(text, mentions)
    assert set(pieces) == {brand for brand, _, _ in mentions}
    for brand, piece in pieces.items():
        assert NAMES[brand] in piece
    everything = Counter("".join(text.split()))
    assert everything <= Counter("".join(pieces.values()))


@given(st.text(max_size=80), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80)), max_size=6))
def test_mentions_that_overlap_or_lie_beyond_the_text_do_no_harm(
    text: str, where: list[tuple[int, int]]
) -> None:
    mentions = [(brand, start, start + 3) for brand, start in where]
    assert set(split_by_brand(text, mentions)) == {brand for brand, _ in where}


def test_long_posts_are_cut_in_time_linear_in_their_length() -> None:
    text = "Jet " + ", but " * 20_000 + " United"
    assert set(split(text)) == {"Jet", "United"}
