"""`czujka connect NAME --check` of every connector, against its platform's server."""

from pathlib import Path

import pytest

from connectors.catalog import CATALOG
from pipeline import cli
from tests.servers.background import in_background
from tests.support.platforms import WAYS
from tests.support.surges import surge

NOON_MS = 1_700_049_600_000
RECEIVER = "webhook"
"""It has nobody to ask."""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    watchlist = tmp_path / "watchlist.yaml"
    watchlist.write_text(
        "{version: 1, brands: [{id: k, name: Kwadryga, match: {any: [Kwadryga]}}]}", "utf-8"
    )
    monkeypatch.setenv("CZUJKA_WATCHLIST", str(watchlist))
    monkeypatch.setenv("CZUJKA_PSEUDONYM_KEY", "a key for tests alone")


def test_no_live_connector_is_left_out() -> None:
    live = {entry.name for entry in CATALOG if entry.module is not None}
    assert live == {*WAYS, RECEIVER}


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_check_shows_one_post_of_the_platform_and_nobodys_name(
    name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    story = surge("Kwadryga", NOON_MS, seed=5)[-100:]
    with in_background(WAYS[name].serve(story)) as url:
        arguments = [
            word
            for field, value in WAYS[name].options.items()
            for word in ("--set", f"{field}={value}".replace("URL", url))
        ]
        assert cli.main(["connect", name, "--check", *arguments]) == 0
    told, errors = capsys.readouterr()
    for secret in ("token", "key", "secret"):
        given = WAYS[name].options.get(secret)
        assert given is None or str(given) not in told + errors + caplog.text
    assert f"{name}: works; for example" in told
    assert any(said.text in told for said in story)
    assert "autor_5" not in told


def test_a_check_of_the_receiver_says_that_it_listens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.commands.connect.CHECK_S", 5.0)
    arguments = ["--set", "secret=a secret that both sides know", "--set", "port=0"]
    assert cli.main(["connect", RECEIVER, "--check", *arguments]) == 0
    assert "webhook: works; no new post" in capsys.readouterr().out
