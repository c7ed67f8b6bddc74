"""Matching: which brands a text mentions, and where."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.brand import Brand, Match
from models.folding import fold_char, ignored
from models.matching import MAX_CHUNK_CHARS, Matcher
from models.terms import MAX_INNER_CHARS, plain_term, stem_term


def brand(
    *terms: str, stems: Sequence[str] = (), none: Sequence[str] = (), name: str = "b"
) -> Brand:
    return Brand(id=name, name=name, match=Match(any=terms, stems=tuple(stems), none=tuple(none)))


def mentions(one: Brand, text: str) -> bool:
    return Matcher([one]).match([text]) == [(0,)]


class TestWords:
    @pytest.mark.parametrize(
        "text",
        [
            "Orzeł Air",
            "lecę orzel air!",
            "ORZEŁ\n\tAIR.",
            "„Orzeł Air”",
            "Orze\u0142\u00a0Aír",
            "_Orzeł Air_",
            "http://orzel air",
        ],
    )
    def test_are_found_whatever_the_case_the_diacritics_and_the_white_space(
        self, text: str
    ) -> None:
        assert mentions(brand("Orzeł Air"), text)

    @pytest.mark.parametrize(
        "text", ["", "Orzeł Airbus", "nadOrzeł Air", "Orzeł, Air", "OrzełAir", "Orzeł Air2"]
    )
    def test_are_not_found_inside_longer_words_nor_with_signs_between(self, text: str) -> None:
        assert not mentions(brand("Orzeł Air"), text)

    def test_may_begin_and_end_with_signs(self) -> None:
        assert mentions(brand("Yahoo!"), "yahoo!answers")
        assert mentions(brand(".NET"), "asp.net rocks")
        assert mentions(brand("AT&T"), "at&t.")

    def test_are_found_within_handles_hashtags_and_links_as_whole_words(self) -> None:
        assert mentions(brand("jetblue"), "@JetBlue")
        assert mentions(brand("jetblue"), "#jetblue_fail")
        assert mentions(brand("jetblue"), "https://jetblue.com/x")
        assert not mentions(brand("jetblue"), "#jetbluefail")


class TestHandlesAndHashtags:
    @pytest.mark.parametrize(
        "text",
        [
            "@orzelair",
            "(@OrzelAir)",
            "@orzelair's",
            "@orzelair.",
            "@orzelair...so late",
            "@orzelair, @b",
            ".@orzelair",
        ],
    )
    def test_handles_are_found(self, text: str) -> None:
        assert mentions(brand("@orzelair"), text)

    @pytest.mark.parametrize(
        "text",
        [
            "orzelair",
            "#orzelair",
            "@orzelair_pl",
            "@orzelair2",
            "@orzelair.example",
            "@orzelair@example.org",
            "office@orzelair",
            "_@orzelair",
        ],
    )
    def test_handles_are_exact_and_no_part_of_longer_ones(self, text: str) -> None:
        assert not mentions(brand("@orzelair"), text)

    def test_a_long_handle_is_found_in_full(self) -> None:
        assert mentions(brand("@orzelair.example"), "hello @orzelair.example.")

    def test_hashtags_are_exact_and_no_part_of_longer_ones(self) -> None:
        tag = brand("#orzelair")
        assert mentions(tag, "#OrzełAir-fail")
        assert not mentions(tag, "#orzelairfail")
        assert not mentions(tag, "#orzelair_fail")
        assert not mentions(tag, "a#orzelair")
        assert not mentions(tag, "@orzelair")


class TestStems:
    @pytest.mark.parametrize(
        "text", ["Orzeł Air", "orzełka airlines", "Orzełair", "#orzelairfail", "orzeł air2"]
    )
    def test_a_star_stands_for_an_ending_and_for_white_space_before_letters(
        self, text: str
    ) -> None:
        assert mentions(brand(stems=["orzeł*air*"]), text)

    def test_a_star_before_a_space_asks_for_the_space(self) -> None:
        apart = brand(stems=["orzeł* air*"])
        assert mentions(apart, "orzełka airlines")
        assert not mentions(apart, "orzełair")

    def test_another_stem_of_the_same_noun_is_another_term(self) -> None:
        assert not mentions(brand(stems=["orzeł* air*"]), "lecę Orłem Air")
        assert mentions(brand(stems=["orzeł* air*", "orł* air*"]), "lecę Orłem Air")

    def test_begin_a_word(self) -> None:
        assert not mentions(brand(stems=["orł*"]), "Horłowski")

    def test_without_a_star_at_the_end_end_a_word(self) -> None:
        assert mentions(brand(stems=["orzeł* air"]), "orzełka air")
        assert not mentions(brand(stems=["orzeł* air"]), "orzełka airlines")

    def test_an_ending_before_more_letters_is_bounded(self) -> None:
        stem = brand(stems=["ab*cd"])
        assert mentions(stem, "ab" + "x" * MAX_INNER_CHARS + "cd")
        assert not mentions(stem, "ab" + "x" * (MAX_INNER_CHARS + 1) + "cd")

    @pytest.mark.parametrize("stem", ["*", "*air", "o*", "# *"])
    def test_need_letters_before_the_star(self, stem: str) -> None:
        with pytest.raises(ValueError, match="letter"):
            stem_term(stem)

    def test_may_not_have_many_stars(self) -> None:
        with pytest.raises(ValueError, match="more than"):
            stem_term("ab*c*d*e*f*g*")

    def test_belong_under_stems(self) -> None:
        with pytest.raises(ValueError, match="stems"):
            plain_term("orz*")


class TestNone:
    def test_a_none_term_anywhere_in_the_text_rules_the_brand_out(self) -> None:
        eagle = brand(stems=["orzeł*"], none=["orzeł* bielik*"])
        assert mentions(eagle, "Orzeł spóźniony")
        assert not mentions(eagle, "Orzeł bielik nad jeziorem")
        assert not mentions(eagle, "Orzełek czy orła cień? Orzeł  BIELIK!")

    def test_rules_out_its_own_brand_alone(self) -> None:
        matcher = Matcher([brand("delta", none=["delta force"]), brand("delta")])
        assert matcher.match(["Delta Force", "delta"]) == [(1,), (0, 1)]

    def test_rules_out_its_own_text_alone(self) -> None:
        matcher = Matcher([brand("delta", none=["force"])])
        assert matcher.match(["delta", "force", "delta"]) == [(0,), (), (0,)]


class TestSpans:
    def test_are_places_in_the_original_text(self) -> None:
        text = "Straße ﬁ  O\u0301rze\u0142 \n Aír\u0301! groß"
        found = Matcher([brand("orzel air"), brand("gross")]).spans(text)
        assert [(index, text[start:end]) for index, start, end in found] == [
            (0, "O\u0301rze\u0142 \n Aír\u0301"),
            (1, "groß"),
        ]

    def test_of_overlapping_terms_of_a_brand_are_one(self) -> None:
        assert Matcher([brand("jetblue", "@jetblue", "@jetblue airways")]).spans(
            "hi @jetblue airways"
        ) == [(0, 3, 19)]

    def test_of_vetoed_brands_are_left_out(self) -> None:
        assert Matcher([brand("delta", none=["force"])]).spans("delta force") == []


class TestBatches:
    def test_terms_do_not_reach_from_one_text_into_the_next(self) -> None:
        assert Matcher([brand("orzel air")]).match(["orzel", "air", "orzel ", " air"]) == [()] * 4

    def test_one_term_may_belong_to_several_brands(self) -> None:
        matcher = Matcher([brand("air", name="a"), brand("rail", name="b"), brand("Áir", name="c")])
        assert matcher.match(["air", "rail", "rail air"]) == [(0, 2), (1,), (0, 1, 2)]

    def test_nothing_comes_of_nothing(self) -> None:
        matcher = Matcher([brand("air")])
        assert matcher.match([]) == []
        assert matcher.match(["", "", "\0"]) == [(), (), ()]
        assert Matcher([]).match(["air"]) == [()]

    def test_texts_longer_than_a_chunk_are_matched_like_others(self) -> None:
        long = "x " * (MAX_CHUNK_CHARS // 2) + "air"
        assert Matcher([brand("air")]).match(["air", long, "", "air", long]) == [
            (0,), (0,), (), (0,), (0,),
        ]  # fmt: skip

    def test_a_hostile_megabyte_is_matched_like_others(self) -> None:
        matcher = Matcher([brand(stems=["ab*ab*ab*ab*"]), brand("ab")])
        assert matcher.match(["ab" * 500_000, "ab " * 333_333]) == [(0,), (0, 1)]


# --- a slow matcher to compare with: every term as a regular expression at every place -----------

_WORD = r"[^\W_]"


def slow_fold(text: str) -> tuple[str, list[int]]:
    folded, origin = "", []
    for index, char in enumerate(text):
        for part in fold_char(char):
            if part == " " and folded.endswith(" "):
                continue
            folded += part
            origin.append(index)
    return folded, origin


def slow_pattern(term: str) -> re.Pattern[str]:
    folded = slow_fold(term)[0].strip()
    tag = folded[0] in "#@"
    letter = r"\w" if tag else _WORD
    head = r"(?<!\w)" if tag else (rf"(?<!{_WORD})" if folded[0].isalnum() else "")
    body, pieces = "", re.split(r"(\*+)", folded)
    for index, piece in enumerate(pieces):
        if not piece.startswith("*"):
            body += re.escape(piece)
        elif index + 2 < len(pieces) or pieces[index + 1]:
            joined = re.match(letter, pieces[index + 1])
            body += rf"{letter}{{0,{MAX_INNER_CHARS}}}? ?" if joined else rf"{letter}*"
        else:
            body += rf"{letter}*+"
    if folded.endswith("*"):
        tail = ""
    elif folded[0] == "@":
        tail = rf"(?![\w])(?![.@]{_WORD})"
    elif tag:
        tail = r"(?!\w)"
    else:
        tail = rf"(?!{_WORD})" if folded[-1].isalnum() else ""
    return re.compile(head + body + tail)


def slow_spans(one: Brand, text: str) -> list[tuple[int, int]]:
    folded, origin = slow_fold(text)

    def places(terms: Sequence[str]) -> set[tuple[int, int]]:
        found = set()
        for pattern in map(slow_pattern, terms):
            for start in range(len(folded)):
                hit = pattern.match(folded, start)
                if hit:
                    end = origin[hit.end() - 1] + 1
                    while end < len(text) and ignored(text[end]):
                        end += 1
                    found.add((origin[start], end))
        return found

    if places(one.match.none):
        return []
    covered: list[tuple[int, int]] = []
    for start, end in sorted(places([*one.match.any, *one.match.stems])):
        if covered and start < covered[-1][1]:
            covered[-1] = (covered[-1][0], max(end, covered[-1][1]))
        else:
            covered.append((start, end))
    return covered


pieces = st.sampled_from(
    ["a", "ł", "L", "ß", "ss", "s", "e", "é", "e\u0301", "1", "_", "#", "@", ".", "-", "!", " ",
     "  ", "\n", "\u00a0", "\u200b", "ﬁ", "fi", "™", "😀", "ź", "\0", "ab", "air"]
)  # fmt: skip
texts = st.lists(pieces, max_size=14).map("".join)
term_pieces = st.sampled_from(["a", "l", "Ł", "ss", "ß", "e", "é", "1", "_", ".", "!", " ", "air"])


def _sound(read: object) -> object:
    def check(term: str) -> bool:
        try:
            read(term)  # type: ignore[operator]
        except ValueError:
            return False
        return True

    return check


bodies = st.lists(term_pieces, min_size=1, max_size=4).map("".join)
plain_terms = st.builds(str.__add__, st.sampled_from(["", "#", "@"]), bodies).filter(
    _sound(plain_term)  # type: ignore[arg-type]
)
stem_terms = st.builds(
    "".join,
    st.lists(
        st.sampled_from(["a", "ab", "ł", "air", "*", " ", "s", "ß", "#", "_"]),
        min_size=2,
        max_size=7,
    ),
).filter(_sound(stem_term))  # type: ignore[arg-type]
brands = st.builds(
    brand,
    plain_terms,
    stems=st.lists(stem_terms, max_size=2),
    none=st.lists(stem_terms, max_size=1),
)


@given(st.lists(brands, min_size=1, max_size=4), st.lists(texts, max_size=5))
@example([brand("ss")], ["ß", "aß", "ß\u0301!"])
def test_finds_what_regular_expressions_find(some: list[Brand], written: list[str]) -> None:
    matcher = Matcher(some)
    by_text = [
        sorted(
            ((index, *span) for index, one in enumerate(some) for span in slow_spans(one, text)),
            key=lambda span: (span[1], span[2], span[0]),
        )
        for text in written
    ]
    assert [matcher.spans(text) for text in written] == by_text
    assert matcher.match(written) == [
        tuple(sorted({index for index, _, _ in spans})) for spans in by_text
    ]
