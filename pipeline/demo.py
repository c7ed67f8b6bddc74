"""The whole product in one process tree, on the embedded broker, with a story whose truth is known.

The roles are the same commands that a deployment runs, as child processes; this process watches
their topics, draws the terminal view and in the end judges what fired.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from models.alert import CrisisAlert
from models.detection.base import Kind
from models.errors import EXIT_FAILED, EXIT_OK, UserError
from pipeline.child import Child
from pipeline.embedded import EmbeddedBroker, free_port
from pipeline.feed import Feed
from pipeline.ledger import Ledger
from pipeline.metrics import REGISTRY, FeedMetrics
from pipeline.settings import Settings, environment_of, load_settings
from pipeline.terminal import Progress, TerminalView
from pipeline.topics import create_topics

READY_WITHIN_S = 60.0
STORY_LIMIT_S = 180.0
"""A story that is not over by then never will be."""
REFRESH_S = 0.25
SETTLE_S = 3.0
"""After the last minute was decided, so much longer for what is on its way."""
ONSET_TOLERANCE_MS = 60 * 60_000


@dataclass(frozen=True, slots=True)
class Episode:
    """What really happened, from the story."""

    brand: str
    kind: str  # crisis or giveaway
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Truth:
    """The story as the simulator tells it."""

    from_ms: int
    to_ms: int
    episodes: tuple[Episode, ...]

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Reads what `czujka connect simulator --story` wrote."""
        story = json.loads(path.read_text())
        episodes = tuple(Episode(**episode) for episode in story["truth"])
        return cls(story["from_ms"], story["to_ms"], episodes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the alerts told the truth.

    Attributes:
        findings: one sentence each; what went well and what did not.
        passed: the true crisis fired and resolved, and the giveaway did not fire.
    """

    findings: tuple[str, ...]
    passed: bool


def judge(truth: Truth, alerts: Sequence[CrisisAlert]) -> Verdict:
    """Holds the alerts against the truth.

    A crisis counts as found if a `surge-negative` alert of its brand fired within it and resolved.
    A giveaway must not fire as `surge-negative`; that volume rose may be said (`surge`, info).
    """
    findings: list[str] = []
    passed = True
    fired = [a for a in alerts if a.kind is Kind.SURGE_NEGATIVE and a.fired_at is not None]
    for episode in truth.episodes:
        within = [a for a in fired if a.brand == episode.brand and _fell_within(a, episode)]
        if episode.kind == "crisis":
            found = [a for a in within if a.resolved_at is not None]
            passed = passed and bool(found)
            findings.append(_on_crisis(episode, within, found))
        else:
            passed = passed and not within
            verb = "fired as a crisis: wrong" if within else "did not fire as a crisis"
            findings.append(f"the {episode.kind} of {episode.brand} {verb}")
    for alert in fired:
        if not any(alert.brand == e.brand and _fell_within(alert, e) for e in truth.episodes):
            passed = False
            findings.append(f"{alert.alert_id} fired without a cause: wrong")
    return Verdict(tuple(findings), passed)


def _fell_within(alert: CrisisAlert, episode: Episode) -> bool:
    assert alert.fired_at is not None
    fired_ms = alert.fired_at.timestamp() * 1000
    return episode.from_ms <= fired_ms <= episode.to_ms + ONSET_TOLERANCE_MS


def _on_crisis(
    episode: Episode, within: Sequence[CrisisAlert], found: Sequence[CrisisAlert]
) -> str:
    if not within:
        return f"the crisis of {episode.brand} did not fire: wrong"
    if not found:
        return f"the crisis of {episode.brand} fired and did not resolve: wrong"
    first = found[0]
    assert first.fired_at is not None and first.resolved_at is not None
    delay_min = (first.fired_at.timestamp() * 1000 - episode.from_ms) / 60_000
    return (
        f"the crisis of {episode.brand} fired {delay_min:.0f} min after it began and resolved at "
        f"{first.resolved_at:%d %b %H:%M} UTC"
    )


@dataclass(slots=True)
class DemoOptions:
    """How to show it."""

    speed: str = "11520"  # four days in thirty seconds
    seed: int = 1
    days: int = 4
    watchlist: Path = Path("deploy/demo/watchlist.yaml")
    exit_at_end: bool = False
    keep_logs: Path | None = None


@dataclass(slots=True)
class Demo:
    """The processes of a demonstration."""

    settings: Settings
    options: DemoOptions
    folder: Path  # for this run alone
    logs: Path
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def story_file(self) -> Path:
        """Where the simulator writes the truth."""
        return self.folder / "story.json"

    def start_roles(self, stack: ExitStack) -> None:
        """Starts score, watch, exporter and console."""
        for role in ("score", "watch", "exporter", "console"):
            self._start(stack, role, [])

    def start_story(self, stack: ExitStack) -> None:
        """Starts the simulator; its story begins at once."""
        options = self.options
        arguments = ["--seed", str(options.seed), "--days", str(options.days)]
        arguments += ["--speed", options.speed, "--story", str(self.story_file)]
        self._start(stack, "connect", ["simulator", *arguments])

    def check(self) -> None:
        """Looks after the children.

        Raises:
            UserError: one has died; the end of its log is in the message.
        """
        for name, child in self.children.items():
            if not child.running and not (name == "connect" and child.exit_code == 0):
                raise UserError(
                    f"{name} ended with exit code {child.exit_code}; the end of its log:\n"
                    f"{child.tail()}"
                )

    async def wait_until_ready(self) -> None:
        """Waits until score and watch have their partitions, so that the story is seen live.

        Raises:
            UserError: one of them died, or is not ready in time.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        for role in ("score", "watch"):
            while not await asyncio.to_thread(_answers, self._ports[role], "/readyz"):
                self.check()
                if time.monotonic() > deadline:
                    raise UserError(
                        f"{role} was not ready within {READY_WITHIN_S:.0f} s; the end of its log:\n"
                        f"{self.children[role].tail()}"
                    )
                await asyncio.sleep(REFRESH_S)

    @property
    def console_address(self) -> str:
        """Where the pages are."""
        return f"http://{self.settings.host}:{self.settings.console_port}/"

    def metrics_port(self, role: str) -> int:
        """Port of a role's metrics."""
        return self._ports[role]

    _ports: dict[str, int] = field(default_factory=dict)

    def _start(self, stack: ExitStack, role: str, arguments: Sequence[str]) -> None:
        self._ports[role] = free_port()
        environment = {
            **os.environ,
            **environment_of(self.settings),
            "CZUJKA_METRICS_PORT": str(self._ports[role]),
        }
        argv = [sys.executable, "-m", "pipeline.cli", role, *arguments]
        child = Child(argv, self.logs / f"{role}.log", environment)
        self.children[role] = stack.enter_context(child)


def run_demo(options: DemoOptions) -> int:
    """Runs the demonstration; returns the exit code."""
    with ExitStack() as stack:
        folder = stack.enter_context(_scratch())
        logs = options.keep_logs or folder
        logs.mkdir(parents=True, exist_ok=True)
        print("czujka: starting the broker and the roles …", flush=True)
        broker = stack.enter_context(EmbeddedBroker(logs / "broker.log"))
        settings = load_settings(
            {
                "bootstrap_servers": broker.bootstrap_servers,
                "embedded": True,
                "watchlist": options.watchlist,
                "state_dir": folder / "state",
                "console_port": free_port(),
                "replication_factor": 1,
                "flush_interval_s": 0.25,
                "console_token": secrets.token_hex(8),
                "reports_dir": (options.keep_logs or folder) / "reports",
            }
        )
        create_topics(settings)
        demo = Demo(settings, options, folder, logs)
        demo.start_roles(stack)
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(_show(demo, stack))
        return EXIT_OK


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="czujka-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _show(demo: Demo, stack: ExitStack) -> int:
    ledger = Ledger()
    with TerminalView(ledger) as view:
        feed = Feed(demo.settings, ledger, FeedMetrics(REGISTRY), view.take, 10**9)
        await feed.open()
        reading = asyncio.create_task(feed.run())
        try:
            await demo.wait_until_ready()
            began_s = time.monotonic()
            demo.start_story(stack)
            truth = await _read_truth(demo)
            progress = _Meter(demo, truth, began_s, f"{_links(demo)}. Ctrl-C ends.")
            view.tell_foot(await progress.read())
            await _until_over(demo, ledger, view, progress, reading)
            verdict = judge(truth, ledger.alerts())
            if not demo.options.exit_at_end:
                await _stay(demo, view, progress, reading, verdict)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await feed.close()
    print("\n".join(verdict.findings))
    reports = await asyncio.to_thread(_count_reports, demo.settings.reports_dir)
    print(f"reports written at the end of alerts: {reports}")
    print(f"the story took {time.monotonic() - began_s:.0f} s")
    return EXIT_OK if verdict.passed else EXIT_FAILED


def _links(demo: Demo) -> str:
    """What else there is to see, and how to answer."""
    token = demo.settings.console_token
    assert token is not None
    return (
        f"week: {demo.console_address}digest; reports: {demo.settings.reports_dir}; "
        f"sign in to answer with the token {token.get_secret_value()}"
    )


async def _read_truth(demo: Demo) -> Truth:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return Truth.read(demo.story_file)
        demo.check()
        await asyncio.sleep(0.1)
    raise UserError("the simulator did not say what its story is within 30 s")


def _count_reports(folder: Path | None) -> int:
    return len(list(folder.glob("*.html"))) if folder and folder.exists() else 0


async def _until_over(
    demo: Demo, ledger: Ledger, view: TerminalView, meter: _Meter, reading: asyncio.Task[None]
) -> None:
    deadline = time.monotonic() + STORY_LIMIT_S if demo.options.exit_at_end else float("inf")
    last_minute_ms = meter.truth.to_ms - 2 * 60_000
    while ledger.watermark is None or ledger.watermark.timestamp() * 1000 < last_minute_ms:
        _raise_if_done(reading)
        demo.check()
        view.show(await meter.read())
        if time.monotonic() > deadline:
            raise UserError(f"the story was not over after {STORY_LIMIT_S:.0f} s")
        await asyncio.sleep(REFRESH_S)
    settled = time.monotonic() + SETTLE_S
    while time.monotonic() < settled:
        view.show(await meter.read())
        await asyncio.sleep(REFRESH_S)


async def _stay(
    demo: Demo,
    view: TerminalView,
    meter: _Meter,
    reading: asyncio.Task[None],
    verdict: Verdict,
) -> None:
    meter.note = "; ".join([*verdict.findings, _links(demo)]) + ". Ctrl-C ends."
    view.tell_foot(await meter.read())
    while True:
        _raise_if_done(reading)
        demo.check()
        view.show(await meter.read())
        await asyncio.sleep(REFRESH_S)


def _raise_if_done(task: asyncio.Task[None]) -> None:
    if task.done():
        task.result()


@dataclass(slots=True)
class _Meter:
    """Reads how far the simulator has come from its own metrics."""

    demo: Demo
    truth: Truth
    began_s: float
    note: str = "Ctrl-C ends"
    _posts: int = 0
    _rate: float = 0.0
    _read_s: float = 0.0

    async def read(self) -> Progress:
        """The progress now."""
        now = time.monotonic()
        if now - self._read_s >= 1.0:
            posts = await asyncio.to_thread(self._count)
            if posts is not None and self._read_s:
                self._rate = max(0, posts - self._posts) / (now - self._read_s)
            elif posts is None:
                self._rate = 0.0
            self._posts = self._posts if posts is None else posts
            self._read_s = now
        return Progress(
            from_ms=self.truth.from_ms,
            to_ms=self.truth.to_ms,
            posts=self._posts,
            posts_per_s=self._rate,
            elapsed_s=now - self.began_s,
            address=self.demo.console_address,
            note=self.note,
        )

    def _count(self) -> int | None:
        text = _fetch(self.demo.metrics_port("connect"), "/metrics")
        return None if text is None else int(_total(text, "czujka_connector_posts"))


def _answers(port: int, path: str) -> bool:
    return _fetch(port, path) is not None


def _fetch(port: int, path: str) -> str | None:
    """What a role's metrics server says; None if it is not there or answers with an error."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return None


def _total(metrics: str, family: str) -> float:
    samples: Mapping[str, float] = {
        str(sample): sample.value
        for one in text_string_to_metric_families(metrics)
        if one.name == family
        for sample in one.samples
        if sample.name.endswith("_total")
    }
    return sum(samples.values())
