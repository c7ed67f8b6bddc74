"""The product at work for a test: real Kafka, the roles, real monitoring, a receiver of pages."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from pipeline.child import Child
from pipeline.demo import Truth
from pipeline.embedded import free_port
from pipeline.settings import Settings, environment_of
from pipeline.topics import create_topics
from tests.deploy.monitoring import RUNBOOK_BASE, RUNBOOKS, alerts, metrics_in
from tests.e2e.monitoring import Monitoring, Notification, Receiver
from tests.support.monitoring_tools import need_monitoring_tools
from tests.support.roles import command

ROLES = ("score", "watch", "exporter", "console")
READY_LIMIT_S = 240.0
STORY_LIMIT_S = 240.0
HOUR_MS = 3_600_000


class Launcher(Protocol):
    """Starts one of our commands, told by variables; its output goes to a log."""

    def __call__(
        self, name: str, arguments: Sequence[str], variables: Mapping[str, str], log: Path
    ) -> Child: ...


def launch_process(
    name: str, arguments: Sequence[str], variables: Mapping[str, str], log: Path
) -> Child:
    """As a process of this machine."""
    return Child(command(*arguments), log, os.environ | dict(variables))


class Desk:
    """The product on a Kafka, with the real monitoring and its receiver.

    Args:
        settings: of all roles.
        folder: for logs.
        story: where the simulator tells what is true.
        stack: ends everything.
        launch: how roles are started.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        story: Path,
        stack: ExitStack,
        launch: Launcher = launch_process,
    ) -> None:
        need_monitoring_tools()
        self.settings, self.story = settings, story
        self._folder, self._stack, self._launch = folder, stack, launch
        self._children: list[Child] = []
        self.ports: dict[str, int] = {}
        create_topics(settings)
        for role in ROLES:
            self.start(role, role)
        self.receiver = stack.enter_context(Receiver())
        self.monitoring: Monitoring
        self.until(
            lambda: all(answer(self.port(role), "/readyz") == "ok" for role in ROLES[:3]),
            READY_LIMIT_S,
            "the roles are ready",
        )

    def start(self, name: str, *arguments: str, lasting: bool = True) -> Child:
        """Starts a command; if it is `lasting`, its end is a failure."""
        port = self.ports[f"czujka-{name}"] = free_port()
        variables = environment_of(self.settings) | {"CZUJKA_METRICS_PORT": str(port)}
        child = self._launch(name, arguments, variables, self._folder / f"{name}.log")
        self._stack.enter_context(child)
        if lasting:
            self._children.append(child)
        return child

    def connect(self, name: str, speed: int) -> Child:
        """Starts a simulator."""
        arguments = ["simulator", "--name", name, "--speed", str(speed)]
        return self.start(
            f"connect-{name}", "connect", *arguments, "--story", str(self.story), lasting=False
        )

    def monitor(self) -> None:
        """Starts Prometheus and Alertmanager over all that runs."""
        folder = self._folder / "monitoring"
        folder.mkdir()
        self.monitoring = self._stack.enter_context(
            Monitoring(self.ports, self.receiver.address, folder)
        )
        self.until(self.monitoring.ready, 30, "Prometheus and Alertmanager are ready")

    def port(self, role: str) -> int:
        """Where a role shows its metrics."""
        return self.ports[f"czujka-{role}"]

    def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> None:
        """Waits for a condition while all roles run."""
        deadline = time.monotonic() + limit_s
        while not condition():
            for child in self._children:
                assert child.running, f"{child.log.name}, {child.exit_code}: {child.tail()}"
            told = Counter((n.receiver, n.status) for n in self.receiver.notifications)
            assert time.monotonic() < deadline, (
                f"not within {limit_s:g} s: {what}; told so far: {dict(told)}; logs:\n"
                + "\n".join(f"{child.log.name}: {child.tail(3)}" for child in self._children)
            )
            time.sleep(0.05)

    def decided_ms(self) -> float:
        """Event time up to which all is decided, as Prometheus knows it; 0 before the first."""
        found = self.monitoring.query("max(czujka_watermark_timestamp_seconds) > 0")
        return float(found[0]["value"][1]) * 1000 if found else 0.0

    def pages(self, status: str) -> list[tuple[str, str, str]]:
        """Alert, brand and severity of what brands' on-call was told, in this order."""
        return [
            (labels["alertname"], labels["brand"], labels["severity"])
            for notification in self.receiver.at("brand-page")
            for labels in notification.labels(status)
        ]

    def asked_but_not_shown(self) -> set[str]:
        """Metrics that the alerts ask for and no role shows."""
        shown = set().union(*(scraped(port) for port in self.ports.values()))
        asked = set().union(*(metrics_in(str(alert.body)) for alert in alerts()))
        return asked - shown


def answer(port: int, path: str) -> str:
    """What a page of a role says; what is wrong if it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
            text: str = page.read().decode()
            return text.strip()
    except (urllib.error.URLError, OSError) as error:
        return str(error)


def scraped(port: int) -> set[str]:
    """Names of the metrics that a role shows, whether they have samples yet or not."""
    text = answer(port, "/metrics")
    names = set(re.findall(r"^(\w+)[{ ]", text, re.MULTILINE))
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in suffixes}
    return names


def tell_the_story(desk: Desk, speed: int) -> None:
    """The demo's story, from the first post to the last page.

    The crisis pages once for each severity that it reaches, worst last, and resolves once; nobody
    hears of the giveaway.
    """
    desk.connect("simulator", speed)
    desk.monitor()
    desk.until(desk.story.exists, 30, "the simulator tells its story")
    desk.until(lambda: desk.decided_ms() > 0, 60, "first decisions")
    episodes = {episode.kind: episode for episode in Truth.read(desk.story).episodes}
    crisis, giveaway = episodes["crisis"], episodes["giveaway"]
    assert desk.asked_but_not_shown() == set()

    desk.until(lambda: desk.decided_ms() >= crisis.from_ms - HOUR_MS, STORY_LIMIT_S, "days go by")
    assert giveaway.to_ms < crisis.from_ms
    assert desk.pages("firing") == []

    desk.until(lambda: bool(desk.pages("firing")), 60, "the crisis pages")
    desk.until(
        lambda: desk.receiver.at("brand-page")[-1].status == "resolved",
        STORY_LIMIT_S,
        "the page resolves",
    )
    desk.until(lambda: desk.decided_ms() >= crisis.to_ms + HOUR_MS, 60, "the crisis is over")
    for role in ROLES[:3]:  # their loops have turned all the while
        assert answer(desk.port(role), "/healthz") == "ok"

    told = desk.receiver.at("brand-page")
    fired = desk.pages("firing")
    ranks = [("error", "critical").index(severity) for _, _, severity in fired]
    assert ranks == sorted(set(ranks)), [n.labels("firing") for n in told]
    assert {(alert, brand) for alert, brand, _ in fired} == {("CzujkaCrisis", crisis.brand)}
    # A severity that was passed before Alertmanager first told of the crisis is told as over only.
    ended = desk.pages("resolved")
    assert set(fired) <= set(ended), [(n.labels("firing"), n.labels("resolved")) for n in told]
    assert {(alert, brand) for alert, brand, _ in ended} == {("CzujkaCrisis", crisis.brand)}
    assert [n.status for n in told] == ["firing"] * len(fired) + ["resolved"]
    for notification in told:
        assert notification.group == {"brand": crisis.brand}
        _check_texts(notification, crisis.brand)


def _check_texts(notification: Notification, brand: str) -> None:
    for alert in notification.alerts:
        assert alert["annotations"]["summary"].startswith(f"{brand}: ")
        assert "mentions, expected" in alert["annotations"]["description"]
        page = alert["annotations"]["runbook_url"].removeprefix(RUNBOOK_BASE)
        assert (RUNBOOKS / page.partition("#")[0]).is_file()
