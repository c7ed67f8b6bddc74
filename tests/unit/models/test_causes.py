"""The cause is named with its reasons, and not named where the signs are few or disagree."""

from __future__ import annotations

import pytest

from models.causes import Cause, guess_cause, signs_in
from models.rising import Background
from tests.unit.models.test_sample import row


@pytest.mark.parametrize(
    ("cause", "texts"),
    [
        (Cause.OUTAGE, ["Znowu awaria, aplikacja nie działa", "the app is down since the morning"]),
        (Cause.SERVICE, ["odwołany lot i zero obsługi", "luggage lost, three hours in a queue"]),
        (Cause.DATA_BREACH, ["wyciekły nasze dane osobowe", "my password was in the leak"]),
        (Cause.PEOPLE, ["chamski kierowca", "the rudest staff ever, the crew was rude"]),
        (Cause.PRODUCT, ["zepsute jedzenie, robaki", "broken seat and awful food"]),
    ],
)
def test_plain_words_in_either_language_name_the_cause(cause: Cause, texts: list[str]) -> None:
    guess = guess_cause(texts * 5)
    assert guess.cause is cause
    assert guess.reasons
    assert 0.5 <= guess.share <= 1


def test_few_signs_or_none_are_unknown() -> None:
    assert guess_cause([]).cause is Cause.UNKNOWN
    assert guess_cause(["fatalnie", "dno"] * 50).cause is Cause.UNKNOWN
    assert guess_cause(["awaria"]).cause is Cause.UNKNOWN
    assert guess_cause(["awaria"] * 6 + ["dno"] * 200).cause is Cause.UNKNOWN


def test_signs_that_disagree_are_unknown() -> None:
    guess = guess_cause(["awaria serwera", "chamski pracownik"] * 10)
    assert guess.cause is Cause.UNKNOWN
    assert guess.reasons == ()


def test_what_is_always_said_of_a_brand_is_no_cause() -> None:
    usual = Background()
    usual.learn(row(n, "aplikacja banku") for n in range(100))
    texts = ["aplikacja banku"] * 12 + ["wyciek danych z aplikacji, hasła u hakera"] * 10
    assert guess_cause(texts, usual).cause is Cause.DATA_BREACH


def test_a_word_of_a_single_post_is_no_reason_to_tell() -> None:
    guess = guess_cause(["awaria"] * 9 + ["serwer pana Kowalskiego"])
    assert guess.reasons == ("awaria",)


def test_a_short_stem_does_not_hit_longer_words_by_chance() -> None:
    assert signs_in("czekolada i deserowa linijka") == {}
