"""Somebody asks to be forgotten: which orders go out, and what becomes of alerts that are over."""

from __future__ import annotations

import argparse

import pytest
from starlette.testclient import TestClient

from connectors.privacy import KEY_VARIABLE, Privacy
from models.errors import UserError
from models.post import Op
from pipeline.commands.forget import make_orders
from pipeline.console.app import create_app
from pipeline.console.changes import Changes
from pipeline.console.views import alert_href, report_href
from pipeline.erasure import revise
from pipeline.ledger import Ledger
from tests.unit.pipeline.alert_samples import NOON_MS, crisis_alert, from_ms
from tests.unit.pipeline.console.test_pages import Source

KEY = "k" * 32


def order(**given: str) -> argparse.Namespace:
    return argparse.Namespace(**({"post": None, "author": None, "platform": None} | given))


def test_a_post_is_deleted_by_its_key() -> None:
    (post,) = make_orders(order(post="bluesky:at://did:plc:x/post/y"), NOON_MS)
    assert (post.op, post.key) == (Op.DELETE, "bluesky:at://did:plc:x/post/y")


def test_a_pseudonym_is_taken_as_it_is() -> None:
    (post,) = make_orders(order(author="u_0123456789abcdef"), NOON_MS)
    assert (post.op, post.author) == (Op.AUTHOR_DELETE, "u_0123456789abcdef")


def test_a_name_is_forgotten_under_every_key_that_is_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY},{'o' * 32}")
    found = {p.author for p in make_orders(order(author="@ala", platform="mastodon"), NOON_MS)}
    privacy = Privacy.from_environment()
    assert {privacy.pseudonym("mastodon", "ala", key) for key in privacy.keys} <= found


@pytest.mark.parametrize(
    "given", [{"post": "nokey"}, {"post": "Bad Platform:1"}, {"author": "ala"}]
)
def test_what_names_nobody_is_refused_in_words(given: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"write platform:native_id|add --platform"):
        make_orders(order(**given), NOON_MS)


def test_an_erased_post_is_gone_from_exhibits_console_api_and_report_of_an_alert_that_is_over() -> (
    None
):
    exhibit = {
        "post": "x:1",
        "created_at": from_ms(NOON_MS),
        "platform": "x",
        "author": "u_0123456789abcdef",
        "text": "Tego nie powiedziałem",
        "p_negative": 0.9,
    }
    voice = {"author": "u_0123456789abcdef", "role": "loudest", "reach": 5, "tone": -0.8}
    alert = crisis_alert(3, "resolved", exhibits=[exhibit], first_post=exhibit, voices=[voice])
    ledger = Ledger()
    ledger.fold_alert(alert)
    browser = TestClient(create_app(ledger, Changes(ledger), Source()))
    places = [
        alert_href(alert.alert_id),
        f"/api{alert_href(alert.alert_id)}",
        report_href(alert.alert_id),
        f"{report_href(alert.alert_id)}?format=md",
    ]
    assert all("Tego nie powiedziałem" in browser.get(place).text for place in places)
    (revised,) = revise([alert, crisis_alert(1, exhibits=[exhibit])], {"x:1"}, set())
    assert revised.voices == alert.voices
    (revised,) = revise([alert], set(), {"u_0123456789abcdef"})
    ledger.fold_alert(revised)
    for place in places:
        page = browser.get(place).text
        assert "Tego nie powiedziałem" not in page
        assert "u_0123456789abcdef" not in page


def test_alerts_that_show_nothing_of_it_are_left_alone() -> None:
    assert revise([crisis_alert(3, "resolved")], {"x:1"}, {"u_0"}) == []
