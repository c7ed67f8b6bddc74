"""What a pod says that cannot do its work: one line, the way to mend it, and a bad exit code.

A wrong number of partitions is in tests/integration/test_bad_input.py, on a real Kafka.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.errors import EXIT_CONFIGURATION
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from tests.support.roles import DEMO_WATCHLIST, command, run_command

ROLES = ("score", "watch", "exporter", "console")

MakeSettings = Callable[..., Settings]


def run_pod(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CZUJKA_")}
    return subprocess.run(
        command(*arguments),
        env={**kept, **variables, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == EXIT_CONFIGURATION, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("czujka: ")
    return line


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_variable_is_named(role: str) -> None:
    variables = {"CZUJKA_SECURITY_PROTOCOL": "SASL_SSL", "CZUJKA_SASL_USERNAME": "czujka"}
    line = line_of(run_pod(variables, role))
    assert "needs CZUJKA_SASL_MECHANISM, CZUJKA_SASL_PASSWORD too" in line


def test_a_missing_secret_of_a_platform_is_named() -> None:
    variables = {"CZUJKA_MASTODON_URL": "https://m.example", "CZUJKA_PSEUDONYM_KEY": "k" * 32}
    line = line_of(run_pod(variables, "connect", "mastodon"))
    assert "CZUJKA_MASTODON_TOKEN" in line


@pytest.mark.parametrize("role", ROLES)
def test_an_address_without_a_port_is_told(role: str) -> None:
    line = line_of(run_pod({"CZUJKA_BOOTSTRAP_SERVERS": "kafka"}, role))
    assert "CZUJKA_BOOTSTRAP_SERVERS=kafka" in line and "host:port" in line


@pytest.mark.parametrize("role", ["score", "watch"])
def test_a_watchlist_that_does_not_parse_is_told_with_file_and_line(
    embedded_settings: MakeSettings, tmp_path: Path, role: str
) -> None:
    watchlist = tmp_path / "watchlist.yaml"
    watchlist.write_text("version: 1\nbrands: [\n")
    settings = embedded_settings(watchlist=watchlist, state_dir=tmp_path / "state")
    create_topics(settings)
    line = line_of(run_command(settings, role))
    assert f"{watchlist}:" in line


@pytest.mark.parametrize("role", ["score", "watch"])
def test_a_watchlist_that_is_not_there_is_told_with_the_file(
    embedded_settings: MakeSettings, tmp_path: Path, role: str
) -> None:
    settings = embedded_settings(watchlist=tmp_path / "none.yaml", state_dir=tmp_path / "state")
    create_topics(settings)
    assert str(settings.watchlist) in line_of(run_command(settings, role))


@pytest.mark.parametrize("role", ["watch", "connect simulator"])
def test_a_state_folder_that_may_not_be_made_is_told(
    embedded_settings: MakeSettings, role: str
) -> None:
    settings = embedded_settings(watchlist=DEMO_WATCHLIST, state_dir=Path("/proc/czujka"))
    create_topics(settings)
    assert "/proc/czujka" in line_of(run_command(settings, *role.split()))


@contextmanager
def mounted(volume: Path, options: str) -> Iterator[Path]:
    """A volume of its own."""
    volume.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "czujka", str(volume)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"a volume cannot be mounted here: {done.stderr.strip()}")
    try:
        yield volume
    finally:
        subprocess.run(["umount", str(volume)], check=True)


@pytest.fixture
def full_volume(tmp_path: Path) -> Iterator[Path]:
    """A volume of a page, full to the last byte."""
    with mounted(tmp_path / "volume", "size=4k") as volume:
        (volume / "cursors").mkdir()
        (volume / "filler").write_bytes(b"x" * 4096)
        yield volume


@pytest.fixture
def sealed_volume(tmp_path: Path) -> Iterator[Path]:
    """A volume that nobody may write to, root included."""
    with mounted(tmp_path / "sealed", "ro") as volume:
        yield volume


@pytest.mark.parametrize("role", ["watch", "connect simulator"])
def test_a_volume_that_may_not_be_written_ends_a_role_with_the_place_and_the_reason(
    embedded_settings: MakeSettings, sealed_volume: Path, role: str
) -> None:
    settings = embedded_settings(watchlist=DEMO_WATCHLIST, state_dir=sealed_volume)
    create_topics(settings)
    line = line_of(run_command(settings, *role.split()))
    assert str(sealed_volume) in line and "Read-only file system" in line


def test_a_full_volume_ends_a_connector_with_the_place_and_the_reason(
    embedded_settings: MakeSettings, full_volume: Path
) -> None:
    settings = embedded_settings(state_dir=full_volume)
    create_topics(settings)
    done = run_pod(environment_of(settings), "connect", "simulator", "--days", "2")
    line = line_of(done)
    assert str(full_volume) in line and "No space left on device" in line
