"""`czujka connect` and `czujka replay`, as a person calls them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.catalog import CATALOG
from connectors.file import read_file
from connectors.simulator import Story, simulate
from models.post import Heartbeat, Post, record_adapter
from pipeline import cli
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.contract.test_publisher import read
from tests.contract.test_rss import RSS
from tests.servers.background import in_background
from tests.servers.http import Replies, refusal
from tests.servers.mastodon import Mastodon
from tests.servers.polled import Feeds, YouTube

MakeSettings = Callable[..., Settings]
WITHIN_S = 60.0
LINES = [
    '{"text": "Dzień dobry", "created_at": "2015-02-17T12:00:00Z"}',
    "{broken",
    '{"text": "Cześć", "created_at": "2015-02-17T12:10:00Z"}',
]


@pytest.fixture
def settings(embedded_settings: MakeSettings, tmp_path: Path) -> Settings:
    made = embedded_settings(posts_partitions=2, state_dir=tmp_path / "state")
    create_topics(made)
    return made


@pytest.fixture
def options(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("CZUJKA_POSTS_PARTITIONS", "2")
    return [
        "--embedded",
        f"--bootstrap-servers={settings.bootstrap_servers}",
        f"--topic-prefix={settings.topic_prefix}",
        f"--state-dir={settings.state_dir}",
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(LINES), "utf-8")
    return path


def published(settings: Settings, count: int) -> list[Post | Heartbeat]:
    return [record_adapter.validate_json(row.value) for row in read(settings, "posts", count)]


def texts(records: list[Post | Heartbeat]) -> list[str]:
    return sorted(record.text for record in records if isinstance(record, Post))


def test_a_file_is_published_with_heartbeats_and_its_broken_lines_are_kept(
    settings: Settings, options: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["connect", "file", str(file), *options]) == 0
    records = published(settings, 2 + 2 * 2)
    assert texts(records) == ["Cześć", "Dzień dobry"]
    assert sum(isinstance(record, Heartbeat) and record.final for record in records) == 2
    [letter] = read(settings, "dead-letters", 1)
    assert (letter.value, letter.headers["place"]) == (b"{broken", b"posts.jsonl:2")
    told = capsys.readouterr().err
    assert "2 posts, 1 rejects" in told
    assert "first reject: posts.jsonl:2: not JSON" in told


def test_a_connector_goes_on_where_it_was_unless_told_to_begin_again(
    settings: Settings, options: list[str], file: Path
) -> None:
    for arguments, posts in ([], 2), ([], 2), (["--from-start"], 4):
        assert cli.main(["connect", "file", str(file), *arguments, *options]) == 0
        expected = posts + 2 * 2 + (2 if posts == 4 else 0)
        assert len(texts(published(settings, expected))) == posts


def test_a_replay_always_begins_at_the_start(
    settings: Settings, options: list[str], file: Path
) -> None:
    for _ in range(2):
        assert cli.main(["replay", str(file), "--speed", "100000", *options]) == 0
    assert texts(published(settings, 4 + 2 * 2 * 2)) == ["Cześć"] * 2 + ["Dzień dobry"] * 2
    assert not settings.state_dir.exists()


def test_a_file_of_which_nothing_can_be_read_is_a_failure(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text('{"body": "a", "time": 1}')
    assert cli.main(["connect", "file", str(path), *options]) == 1
    assert "is the --map right?" in capsys.readouterr().err


def test_a_stopped_connector_ends_in_order_and_loses_nothing(
    settings: Settings, options: list[str], tmp_path: Path
) -> None:
    story = Story.plan(seed=2, days=1)
    posts = [post for page in simulate(story) for post in page.posts]
    command = [sys.executable, "-m", "pipeline.cli", "connect", "simulator", *options]
    command += ["--seed=2", "--days=1"]
    first = subprocess.Popen([*command, "--speed=20000"], stderr=subprocess.PIPE, text=True)
    cursor = settings.state_dir / "cursors" / "simulator.json"
    deadline = time.monotonic() + WITHIN_S
    while not cursor.exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    _, told = first.communicate(timeout=WITHIN_S)
    assert first.returncode == 0, told
    assert "simulator: stopped" in told
    assert not json.loads(cursor.read_text())["cursor"].endswith("/0")
    second = subprocess.run(command, timeout=WITHIN_S, capture_output=True, text=True, check=True)
    assert "simulator: ended" in second.stderr
    minutes = len(list(simulate(story)))
    records = published(settings, len(posts) + 2 * minutes)
    keys = [record.key for record in records if isinstance(record, Post)]
    assert set(keys) == {post.key for post in posts}
    assert len(keys) == len(posts)  # stopped in order, so nothing is published twice


def test_a_broker_that_is_not_there_is_one_clear_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("CZUJKA_CONNECT_TIMEOUT_S", "1")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        for command in (["connect", "simulator"], ["replay", str(file)]):
            assert cli.main([*command, "--bootstrap-servers", address]) == 2
            [line] = capsys.readouterr().err.splitlines()
            assert address in line


@pytest.mark.parametrize(
    ("variable", "value", "topic"),
    [("CZUJKA_POSTS_PARTITIONS", "5", "posts"), ("CZUJKA_TOPIC_PREFIX", "other.", "other.posts")],
)
def test_a_topic_that_is_missing_or_has_other_partitions_is_exit_code_2(
    variable: str,
    value: str,
    topic: str,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    if variable == "CZUJKA_TOPIC_PREFIX":
        options = [option for option in options if not option.startswith("--topic-prefix")]
    assert cli.main(["connect", "simulator", "--days=1", *options]) == 2
    told = capsys.readouterr().err
    assert topic in told
    assert "czujka topics create" in told or "PARTITIONS" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["connect"], "name a connector"),
        (["connect", "file"], "name a file"),
        (["connect", "simulator", "posts.csv"], "takes no file"),
        (["connect", "file", "missing.csv"], "missing.csv: No such file"),
        (["connect", "simulator", "--speed", "fast"], "--speed fast"),
        (["connect", "simulator", "--days", "0"], "at least one day"),
        (["replay", "a.csv", "--timezone", "Warsaw"], "no such zone"),
        (["replay", "a.csv", "--map", "txt=a"], "unknown field 'txt'"),
    ],
)
def test_a_wrong_call_is_explained_and_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_the_list_says_what_there_is_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["connect", "--list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "WHAT", "NEEDS", "COSTS"]
    assert [row.split()[0] for row in rows] == [entry.name for entry in CATALOG]
    needs = "\n".join(rows)
    for entry in CATALOG:
        if entry.module is not None:
            for variable in entry.load().SETTINGS.needs():  # what has no default stands there
                platform, _, field = variable.removeprefix("CZUJKA_").partition("_")
                assert f"CZUJKA_{platform}_" in needs
                assert f"_{field}" in needs


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CZUJKA_PSEUDONYM_KEY", "a key for tests alone")


@pytest.mark.usefixtures("key")
def test_a_check_shows_a_post_as_it_would_be_published(capsys: pytest.CaptureFixture[str]) -> None:
    new = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} +0000"
    feed = RSS.replace("Wed, 15 Nov 2023 13:00:00 +0100", new)
    with in_background(Feeds({"/a.xml": feed})) as url:
        assert cli.main(["connect", "rss", "--set", f"feeds={url}/a.xml", "--check"]) == 0
    told = capsys.readouterr().out
    assert "rss: works" in told
    assert "Zażółć gęślą jaźń" in told
    assert "Nowak" not in told


@pytest.mark.usefixtures("key")
def test_a_check_shows_what_will_be_used_of_the_allowance(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.commands.connect.CHECK_S", 0.5)
    with in_background(YouTube({})) as url:
        given = [f"url={url}", "key=klucz", "channels=UCa,UCb", "units_per_day=1000"]
        arguments = [word for pair in given for word in ("--set", pair)]
        assert cli.main(["connect", "youtube", "--check", *arguments]) == 0
    told = capsys.readouterr().out
    assert "a round each 173 s takes 2: 998 of 1000 units a day" in told
    assert "youtube: works; no new post" in told


def test_files_and_the_simulator_can_be_checked_too(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["connect", "file", str(file), "--check"]) == 0
    assert "file: works" in capsys.readouterr().out
    assert cli.main(["connect", "simulator", "--check"]) == 0
    assert "simulator: works" in capsys.readouterr().out


@pytest.mark.usefixtures("key")
def test_a_check_of_wrong_credentials_is_exit_code_2_and_of_a_broken_server_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with in_background(Mastodon([])) as url:
        arguments = ["connect", "mastodon", "--check", "--set", f"url={url}", "--set", "token=x"]
        assert cli.main(arguments) == 2
    assert "CZUJKA_MASTODON_TOKEN" in capsys.readouterr().err
    with in_background(Replies(refusal(503))) as url:
        assert cli.main(["connect", "rss", "--check", "--set", f"feeds={url}"]) == 1
    assert "answers 503" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["connect", "bluesky"], "CZUJKA_PSEUDONYM_KEY is not set"),
        (["connect", "simulator", "--set", "a=b"], "simulator is none"),
        (["connect", "file", "a.csv", "--set", "a=b"], "file is none"),
        (["connect", "bluesky", "--set", "url"], "expected FIELD=VALUE"),
        (["connect", "bluesky", "posts.csv"], "takes no file"),
    ],
)
def test_a_wrong_call_of_a_platform_is_explained(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CZUJKA_PSEUDONYM_KEY", raising=False)
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("key")
def test_a_library_that_is_missing_is_named_with_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "feedparser", None)
    monkeypatch.delitem(sys.modules, "connectors.rss", raising=False)
    assert cli.main(["connect", "rss", "--set", "feeds=https://a.example"]) == 2
    assert "czujka[rss]" in capsys.readouterr().err


def test_the_simulator_can_be_written_to_a_file_with_its_truth(tmp_path: Path) -> None:
    dump, truth = tmp_path / "posts.jsonl.gz", tmp_path / "truth.json"
    arguments = ["connect", "simulator", "--days=1", f"--dump={dump}", f"--story={truth}"]
    assert cli.main(arguments) == 0
    written = {post.key for page in read_file(dump) for post in page.posts}
    assert written == {post.key for page in simulate(Story.plan(days=1)) for post in page.posts}
    assert [e["kind"] for e in json.loads(truth.read_text())["truth"]] == ["giveaway", "crisis"]


def test_the_simulator_is_the_same_in_every_process(tmp_path: Path) -> None:
    dumps = []
    for hash_seed in ("1", "2"):
        dump = tmp_path / f"{hash_seed}.jsonl"
        subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "connect", "simulator", "--days=1",
             f"--dump={dump}"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True, capture_output=True, timeout=WITHIN_S,
        )  # fmt: skip
        dumps.append(dump.read_bytes())
    assert dumps[0] == dumps[1]
