from __future__ import annotations

import asyncio

from pipeline.console.changes import Changes
from pipeline.ledger import Ledger
from tests.unit.pipeline.alert_samples import series_point


async def test_a_page_hears_of_the_state_at_once_and_of_each_change_after() -> None:
    ledger = Ledger()
    changes = Changes(ledger, least_interval_s=0.001)
    stream = changes.events()
    assert (await anext(stream)).startswith("retry: ")
    assert await anext(stream) == "id: 0\nevent: change\ndata: 0\n\n"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    assert not waiting.done()
    ledger.fold_point(series_point())
    changes.announce()
    assert "data: 1" in await asyncio.wait_for(waiting, 5)


async def test_changes_in_quick_succession_are_told_once() -> None:
    ledger = Ledger()
    changes = Changes(ledger, least_interval_s=0.001)
    stream = changes.events()
    await anext(stream)
    await anext(stream)
    for minute in range(50):
        ledger.fold_point(series_point(minute))
        changes.announce()
    assert "data: 50" in await asyncio.wait_for(anext(stream), 5)


async def test_a_silent_stream_says_that_it_lives() -> None:
    stream = Changes(Ledger(), least_interval_s=0.001, keep_alive_s=0.001).events()
    await anext(stream)
    await anext(stream)
    assert (await asyncio.wait_for(anext(stream), 5)).startswith(":")


async def test_closing_ends_every_stream_and_forgets_its_followers() -> None:
    changes = Changes(Ledger(), least_interval_s=60, keep_alive_s=60)
    streams = [changes.events() for _ in range(3)]
    for stream in streams:
        await anext(stream)
        await anext(stream)
    rests = [asyncio.create_task(drain(stream)) for stream in streams]
    await asyncio.sleep(0)
    changes.close()
    assert await asyncio.wait_for(asyncio.gather(*rests), 5) == [0, 0, 0]
    assert changes.followers == 0


async def drain(stream: object) -> int:
    return len([event async for event in stream])  # type: ignore[attr-defined]
