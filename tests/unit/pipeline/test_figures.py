"""A handle is shown if the watchlist names it as public, and no other handle ever is."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.privacy import KEY_VARIABLE, Privacy
from models.alert import CrisisAlert, from_ms
from models.brand import PublicFigure
from models.figures import handles_of, redact, unknowable, with_handles
from models.watchlist import parse_watchlist
from pipeline.commands.watch import _pseudonyms
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert

PRIVACY = Privacy((b"a key for tests alone", b"the key before this one"))
CEO = PublicFigure(handle="@ceo", accounts={"x": "17", "mastodon": "@ceo@social.example"})


def alert_by(authors: list[tuple[str, str]], key: bytes | None = None) -> CrisisAlert:
    """An alert that shows posts and voices of authors, given by platform and name."""
    names = [PRIVACY.pseudonym(platform, name, key) for platform, name in authors]
    shown = [
        {
            "post": f"x:{n}",
            "created_at": from_ms(NOON_MS),
            "platform": platform,
            "author": name,
            "p_negative": 0.9,
        }
        for n, ((platform, _), name) in enumerate(zip(authors, names, strict=True))
    ]
    return crisis_alert(
        exhibits=shown,
        first_post=shown[0],
        take_off={
            "exhibit": shown[0],
            "minutes": 15,
            "before_per_min": 1,
            "after_per_min": 9,
        },
        voices=[{"author": name, "role": "turned", "reach": 9, "tone": -0.9} for name in names],
    )


def handles_in(alert: CrisisAlert) -> list[str | None]:
    assert alert.first_post is not None
    assert alert.take_off is not None
    exhibits = [*alert.exhibits, alert.first_post, alert.take_off.exhibit]
    return [e.handle for e in exhibits] + [voice.handle for voice in alert.voices]


def test_a_public_figure_is_shown_by_handle_wherever_it_stands_and_nobody_else() -> None:
    handles = handles_of([CEO], PRIVACY.pseudonyms)
    alert = with_handles(alert_by([("x", "17"), ("x", "18")]), handles)
    assert handles_in(alert) == ["@ceo", None, "@ceo", "@ceo", "@ceo", None]
    assert [e.author for e in alert.exhibits] == [
        PRIVACY.pseudonym("x", "17"),
        PRIVACY.pseudonym("x", "18"),
    ]


@pytest.mark.parametrize(
    ("platform", "name", "shown"),
    [
        ("mastodon", "ceo@social.example", True),
        ("mastodon", "@ceo@social.example", True),
        ("mastodon", "ceo@elsewhere.example", False),
        ("mastodon", "17", False),
        ("wykop", "17", False),
        ("wykop", "@ceo", False),
        ("x", "@ceo", False),
        ("x", "170", False),
    ],
)
def test_an_account_is_that_of_one_platform_alone(platform: str, name: str, shown: bool) -> None:
    alert = with_handles(alert_by([(platform, name)]), handles_of([CEO], PRIVACY.pseudonyms))
    assert set(handles_in(alert)) == {"@ceo" if shown else None}


def test_posts_of_before_the_key_was_changed_are_known_too() -> None:
    alert = alert_by([("x", "17")], PRIVACY.keys[1])
    shown = with_handles(alert, handles_of([CEO], PRIVACY.pseudonyms))
    assert set(handles_in(shown)) == {"@ceo"}


def test_a_figure_may_be_named_by_pseudonym_where_there_is_no_key() -> None:
    pseudonym = PRIVACY.pseudonym("x", "17")
    figure = PublicFigure(handle="The CEO", accounts={"x": pseudonym})
    assert not unknowable([figure])
    assert unknowable([figure, CEO])
    shown = with_handles(alert_by([("x", "17"), ("x", "18")]), handles_of([figure]))
    assert set(handles_in(shown)) == {"The CEO", None}
    assert handles_of([CEO]) == {}


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
platforms = st.sampled_from(["x", "mastodon", "wykop"])


@given(
    authors=st.lists(st.tuples(platforms, names), min_size=1, max_size=8, unique=True),
    public=st.sets(st.integers(0, 7)),
)
def test_whoever_the_watchlist_does_not_name_is_never_shown(
    authors: list[tuple[str, str]], public: set[int]
) -> None:
    figures = [
        PublicFigure(handle=f"@public{n}", accounts={platform: name})
        for n, (platform, name) in enumerate(authors)
        if n in public
    ]
    alert = with_handles(alert_by(authors), handles_of(figures, PRIVACY.pseudonyms))
    named = {
        (platform, name.removeprefix("@")) for p in public for platform, name in authors[p:][:1]
    }
    for exhibit, (platform, name) in zip(alert.exhibits, authors, strict=True):
        if (platform, name) not in named and (platform, name.removeprefix("@")) not in named:
            assert exhibit.handle is None
        assert exhibit.handle is None or exhibit.handle.startswith("@public")


WATCHLIST = """\
version: 1
brands:
  - id: b
    name: B
    match: {any: [bb]}
    public_figures: [{handle: '@ceo', accounts: {ACCOUNT}}]
"""


def test_watch_says_that_it_lacks_the_key_and_shows_pseudonyms(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    by_account = parse_watchlist(WATCHLIST.replace("ACCOUNT", "x: '17'"))
    by_pseudonym = parse_watchlist(WATCHLIST.replace("ACCOUNT", "x: u_0123456789abcdef"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with caplog.at_level(logging.WARNING):
        assert _pseudonyms(by_pseudonym) is None
        assert caplog.text == ""
        assert _pseudonyms(by_account) is None
    assert KEY_VARIABLE in caplog.text
    monkeypatch.setenv(KEY_VARIABLE, "a key for tests alone")
    found = _pseudonyms(by_account)
    assert found is not None
    assert list(found("x", "17")) == [PRIVACY.pseudonym("x", "17")]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("RT @jan: dość, @OrzelAir!", "RT @…: dość, @OrzelAir!"),
        ("@ola@mastodon.example i @ceo", "@… i @ceo"),
        ("jan@poczta.example, a @ b, https://x.example/@jan", None),
        ("@jan-nowak_1.", "@…."),
    ],
)
def test_names_in_what_is_shown_are_masked_but_for_the_brands_and_public_ones(
    text: str, masked: str | None
) -> None:
    assert redact(text, {"@orzelair", "@ceo"}) == (text if masked is None else masked)


def test_every_exhibit_of_an_alert_masks_names() -> None:
    alert = alert_by([("x", "jan")])
    told = alert.exhibits[0].model_copy(update={"text": "@jan pyta @orzelair"})
    alert = alert.model_copy(update={"exhibits": (told,), "first_post": told})
    shown = with_handles(alert, {}, ("@OrzelAir",))
    assert shown.first_post is not None
    assert [e.text for e in (*shown.exhibits, shown.first_post)] == ["@… pyta @orzelair"] * 2
