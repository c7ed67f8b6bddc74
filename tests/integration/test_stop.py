"""Every role ends when it is told to, whether the broker is still there or not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.errors import EXIT_FAILED, EXIT_OK
from pipeline.embedded import free_port
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.kafka import Kafka
from tests.support.roles import DEMO_WATCHLIST, count_records, start_role, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROLES = ("score", "watch", "exporter", "console", "connect")
LIMIT_S = 60
"""Far above the setting: a machine under load."""


@pytest.mark.parametrize("broker", ["there", "gone"])
def test_a_role_told_to_stop_ends_by_itself_and_says_why_if_not_in_order(
    broker: str,
    restartable_kafka: Kafka,
    kafka_settings: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    settings = kafka_settings(
        watchlist=DEMO_WATCHLIST,
        state_dir=tmp_path / "state",
        flush_interval_s=0.2,
        checkpoint_interval_s=0.5,
        stop_timeout_s=30 if broker == "there" else 2,
    )
    create_topics(settings)
    with ExitStack() as stack:
        children = {}
        for role in ROLES:
            given = settings.model_dump(exclude_unset=True) | {"console_port": free_port()}
            arguments = ("simulator", "--speed", "600") if role == "connect" else ()
            child = start_role(Settings(**given), role, tmp_path / f"{role}.log", *arguments)
            children[role] = stack.enter_context(child)
        changelog = "czujka-watch-state-changelog"
        until(lambda: count_records(settings, changelog) > 4, children.values())
        if broker == "gone":
            restartable_kafka.kill()
        for child in children.values():
            child.signal(signal.SIGTERM)
        codes = {role: child.wait(LIMIT_S) for role, child in children.items()}
    said = {role: (tmp_path / f"{role}.log").read_text() for role in ROLES}
    if broker == "there":
        assert codes == dict.fromkeys(ROLES, EXIT_OK), said
    for role, code in codes.items():
        assert "Traceback" not in said[role], said[role]
        assert "\x1b" not in said[role], said[role]  # a log is no terminal
        assert code in (EXIT_OK, EXIT_FAILED), said[role]
        if code == EXIT_FAILED:
            line = said[role].strip().splitlines()[-1]
            assert "not done within 2 s" in line, said[role]
