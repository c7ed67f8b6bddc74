"""Files of `czujka topics save`; saving and restoring itself is rehearsed on a Kafka."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.errors import EXIT_CONFIGURATION, UserError
from pipeline.backup import VERSION, Header, Kept, _read, _write, kept_topics, restore
from pipeline.cli import main
from pipeline.settings import Settings
from pipeline.topics import expected_topics

KEPT = Kept("alerts", 0, b"key", None, [("ce_id", b"1")])


def written(file: Path, *items: Header | Kept) -> bytes:
    with gzip.open(file, "wb") as out:
        for item in items:
            _write(out, item)
    return file.read_bytes()


def test_what_is_written_is_read_in_its_order(tmp_path: Path) -> None:
    header = Header(VERSION, {"alerts": 1})
    other = Kept("cursors", 3, None, b"\x00", [])
    written(tmp_path / "b", header, KEPT, other)
    assert list(_read(tmp_path / "b")) == [header, KEPT, other]


@pytest.mark.parametrize("app_id", ["czujka", "other"])
def test_the_topics_that_are_saved_are_topics_of_ours(app_id: str) -> None:
    settings = Settings(topic_prefix="dev.", app_id=app_id)
    ours = {topic.name for topic in expected_topics(settings)}
    assert {settings.topic(name) for name in kept_topics(settings)} <= ours


def test_a_file_of_another_version_is_refused_with_both(tmp_path: Path) -> None:
    written(tmp_path / "b", Header(99, {}))
    with pytest.raises(UserError, match=f"version 99, this release reads {VERSION}"):
        restore(Settings(), tmp_path / "b")


def test_a_file_of_other_settings_is_refused_with_what_is_foreign(tmp_path: Path) -> None:
    written(tmp_path / "b", Header(VERSION, {"other-watch-state-changelog": 4}))
    with pytest.raises(UserError, match="other-watch-state-changelog, which is no topic of these"):
        restore(Settings(), tmp_path / "b")


@pytest.mark.parametrize("damage", ["cut", "not gzip", "empty", "nothing"])
def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "b"
    whole = written(file, Header(VERSION, {"alerts": 1}), KEPT)
    contents = {"cut": whole[:-20], "not gzip": b"hello, hello", "empty": gzip.compress(b"")}
    if damage == "nothing":
        file.unlink()
    else:
        file.write_bytes(contents[damage])
    with pytest.raises(UserError, match=str(file)):
        list(_read(file))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["save"], "name a file: czujka topics save FILE"),
        (["restore"], "name a file: czujka topics restore FILE"),
        (["rewind"], "name a time: czujka topics rewind"),
        (["rewind", "yesterday"], "yesterday is no time: write it as 2026-11-20T06:00:00Z"),
    ],
)
def test_a_command_without_what_it_needs_says_what_to_write(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", *argv]) == EXIT_CONFIGURATION
    assert said in capsys.readouterr().err
