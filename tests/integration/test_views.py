"""Exporter and console over a broker: what is on the topics is what is shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from models.alert import CrisisAlert
from models.series import SeriesPoint
from pipeline.console.server import serve_console
from pipeline.exporter import serve_exporter
from pipeline.metrics import CollectorRegistry
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.support.kafka import Kafka
from tests.unit.pipeline.alert_samples import crisis_alert, series_point

WITHIN_S = 30.0
STARTER = ThreadPoolExecutor(1)
"""A thread that lives on: a child dies with the thread that started it (`pipeline.child`)."""

Serve = Callable[[Settings, str, int, asyncio.Event], Awaitable[None]]


async def exporter(settings: Settings, host: str, port: int, stop: asyncio.Event) -> None:
    registry = CollectorRegistry()
    await serve_exporter(settings, host, port, stop, max_brands=10, registry=registry)


async def console(settings: Settings, host: str, port: int, stop: asyncio.Event) -> None:
    await serve_console(settings, host, port, stop, registry=CollectorRegistry())


@pytest.fixture
def settings(request: pytest.FixtureRequest, broker: str) -> Settings:
    """Settings for a broker that has the topics."""
    make: Callable[[], Settings] = request.getfixturevalue(f"{broker}_settings")
    found = make()
    create_topics(found)
    return found


both_brokers = pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("kafka", marks=pytest.mark.integration)]
)


async def send(settings: Settings, *records: CrisisAlert | SeriesPoint | bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    try:
        for record in records:
            match record:
                case CrisisAlert():
                    topic, key, value = "alerts", record.alert_id.encode(), record.encode()
                case SeriesPoint():
                    topic, key, value = "series", record.key(), record.encode()
                case _:
                    topic, key, value = "alerts", b"bad", record
            await producer.send_and_wait(settings.topic(topic), value, key=key)
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def running(
    serve: Serve, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[httpx.AsyncClient]:
    """A role in this process; gives a client for the address that it printed."""
    stop = asyncio.Event()
    role = asyncio.create_task(serve(settings, "127.0.0.1", 0, stop))
    printed = ""
    async with asyncio.timeout(WITHIN_S):
        while not (found := re.search(r"http://[\d.:]+", printed)):
            assert not role.done(), role.exception()
            await asyncio.sleep(0.02)
            printed += capsys.readouterr().out
    try:
        async with httpx.AsyncClient(base_url=found.group(), timeout=WITHIN_S) as client:
            yield client
    finally:
        stop.set()
        await asyncio.wait_for(role, WITHIN_S)


async def until(client: httpx.AsyncClient, path: str, *words: str) -> str:
    """Asks until the answer has all the words."""
    text = ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            while not all(word in text for word in words):
                text = (await client.get(path)).text
                await asyncio.sleep(0.05)
    assert not [word for word in words if word not in text], text
    return text


@both_brokers
async def test_the_exporter_shows_history_and_counts_what_comes_after(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(settings, crisis_alert(0, "firing"), series_point(0, mentions=5), b"{")
    async with running(exporter, settings, capsys) as client:
        await until(client, "/readyz", "ok")
        shown = await until(
            client,
            "/metrics",
            'czujka_crisis_active{brand="orzel-air",kind="surge-negative"} 1.0',
            'czujka_brand_mentions{brand="orzel-air"} 5.0',
            'czujka_feed_bad_records_total{topic="alerts"} 1.0',
            "czujka_exporter_caught_up 1.0",
        )
        assert "czujka_alerts_total{" not in shown
        await send(settings, crisis_alert(1, "resolved"), crisis_alert(0, "firing"))
        await until(
            client,
            "/metrics",
            'czujka_crisis_active{brand="orzel-air",kind="surge-negative"} 0.0',
            'kind="surge-negative",severity="error",transition="resolved"} 1.0',
        )


@both_brokers
async def test_the_console_shows_history_and_streams_what_comes_after(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(settings, *(series_point(minute) for minute in range(5)))
    async with running(console, settings, capsys) as client:
        await until(client, "/api/brands", '"brand":"orzel-air"', "12:05:00")
        async with client.stream("GET", "/events") as stream:
            lines = stream.aiter_lines()
            first = await next_version(lines)
            await send(settings, crisis_alert(0, "firing"))
            assert await next_version(lines) > first
        alerts = json.loads((await client.get("/api/alerts?status=firing")).text)
        assert [alert["brand"] for alert in alerts["alerts"]] == ["orzel-air"]


async def next_version(lines: AsyncIterator[str]) -> int:
    async with asyncio.timeout(WITHIN_S):
        async for line in lines:
            if line.startswith("data: "):
                return int(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


@both_brokers
async def test_an_open_stream_does_not_keep_the_console_from_stopping(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(console, settings, capsys) as client:
        opened = client.stream("GET", "/events")
        await next_version((await opened.__aenter__()).aiter_lines())
    # Left open on purpose: `running` has waited for the console's end all the same.


@pytest.mark.integration
@pytest.mark.parametrize("broker", ["kafka"])
async def test_a_broker_that_comes_back_is_read_on(
    restartable_kafka: Kafka, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(exporter, settings, capsys) as client:
        await send(settings, crisis_alert(0, "firing"))
        await until(client, "/metrics", 'transition="firing"} 1.0')
        restartable_kafka.kill()
        await until(client, "/metrics", "czujka_feed_connected 0.0")
        await asyncio.get_running_loop().run_in_executor(STARTER, restartable_kafka.start)
        await send(settings, crisis_alert(1, "resolved"))
        await until(client, "/metrics", 'transition="resolved"} 1.0', "czujka_feed_connected 1.0")
