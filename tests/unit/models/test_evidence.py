"""Terms that rose, exhibits without copies, how organic a story is, and its voices."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evidence import choose_exhibits, fold_exhibits, spread
from models.rising import (
    MAX_TERMS,
    MEMORY_POSTS,
    Background,
    log_odds_z,
    rising_terms,
    stems_of,
)
from models.tally import MAX_EXHIBITS, ExhibitRow, Tally, erase
from models.turning import Turn
from models.voices import voices_of
from tests.unit.models.test_sample import row

USUAL = ["kawa na pokładzie była dobra", "lecę do Gdyni", "świetna obsługa", "bilet kupiony"]


def background(times: int = 50) -> Background:
    learnt = Background()
    learnt.learn(row(n, text) for n, text in enumerate(USUAL * times))
    return learnt


def exhibit(number: int, text: str, reach: int = 10, p_negative_milli: int = 900) -> ExhibitRow:
    return ExhibitRow(
        rank=100 - number,
        post=f"x:{number}",
        created_ms=number,
        platform="x",
        author=f"a{number}",
        reach=reach,
        text=text,
        language="pl",
        url=None,
        p_negative_milli=p_negative_milli,
    )


def test_what_the_story_is_about_rises_and_what_is_always_said_does_not() -> None:
    texts = ["Odwołany lot, strajk załogi!", "strajk załogi trwa, loty odwołane", "kawa i strajk"]
    terms = rising_terms([row(n, text) for n, text in enumerate(texts * 10)], background())
    said = [term.term for term in terms]
    assert "strajk" in said[:3] or "strajk załogi" in said[:3]
    assert not any("kaw" in term for term in said)
    assert all(term.share > term.usual_share for term in terms)


def test_forms_of_a_word_count_together() -> None:
    assert stems_of("odwołał") == stems_of("odwołali") == stems_of("ODWOŁANY")
    assert stems_of("cancelled") == stems_of("cancels") == stems_of("cancelling")
    texts = ["samolot odwołany", "odwołali rejs", "rejsy odwołano", "kolejny odwołany wylot"]
    terms = rising_terms([row(n, text) for n, text in enumerate(texts)], background())
    assert {term.term: term.posts for term in terms}["odwołany"] == 4


def test_a_pair_stands_for_its_words_where_they_come_together() -> None:
    texts = ["wyciek danych klientów", "ten wyciek danych to skandal", "znowu wyciek danych?!"]
    terms = rising_terms([row(n, text) for n, text in enumerate(texts * 5)], background())
    said = [term.term for term in terms]
    assert "wyciek danych" in said
    assert "wyciek" not in said
    assert "danych" not in said


def test_a_term_of_few_authors_is_not_shown() -> None:
    rows = [row(n, "zadzwoń do Jana Kowalskiego", author="troll") for n in range(20)]
    assert rising_terms(rows, background()) == []


def test_links_handles_tags_and_function_words_are_no_terms() -> None:
    assert stems_of("https://e.vil/strajk @ktos #strajk i że nie the and") == set()


def test_a_term_that_is_as_common_as_ever_has_no_surprise() -> None:
    assert log_odds_z(10, 100, 100, 1000) == pytest.approx(0, abs=1e-9)
    assert log_odds_z(30, 100, 100, 1000) > 3
    assert log_odds_z(1, 100, 100, 1000) < -1


def test_without_a_background_nothing_is_said_to_have_risen() -> None:
    assert rising_terms([row(n, "awaria kart") for n in range(10)], Background()) == []


def test_an_erased_post_or_author_is_gone_from_all_that_a_tally_holds() -> None:
    kept, gone, other = (exhibit(n, "tekst") for n in (1, 2, 3))
    tally = Tally(exhibits=[kept, gone, other], first=[gone, kept], sample=[row(1), row(2), row(3)])
    tally.calm = [row(3), row(2), row(1)]
    assert erase(tally, {"x:2"}, {"a3"})
    for rows in (tally.exhibits, tally.first, tally.sample, tally.calm):
        assert [held.post for held in rows] == ["x:1"]
    assert not erase(tally, {"x:2"}, set())


def test_the_background_is_bounded_and_fades() -> None:
    learnt = Background()
    for n in range(6_000):
        learnt.learn(
            [row(n, f"zawsze {chr(97 + n % 26)}{chr(97 + n // 26 % 26)}slowo{'q' * (n % 9)}")]
        )
    assert learnt.posts <= MEMORY_POSTS + 1
    assert len(learnt.counts) <= 2 * MAX_TERMS + 3
    assert learnt.counts["zawsz"] == pytest.approx(learnt.posts)


def test_copies_of_an_exhibit_are_folded_into_it_with_their_number() -> None:
    text = "Bank zablokował moje konto i nie oddaje pieniędzy"
    rows = [exhibit(1, text), exhibit(2, text + "!!!"), exhibit(3, "aplikacja nie działa od rana")]
    sample = [row(n, text if n < 6 else f"coś innego numer {n}") for n in range(12)]
    folded = fold_exhibits(rows, sample, mentions=1000)
    assert [f.row.post for f in folded] == ["x:1", "x:3"]
    assert [f.alike for f in folded] == [500, 1]


def test_of_two_alike_in_anger_and_reach_the_typical_one_comes_first() -> None:
    sample = [row(n, f"lot odwołany, stoimy na lotnisku {n}") for n in range(30)]
    odd = exhibit(1, "mój sąsiad kupił zielony rower")
    typical = msgspec.structs.replace(exhibit(2, "odwołany lot, lotnisko stoi"), rank=98)
    chosen = choose_exhibits([odd, typical], sample, mentions=30)
    assert [one.row.post for one in chosen] == ["x:2", "x:1"]
    loud = msgspec.structs.replace(odd, rank=98 * 5)
    chosen = choose_exhibits([loud, typical], sample, mentions=30)
    assert [one.row.post for one in chosen] == ["x:1", "x:2"]
    few = choose_exhibits([odd, typical], sample[:5], mentions=5)
    assert [one.row.post for one in few] == ["x:1", "x:2"]


@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from(USUAL)), max_size=12), st.randoms())
def test_the_exhibits_that_are_chosen_do_not_depend_on_the_order_of_the_sample(
    some: list[tuple[int, str]], shuffle: object
) -> None:
    rows = [
        msgspec.structs.replace(exhibit(n, f"{text} {n}"), rank=rank)
        for n, (rank, text) in enumerate(some)
    ]
    rows.sort(key=lambda one: one.order)
    sample = [row(n, text) for n, text in enumerate(USUAL * 4)]
    chosen = choose_exhibits(rows, sample, 16)
    shuffle.shuffle(sample)  # type: ignore[attr-defined]
    again = choose_exhibits(rows, sample, 16)
    assert [one.row.post for one in chosen] == [one.row.post for one in again]
    assert len(chosen) <= MAX_EXHIBITS


def test_one_author_who_writes_it_all_is_not_organic_and_many_are() -> None:
    one = [row(n, author="bot") for n in range(20)]
    many = [row(n) for n in range(20)]
    assert spread(0, 20, 1, one).entropy == 0
    assert spread(0, 20, 20, many).entropy == pytest.approx(1)
    assert spread(15, 20, 1, one).copies == 0.75
    assert spread(0, 3, 3, many[:3]).entropy is None


def test_voices_are_the_loudest_of_either_side() -> None:
    sample = [
        row(1, author="angry", reach=900, tone_milli=-800),
        row(2, author="calm", reach=700, tone_milli=600),
        row(3, author="mild", reach=5_000, tone_milli=0),
        row(4, author="", reach=9_000, tone_milli=-900),
    ]
    story = Tally(exhibits=[exhibit(9, "fatalnie", reach=4_000)])
    assert [(v.author, v.role, v.reach) for v in voices_of(story, sample)] == [
        ("a9", "loudest", 4_000),
        ("angry", "loudest", 900),
        ("calm", "calming", 700),
    ]


def test_who_calms_is_known_by_reach_though_the_sample_missed_it() -> None:
    story = Tally(calm=[row(5, author="minister", reach=80_000, tone_milli=500)])
    sample = [row(2, author="calm", reach=700, tone_milli=600)]
    voices = list(voices_of(story, sample))
    assert [(v.author, v.platform, v.role) for v in voices] == [
        ("minister", "x", "calming"),
        ("calm", "x", "calming"),
    ]


def test_whose_anger_is_known_too_does_not_calm() -> None:
    story = Tally(calm=[row(5, author="a9", reach=80_000, tone_milli=500)])
    angry = exhibit(9, "fatalnie", reach=80_000)
    assert [v.role for v in voices_of(story, [])] == ["calming"]
    assert "calming" not in [v.role for v in voices_of(story, [], exhibits=[angry])]


def test_who_turned_the_tone_is_told_apart_from_who_is_loud() -> None:
    turn = Turn(exhibit(3, "skandal", reach=50), strength=9.0, before=0.1, after=0.6, minutes=15)
    story = Tally(exhibits=[exhibit(9, "fatalnie", reach=4_000)])
    assert [(v.author, v.role) for v in voices_of(story, [], [turn])] == [
        ("a9", "loudest"),
        ("a3", "turned"),
    ]
