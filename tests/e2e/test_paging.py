"""The whole way of a page: real Kafka, roles, Prometheus, Alertmanager, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from models.alert import ALL_BRANDS
from pipeline.embedded import free_port
from pipeline.settings import Settings
from tests.e2e.desk import Desk, tell_the_story
from tests.support.roles import DEMO_WATCHLIST

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


@pytest.fixture
def settings(kafka_settings: Callable[..., Settings], tmp_path: Path) -> Callable[..., Settings]:
    def make(**overrides: Any) -> Settings:
        given = {
            "watchlist": DEMO_WATCHLIST,
            "state_dir": tmp_path / "state",
            "console_port": free_port(),
            "flush_interval_s": 0.25,
        }
        return kafka_settings(**(given | overrides))

    return make


@pytest.mark.timeout(420)
@pytest.mark.usefixtures("no_engine")
def test_the_crisis_pages_once_and_resolves_once_and_the_giveaway_pages_nobody(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        tell_the_story(Desk(settings(), tmp_path, tmp_path / "story.json", stack), speed=3600)


@pytest.mark.timeout(300)
def test_stopping_connectors_until_too_little_is_seen_pages_lost_coverage(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        desk = Desk(settings(blind_after_s=7200), tmp_path, tmp_path / "story.json", stack)
        connectors = [desk.connect(f"simulator-{number}", speed=600) for number in range(3)]
        desk.monitor()
        desk.until(
            lambda: (
                len(desk.monitoring.query("czujka_connector_until_timestamp_seconds > 0")) == 3
                and desk.decided_ms() > 0
            ),
            60,
            "three connectors are heard and minutes decided",
        )
        assert desk.monitoring.query("czujka_brand_coverage_ratio < 1") == []
        connectors[0].stop()
        desk.until(
            lambda: bool(desk.monitoring.query("czujka_brand_coverage_ratio < 1")),
            60,
            "coverage falls",
        )
        assert desk.pages("firing") == []  # two of three are no blindness
        connectors[1].stop()
        desk.until(lambda: bool(desk.pages("firing")), 120, "lost coverage pages")
        # One page, however many brands are concerned.
        assert desk.pages("firing") == [("CzujkaCoverageLost", ALL_BRANDS, "error")]
