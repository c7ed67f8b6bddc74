"""Plays the consumer of docs/consume-alerts.md, as it stands there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from aiokafka import AIOKafkaProducer

from pipeline.child import Child
from pipeline.settings import Settings
from pipeline.topics import create_topics
from tests.unit.pipeline.alert_samples import crisis_alert

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/consume-alerts.md").read_text()
WITHIN_S = 60.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The page's program."""
    (source,) = re.findall(r"^```python\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "consumer.py"
    file.write_text(source)
    return file


async def send_alerts_repeats_and_strangers(settings: Settings) -> None:
    firing, resolved = crisis_alert(1, "firing"), crisis_alert(2, "resolved")
    newer = json.loads(crisis_alert(0, "firing", brand="klos").encode()) | {"added_later": {"x": 1}}
    records = [
        (alert.alert_id.encode(), alert.encode(), alert.headers())
        for alert in (crisis_alert(0, "pending"), firing, firing, resolved, firing, resolved)
    ]
    records.append((b"other", b"{}", [("ce_type", b"czujka.crisis-alert.v2")]))
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    try:
        for key, value, headers in records:
            topic = settings.topic("alerts")
            await producer.send_and_wait(topic, value, key=key, headers=headers)
        await producer.send_and_wait(topic, None, key=b"erased")
        content = json.dumps(newer).encode()
        await producer.send_and_wait(topic, content, key=b"n", headers=firing.headers())
    finally:
        await producer.stop()


def test_the_program_has_twenty_lines(program: Path) -> None:
    assert len([line for line in program.read_text().splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("kafka", marks=pytest.mark.integration)]
)
def test_repeats_and_strangers_change_nothing_for_the_consumer(
    request: pytest.FixtureRequest, broker: str, program: Path, tmp_path: Path
) -> None:
    make: Callable[[], Settings] = request.getfixturevalue(f"{broker}_settings")
    settings = make()
    create_topics(settings)
    asyncio.run(send_alerts_repeats_and_strangers(settings))
    environment = os.environ | {
        "KAFKA": settings.bootstrap_servers,
        "ALERTS_TOPIC": settings.topic("alerts"),
        "GROUP": f"{settings.topic_prefix}consumer",
    }
    log = tmp_path / "consumer.log"
    with Child([sys.executable, "-W", "ignore", str(program)], log, environment) as consumer:
        deadline = time.monotonic() + WITHIN_S
        while "klos" not in log.read_text():
            assert consumer.running, consumer.tail()
            assert time.monotonic() < deadline, consumer.tail()
            time.sleep(0.05)
    assert [line for line in log.read_text().splitlines() if " error " in line] == [
        "firing error orzel-air orzel-air: negative posts surge",
        "resolved error orzel-air orzel-air: negative posts surge",
        "firing error klos klos: negative posts surge",
    ]


def test_the_headers_of_the_page_are_those_of_an_alert() -> None:
    named = set(re.findall(r"`(ce_\w+|content-type)`", PAGE))
    assert named == {name for name, _ in crisis_alert().headers()}


def test_an_alert_fits_the_schema_that_the_page_links() -> None:
    (link,) = set(re.findall(r"\((schemas/[\w.-]+)\)", PAGE))
    schema = json.loads((ROOT / "docs" / link).read_text())
    jsonschema.validate(json.loads(crisis_alert().encode()), schema)
