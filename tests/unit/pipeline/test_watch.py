"""The Faust app of the watch stage, as far as it can be seen without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from faust.types import Message

from models.detection import make_bank
from models.errors import UserError
from models.watching import BrandWatch
from pipeline.metrics import CollectorRegistry, WatchMetrics
from pipeline.settings import Settings
from pipeline.topics import changelog_topics
from pipeline.watch.app import WatchStage, make_app
from pipeline.watch.engine import App, leave_out_cancellations, run_app


def app_of(settings: Settings):
    return make_app(
        settings, lambda _: BrandWatch((), make_bank), WatchMetrics(CollectorRegistry())
    )


async def test_the_state_is_read_back_from_the_changelog_as_it_was_written() -> None:
    [table] = app_of(Settings()).tables.values()
    topic = table.changelog_topic
    key, value = b"0/manifest", bytes(range(256))
    written_key, _ = topic.prepare_key(key, table.key_serializer, topic.schema)
    written_value, _ = topic.prepare_value(value, table.value_serializer, topic.schema)
    assert (written_key, written_value) == (key, value)
    message = Message(
        topic="t",
        partition=0,
        offset=0,
        timestamp=0.0,
        timestamp_type=0,
        headers=None,
        key=written_key,
        value=written_value,
        checksum=None,
    )
    event = await topic.decode(message)
    assert (event.key, event.value) == (key, value)


def test_the_changelog_has_the_name_that_the_topics_are_made_with() -> None:
    settings = Settings(topic_prefix="dev.", tallies_partitions=3)
    app = app_of(settings)
    [topic] = changelog_topics(settings.group("watch"), app.tables, settings.tallies_partitions)
    [table] = app.tables.values()
    assert table.changelog_topic.get_topic_name() == topic.name
    assert table.changelog_topic.partitions == topic.partitions


def test_a_state_folder_that_cannot_be_made_is_told_with_its_variable(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("no folder")
    settings = Settings(state_dir=occupied / "state")
    with pytest.raises(UserError, match="CZUJKA_STATE_DIR"):
        run_app(app_of(settings), settings)


def test_what_was_delivered_since_the_queues_were_opened_stays_when_they_are_opened_again() -> None:
    app = app_of(Settings())
    queue = app.FlowControlQueue(maxsize=10, clear_on_resume=True)
    app.flow_control.resume()
    queue.put_nowait("a frame")
    app.flow_control.resume()
    assert queue.qsize() == 1
    app.flow_control.suspend()
    app.flow_control.resume()
    assert queue.qsize() == 0


async def test_a_rebalance_waits_for_the_frame_under_way_and_no_other_is_taken_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings()
    stage = WatchStage(
        App("rebalanced"),
        settings,
        lambda _: BrandWatch((), make_bank),
        WatchMetrics(CollectorRegistry()),
    )
    taken: list[str] = []
    goes_on = asyncio.Event()

    async def handle(event: str) -> None:
        taken.append(event)
        await goes_on.wait()

    monkeypatch.setattr(stage, "_handle", handle)
    stage.on_recovered()
    under_way = asyncio.create_task(stage.take("first"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(stage.take("second"))
    rebalance = asyncio.create_task(stage.on_revoked())
    for _ in range(10):
        await asyncio.sleep(0)
    assert taken == ["first"] and not rebalance.done()
    goes_on.set()
    await asyncio.gather(under_way, waiting, rebalance)
    assert taken == ["first"]
    stage.on_recovered()
    await stage.take("third")
    assert taken == ["first", "third"]


@pytest.mark.parametrize("waits", [True, False], ids=["the one who waits", "another error"])
async def test_at_the_end_an_answer_that_finds_nobody_is_not_told_but_other_errors_are(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    told: list[object] = []
    monkeypatch.setattr(loop, "default_exception_handler", lambda context: told.append(context))
    loop.set_exception_handler(leave_out_cancellations)
    sent = loop.create_future()
    if waits:
        sent.cancel()
        loop.call_soon(sent.set_result, "offset 7")
    else:
        loop.call_soon(int, "not a number")
    await asyncio.sleep(0)
    assert len(told) == (0 if waits else 1)
