"""What is said of a broker that goes and comes, and how a consumer ends without it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from pipeline import client
from pipeline.client import Broker, BrokerError, hidden_from, probe, stop_consumer
from pipeline.settings import Settings


async def test_a_broker_that_goes_is_told_once_and_once_that_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([True, False, False, False, True, True])

    async def reach(settings: Settings) -> tuple[Broker, ...]:
        here = next(answers, None)
        if here is None:
            raise EOFError
        if not here:
            raise BrokerError("no Kafka broker answered")
        return ()

    monkeypatch.setattr(client, "reach", reach)
    monkeypatch.setattr(client, "PROBE_INTERVAL_S", 0)
    with caplog.at_level(logging.INFO), pytest.raises(EOFError):
        await probe(Settings())
    away, back = [record.message for record in caplog.records]
    assert away == "the broker is away, trying on: no Kafka broker answered"
    assert back == "the broker at 127.0.0.1:9092 is back"


class _Consumer:
    """Stops as aiokafka's does while its broker is away."""

    async def stop(self) -> None:
        fetch = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        fetch.cancel()
        await fetch


async def test_a_consumer_ends_though_its_own_fetches_were_cancelled() -> None:
    await stop_consumer(_Consumer())


async def test_who_is_cancelled_while_a_consumer_ends_stays_cancelled() -> None:
    class Slow:
        async def stop(self) -> None:
            await asyncio.sleep(60)

    stopping = asyncio.create_task(stop_consumer(Slow()))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


def test_a_topic_that_is_missing_may_be_hidden_from_a_user() -> None:
    assert hidden_from(Settings()) == ""
    assert "grant Describe on it to ala" in hidden_from(Settings(sasl_username="ala"))
