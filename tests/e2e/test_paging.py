"""The whole way of a page: posts, roles, Prometheus, Alertmanager, and who is told."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.child import Child
from pipeline.demo import Demo, DemoOptions, Episode, Truth
from pipeline.embedded import EmbeddedBroker, free_port
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from tests.deploy.monitoring import ROOT, RUNBOOK_BASE, RUNBOOKS, alerts, metrics_in
from tests.e2e.monitoring import Monitoring, Notification, Receiver
from tests.support.monitoring_tools import need_monitoring_tools

pytestmark = pytest.mark.e2e

ROLES = ("score", "watch", "exporter", "console")
STORY_LIMIT_S = 240.0
HOUR_MS = 3_600_000


class Desk:
    """The product on an embedded broker of its own, with the real monitoring and its receiver.

    Args:
        folder: for state and logs.
        stack: ends everything.
        speed: of the story; slow enough that a crisis fires for many scrapes.
        blind_after_s: see the setting.
    """

    def __init__(self, folder: Path, stack: ExitStack, speed: int, blind_after_s: int) -> None:
        need_monitoring_tools()
        self._folder, self._stack, self._speed = folder, stack, speed
        broker = stack.enter_context(EmbeddedBroker(folder / "broker.log"))
        self.settings = Settings(
            bootstrap_servers=broker.bootstrap_servers,
            embedded=True,
            watchlist=ROOT / "deploy/demo/watchlist.yaml",
            state_dir=folder / "state",
            console_port=free_port(),
            replication_factor=1,
            flush_interval_s=0.25,
            blind_after_s=blind_after_s,
        )
        create_topics(self.settings)
        self.roles = Demo(self.settings, DemoOptions(), folder, folder)
        self.roles.start_roles(stack)
        asyncio.run(self.roles.wait_until_ready())
        self.receiver = stack.enter_context(Receiver())
        self.ports = {f"czujka-{role}": self.roles.metrics_port(role) for role in ROLES}
        self.monitoring: Monitoring

    @property
    def story(self) -> Path:
        return self._folder / "story.json"

    def connect(self, name: str) -> Child:
        """Starts a simulator."""
        port = self.ports[f"czujka-connect-{name}"] = free_port()
        environment = os.environ | environment_of(self.settings)
        environment["CZUJKA_METRICS_PORT"] = str(port)
        argv = [sys.executable, "-m", "pipeline.cli", "connect", "simulator", "--name", name]
        argv += ["--speed", str(self._speed), "--story", str(self.story)]
        return self._stack.enter_context(Child(argv, self._folder / f"{name}.log", environment))

    def monitor(self) -> None:
        """Starts Prometheus and Alertmanager over all that runs."""
        folder = self._folder / "monitoring"
        folder.mkdir()
        self.monitoring = self._stack.enter_context(
            Monitoring(self.ports, self.receiver.address, folder)
        )
        self.until(self.monitoring.ready, 30, "Prometheus and Alertmanager are ready")

    def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        """Waits for a condition while all roles run."""
        deadline = time.monotonic() + limit_s
        while not condition():
            self.roles.check()
            told = Counter((n.receiver, n.status) for n in self.receiver.notifications)
            assert time.monotonic() < deadline, (
                f"not within {limit_s:g} s: {what}; told so far: {dict(told)}"
            )
            time.sleep(0.05)

    def decided_ms(self) -> float:
        """Event time up to which all is decided, as Prometheus knows it; 0 before the first."""
        answer = self.monitoring.query("max(czujka_watermark_timestamp_seconds) > 0")
        return float(answer[0]["value"][1]) * 1000 if answer else 0.0

    def pages(self, status: str) -> list[tuple[str, str, str]]:
        """Alert, brand and severity of what brands' on-call was told, in this order."""
        return pages(self.receiver.at("brand-page"), status)


def pages(told: Sequence[Notification], status: str) -> list[tuple[str, str, str]]:
    return [
        (labels["alertname"], labels["brand"], labels["severity"])
        for notification in told
        for labels in notification.labels(status)
    ]


def answer(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
        text: str = page.read().decode()
        return text.strip()


def scraped(port: int) -> set[str]:
    """Names of the metrics that a role shows, whether they have samples yet or not."""
    text = answer(port, "/metrics")
    names = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in suffixes}
    return names


def episode(truth: Truth, kind: str) -> Episode:
    (found,) = (episode for episode in truth.episodes if episode.kind == kind)
    return found


@pytest.mark.timeout(420)
def test_the_crisis_pages_once_and_resolves_once_and_the_giveaway_pages_nobody(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        desk = Desk(tmp_path, stack, speed=3600, blind_after_s=120)
        desk.connect("simulator")
        desk.monitor()
        desk.until(desk.story.exists, 30, "the simulator tells its story")
        truth = Truth.read(desk.story)
        crisis, giveaway = episode(truth, "crisis"), episode(truth, "giveaway")

        desk.until(lambda: desk.decided_ms() > 0, 60, "first decisions")
        shown = set().union(*(scraped(port) for port in desk.ports.values()))
        asked = set().union(*(metrics_in(str(alert.body)) for alert in alerts()))
        assert asked - shown == set()

        desk.until(
            lambda: desk.decided_ms() >= crisis.from_ms - HOUR_MS, STORY_LIMIT_S, "days go by"
        )
        assert giveaway.to_ms < crisis.from_ms
        assert desk.pages("firing") == []

        desk.until(lambda: bool(desk.pages("firing")), 60, "the crisis pages")
        desk.until(
            lambda: desk.receiver.at("brand-page")[-1].status == "resolved",
            STORY_LIMIT_S,
            "the page resolves",
        )
        desk.until(lambda: desk.decided_ms() >= crisis.to_ms + HOUR_MS, 60, "the crisis is over")

        for role in ("score", "watch", "exporter"):  # their loops have turned all the while
            assert answer(desk.roles.metrics_port(role), "/healthz") == "ok"

        told = desk.receiver.at("brand-page")
        # One page for each severity that it reached, worst last, and one that all is over.
        fired = desk.pages("firing")
        ranks = [("error", "critical").index(severity) for _, _, severity in fired]
        assert ranks == sorted(set(ranks))
        assert {(alert, brand) for alert, brand, _ in fired} == {("CzujkaCrisis", crisis.brand)}
        assert sorted(desk.pages("resolved")) == sorted(fired)
        assert [n.status for n in told] == ["firing"] * len(fired) + ["resolved"]
        assert all(notification.group == {"brand": crisis.brand} for notification in told)
        for notification in told:
            for alert in notification.alerts:
                assert alert["annotations"]["summary"].startswith(f"{crisis.brand}: ")
                assert "mentions, expected" in alert["annotations"]["description"]
                page = alert["annotations"]["runbook_url"].removeprefix(RUNBOOK_BASE)
                assert (RUNBOOKS / page.partition("#")[0]).is_file()


@pytest.mark.timeout(300)
def test_connectors_that_die_page_lost_coverage(tmp_path: Path) -> None:
    with ExitStack() as stack:
        desk = Desk(tmp_path, stack, speed=600, blind_after_s=7200)
        connectors = [desk.connect(f"simulator-{number}") for number in range(3)]
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
        for connector in connectors[:2]:
            connector.kill()
        desk.until(lambda: bool(desk.pages("firing")), 120, "lost coverage pages")
        assert {(alert, severity) for alert, _, severity in desk.pages("firing")} == {
            ("CzujkaCoverageLost", "error")
        }
