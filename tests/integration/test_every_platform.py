"""Every connector, from a server that speaks its platform's protocol, through Kafka to an alert."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.base import Reject, Source
from connectors.catalog import entry_of
from connectors.context import Context
from connectors.cursors import MemoryCursors
from connectors.fields import FieldMap
from connectors.file import FileOptions, FileSource
from connectors.http import HttpSettings
from connectors.privacy import private
from connectors.publisher import Publisher
from connectors.queries import FixedQueries, queries_of
from connectors.runner import Runner
from connectors.testing import PRIVACY, ManualClock
from models.post import Heartbeat, Post
from models.watchlist import load_watchlist
from pipeline.commands.connect import target
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.servers.jetstream import START_US
from tests.support.platforms import WAYS
from tests.support.roles import read_topic, start_role, until
from tests.support.surges import MINUTE_MS, SURGE_MIN, Said, surge

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

NOW_MS = START_US // 1000
"""When all servers are looked at; Bluesky's server begins there."""
LAST_END_MS = NOW_MS // MINUTE_MS * MINUTE_MS - 20 * MINUTE_MS
APART_MIN = 25
"""Brands surge one after the other; all at once would be no brand's crisis."""
SECRET = "a secret that both sides know"
NAMES = {
    "appstore": "Abrakon", "bluesky": "Bylinex", "file": "Cynamor", "gdelt": "Dromadex",
    "hackernews": "Ekierkon", "mastodon": "Farfocel", "reddit": "Gzygzak", "rss": "Hulajnog",
    "telegram": "Imbryczex", "webhook": "Jarzmobit", "wykop": "Kwadryga", "x": "Ludwikon",
    "youtube": "Mandragor",
}  # fmt: skip


class HeldHeartbeats:
    """Publishes posts at once, and heartbeats when all connectors have published theirs.

    Connectors take turns here, as they would not in production; else the first one's word would
    close the minutes of all others. What is held are the connectors' own heartbeats.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.heartbeats: dict[str, Heartbeat] = {}
        self.texts: dict[str, set[str]] = {}
        self.rejects: list[Reject] = []

    def post(self, post: Post) -> None:
        self._publisher.post(post)
        self.texts.setdefault(post.source, set()).add(post.text)

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        if heartbeat.until_ms <= NOW_MS + MINUTE_MS:  # then a clock that nobody holds runs on
            self.heartbeats[heartbeat.source] = heartbeat

    def dead_letter(self, reject: Reject, source: str) -> None:
        self.rejects.append(reject)

    def flush(self) -> None:
        self._publisher.flush()

    def release(self) -> None:
        for heartbeat in self.heartbeats.values():
            self._publisher.heartbeat(heartbeat)
        self._publisher.flush()


def watchlist_of(folder: Path) -> Path:
    path = folder / "watchlist.yaml"
    brands = [
        f"  - {{id: {platform}, name: {name}, match: {{any: [{name}]}}}}"
        for platform, name in NAMES.items()
    ]
    path.write_text("version: 1\nbrands:\n" + "\n".join(brands) + "\n", "utf-8")
    return path


async def run_until(
    source: Source, sink: HeldHeartbeats, wanted: int, send: Callable[[], Any] | None = None
) -> None:
    """Runs a connector until so many texts are with the broker, and it has vouched for them."""
    stop = asyncio.Event()
    runner = Runner(private(source, PRIVACY), sink, MemoryCursors(), clock=ManualClock(NOW_MS))
    running = asyncio.create_task(runner.run(stop))
    if send is not None:
        await send()
    async with asyncio.timeout(60):
        while not (
            len(sink.texts.get(source.name, ())) >= wanted and source.name in sink.heartbeats
        ):
            if running.done():
                break
            await asyncio.sleep(0.01)
    stop.set()
    totals = await running
    assert len(sink.texts.get(source.name, ())) >= wanted, (source.name, totals)
    assert not sink.rejects, (source.name, sink.rejects[0])


@asynccontextmanager
async def sending(source: Any, story: list[Said]) -> AsyncIterator[Callable[[], Any]]:
    """A sender of signed webhooks."""

    async def send() -> None:
        async with asyncio.timeout(10):
            while source.port == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        base = f"http://127.0.0.1:{source.port}"
        async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=20) as client:
            for at in range(0, len(story), 100):
                records = [
                    {"native_id": str(said.number), "text": said.text, "author": said.author,
                     "created_at": said.created_ms}
                    for said in story[at : at + 100]
                ]  # fmt: skip
                body = json.dumps(records).encode()
                stamp = str(NOW_MS // 1000)
                digest = hmac.digest(SECRET.encode(), f"{stamp}.".encode() + body, "sha256")
                headers = {"X-Czujka-Timestamp": stamp,
                           "X-Czujka-Signature": f"v1={digest.hex()}"}  # fmt: skip
                assert (
                    await client.post("/posts", content=body, headers=headers)
                ).status_code == 200

    yield send


async def connect_all(
    stories: dict[str, list[Said]], sink: HeldHeartbeats, settings: Settings, folder: Path
) -> None:
    queries = FixedQueries(queries_of(load_watchlist(settings.watchlist)))

    def context(name: str) -> Context:
        return Context(name, queries, HttpSettings(), clock=ManualClock(NOW_MS))

    for name, way in WAYS.items():
        platform = entry_of(name).load()
        async with way.serve(stories[name]) as server:
            given = {
                field: value.replace("URL", server.url) if isinstance(value, str) else value
                for field, value in way.options.items()
            }
            source = platform.open_source(platform.SETTINGS.load(given), context(name))
            await run_until(source, sink, len(stories[name]))
    webhook = entry_of("webhook").load()
    options = {"secret": SECRET, "port": 0, "platform": "webhook"}
    source = webhook.open_source(webhook.SETTINGS.load(options), context("webhook"))
    async with sending(source, stories["webhook"]) as send:
        await run_until(source, sink, len(stories["webhook"]), send)
    lines = [
        json.dumps({"native_id": str(said.number), "text": said.text, "author": said.author,
                    "created_at": said.created_ms})
        for said in stories["file"]
    ]  # fmt: skip
    path = folder / "posts.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    options_of_file = FileOptions(fields=FieldMap.parse([]), source="file", platform="file")
    await run_until(FileSource(path, options_of_file), sink, len(stories["file"]))


def test_a_surge_on_any_platform_ends_in_an_alert_of_its_brand(
    tmp_path: Path, kafka_settings: Callable[..., Settings]
) -> None:
    settings = kafka_settings(
        watchlist=watchlist_of(tmp_path), state_dir=tmp_path / "state", posts_partitions=2,
        tallies_partitions=2,
    )  # fmt: skip
    create_topics(settings)
    ends_ms = {
        platform: LAST_END_MS - number * APART_MIN * MINUTE_MS
        for number, platform in enumerate(NAMES)
    }
    stories = {
        platform: surge(name, ends_ms[platform], number)
        for number, (platform, name) in enumerate(NAMES.items())
    }
    with ExitStack() as stack:
        roles = [
            stack.enter_context(start_role(settings, role, tmp_path / f"{role}.log"))
            for role in ("score", "watch")
        ]
        with Publisher(target(settings)) as publisher:
            sink = HeldHeartbeats(publisher)
            asyncio.run(connect_all(stories, sink, settings, tmp_path))
            assert sink.heartbeats.keys() == NAMES.keys()
            sink.release()
            fired: dict[str, dict[str, Any]] = {}

            def all_fired() -> bool:
                for record in read_topic(settings, "alerts"):
                    alert = json.loads(record.value)
                    if alert["status"] == "firing" and alert["kind"] == "surge-negative":
                        fired[alert["brand"]] = alert
                return fired.keys() == NAMES.keys()

            began_s = time.monotonic()
            until(lambda: all_fired() or time.monotonic() - began_s > 90, roles, 100, 1)
    assert fired.keys() == NAMES.keys(), NAMES.keys() - fired.keys()
    for platform, alert in fired.items():
        onset_ms = datetime.fromisoformat(alert["onset"]).timestamp() * 1000
        began_ms = ends_ms[platform] - SURGE_MIN * MINUTE_MS
        assert began_ms - 15 * MINUTE_MS <= onset_ms <= began_ms + 3 * MINUTE_MS, platform
        assert {exhibit["platform"] for exhibit in alert["exhibits"]} == {platform}
    assert not read_topic(settings, "dead-letters")
