"""The broker run and the backtest of the same file say the same, revision by revision."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.support.roles import (
    DEMO_WATCHLIST,
    ROOT,
    Decided,
    read_decided,
    read_topic,
    run_command,
    start_role,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DATA = Path(os.environ.get("CZUJKA_DATA") or ROOT.parent / "shared" / "data")
AIRLINES = DATA / "airline" / "posts.csv"
AIRLINES_MAP = ("text=text", "created_at=created_utc", "author=name", "native_id=tweet_id")


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """Two days of the simulator, with its crisis in them."""
    file = tmp_path / "posts.jsonl"
    done = run_command(Settings(), "connect", "simulator", "--seed", 7, "--days", 2, "--dump", file)
    assert done.returncode == 0, done.stderr
    return file


def backtest(settings: Settings, folder: Path, file: Path, *options: str) -> Decided:
    series, alerts = folder / "series.jsonl", folder / "alerts.jsonl"
    done = run_command(
        settings, "backtest", file, *options, "--alerts", alerts, "--minutes", series
    )
    assert done.returncode == 0, done.stderr
    return Decided.of_files(series, alerts)


def stream(
    settings: Settings, folder: Path, file: Path, expected: Decided, *options: str
) -> Decided:
    """The same file through topics, score and watch."""
    assert run_command(settings, "topics", "create").returncode == 0
    with ExitStack() as stack:
        roles = [
            stack.enter_context(start_role(settings, role, folder / f"{role}.log"))
            for role in ("score", "watch")
        ]
        replayed = run_command(settings, "replay", file, "--speed", "max", *options)
        assert replayed.returncode == 0, replayed.stderr
        until(lambda: len(read_topic(settings, "series")) >= len(expected.series), roles, 150)
    return read_decided(settings)


def test_a_story_gives_the_same_alerts_and_series_on_kafka_as_in_the_backtest(
    story: Path, tmp_path: Path, kafka_settings: Callable[..., Settings]
) -> None:
    settings = kafka_settings(watchlist=DEMO_WATCHLIST, state_dir=tmp_path / "state")
    expected = backtest(settings, tmp_path, story)
    assert {"firing", "resolved"} <= {alert["status"] for alert in expected.alerts.values()}
    found = stream(settings, tmp_path, story, expected)
    assert found.series == expected.series
    assert found.alerts == expected.alerts
    assert not read_topic(settings, "dead-letters")


@pytest.mark.skipif(not AIRLINES.exists(), reason=f"no {AIRLINES}: set CZUJKA_DATA")
def test_real_posts_give_the_same_alerts_and_series_on_kafka_as_in_the_backtest(
    tmp_path: Path, kafka_settings: Callable[..., Settings]
) -> None:
    settings = kafka_settings(
        watchlist=ROOT / "tests" / "data" / "airlines.yaml", state_dir=tmp_path / "state"
    )
    options = [word for pair in AIRLINES_MAP for word in ("--map", pair)]
    expected = backtest(settings, tmp_path, AIRLINES, *options)
    assert any(alert["status"] == "firing" for alert in expected.alerts.values())
    found = stream(settings, tmp_path, AIRLINES, expected, *options)
    assert found.series == expected.series
    assert found.alerts == expected.alerts
