from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.commands.check import Finding, Level, inspect
from pipeline.embedded import free_port
from pipeline.settings import Settings
from pipeline.topics import create_topics

WATCHLIST = """\
version: 1
brands:
  - id: orzel-air
    name: Orzeł Air
    match: {any: ["Orzeł Air"]}
"""


@pytest.fixture
def watchlist(tmp_path: Path) -> Path:
    path = tmp_path / "watchlist.yaml"
    path.write_text(WATCHLIST, encoding="utf-8")
    return path


def nobody() -> str:
    return f"127.0.0.1:{free_port()}"


def look(settings: Settings, **environment: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in inspect(settings, environment)}


def test_all_is_well_on_a_broker_with_topics(embedded_settings, watchlist: Path) -> None:
    settings = embedded_settings(watchlist=watchlist, state_dir=watchlist.parent / "state")
    create_topics(settings)
    found = look(settings)
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert list(found) == ["settings", "watchlist", "state", "broker", "topics"]
    assert "1 brands" in found["watchlist"].text


def test_missing_topics_are_named_with_the_command_that_makes_them(
    embedded_settings, watchlist: Path
) -> None:
    topics = [
        finding
        for finding in inspect(embedded_settings(watchlist=watchlist), {})
        if finding.subject == "topics"
    ]
    assert {finding.level for finding in topics} == {Level.PROBLEM}
    assert any("posts is missing: run `czujka topics create`" in found.text for found in topics)


def test_without_a_broker_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    settings = Settings(
        bootstrap_servers=nobody(), connect_timeout_s=0.3, watchlist=tmp_path / "none.yaml"
    )
    found = look(settings)
    assert found["broker"].level is Level.PROBLEM
    assert found["topics"].level is Level.SKIPPED
    assert found["watchlist"].level is Level.PROBLEM
    assert "none.yaml is not there" in found["watchlist"].text
    assert found["settings"].level is Level.OK


def test_a_fault_in_the_watchlist_is_told_with_file_and_line(watchlist: Path) -> None:
    watchlist.write_text(WATCHLIST.replace("name:", "nmae:"), encoding="utf-8")
    found = look(Settings(bootstrap_servers=nobody(), connect_timeout_s=0.3, watchlist=watchlist))
    assert found["watchlist"].level is Level.PROBLEM
    assert f"{watchlist}:4" in found["watchlist"].text


def test_a_state_folder_below_a_file_is_a_problem(watchlist: Path) -> None:
    settings = Settings(
        bootstrap_servers=nobody(), connect_timeout_s=0.3, state_dir=watchlist / "state"
    )
    found = look(settings)
    assert found["state"].level is Level.PROBLEM
    assert "CZUJKA_STATE_DIR" in found["state"].text


def test_a_misspelt_variable_is_a_warning(watchlist: Path) -> None:
    settings = Settings(bootstrap_servers=nobody(), connect_timeout_s=0.3, watchlist=watchlist)
    found = look(settings, CZUJKA_WATCH_LIST="x.yaml")
    assert found["settings"].level is Level.WARNING
    assert "CZUJKA_WATCHLIST was meant?" in found["settings"].text


def test_the_command_answers_people_and_programs(
    embedded_settings, watchlist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = embedded_settings()
    arguments = [
        *["check", "--embedded", "--bootstrap-servers", settings.bootstrap_servers],
        *["--topic-prefix", settings.topic_prefix, "--watchlist", str(watchlist)],
    ]
    assert cli.main(arguments) == 2
    assert "problem  topics     topic" in capsys.readouterr().out
    create_topics(settings)
    assert cli.main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {row["level"] for row in answer["findings"]} == {"ok"}
