"""The runner: nothing lost, the order kept, errors answered as their names say."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Gap, Page, Reject
from connectors.cursors import FileCursors, MemoryCursors
from connectors.errors import (
    ConfigurationError,
    FatalError,
    PublishError,
    RateLimitedError,
    RetryError,
    SpendCapError,
)
from connectors.metrics import ConnectorMetrics
from connectors.runner import BACKOFF, CURSOR_INTERVAL_S, Runner, Totals
from connectors.testing import ManualClock, MemorySink
from models.post import Heartbeat, Post

Step = Page | Exception
MINUTE_MS = 60_000


def a_post(number: int) -> Post:
    time_ms = number * MINUTE_MS
    return Post(
        platform="x",
        native_id=str(number),
        created_ms=time_ms,
        observed_ms=time_ms,
        source="s",
    )


def a_page(number: int, *, final: bool = False, rejects: int = 0) -> Page:
    return Page(
        posts=(a_post(number),),
        cursor=str(number),
        until_ms=(number + 1) * MINUTE_MS,
        final=final,
        rejects=(Reject(b"?", "broken", "f:1"),) * rejects,
    )


def pages_to(last: int) -> list[Page]:
    return [a_page(n, final=n == last) for n in range(1, last + 1)]


class Script:
    """A source that gives what stands in a script; each error is raised once."""

    name = "s"

    def __init__(self, steps: Iterable[Step], after: Callable[[], None] = lambda: None) -> None:
        self.steps = list(steps)
        self.opened: list[str | None] = []
        self.closed = 0
        self._after = after

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        self.opened.append(cursor)
        try:
            for step in list(self.steps):
                if isinstance(step, Exception):
                    self.steps.remove(step)
                    raise step
                if cursor is None or int(step.cursor or 0) > int(cursor):
                    yield step
                    self._after()
                elif step.final:
                    yield Page(cursor=cursor, final=True)
        finally:
            self.closed += 1


class Log:
    """A sink that keeps everything in one list; it may break after some records."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.events: list[object] = []
        self.flushed = 0
        self._breaks_after = breaks_after

    def _take(self, event: object) -> None:
        if self._breaks_after is not None and len(self.events) >= self._breaks_after:
            raise PublishError("the broker is gone")
        self.events.append(event)

    def post(self, post: Post) -> None:
        self._take(post)

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        self._take(heartbeat)

    def dead_letter(self, reject: Reject, source: str) -> None:
        self._take((reject, source))

    def flush(self) -> None:
        self._take("flush")
        self.flushed = len(self.events)

    @property
    def post_ids(self) -> list[str]:
        return [event.native_id for event in self.events if isinstance(event, Post)]


class WatchedCursors(MemoryCursors):
    """Notes in the log of the sink when a cursor is saved."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def save(self, source: str, cursor: str) -> None:
        super().save(source, cursor)
        self._log.events.append(f"cursor {cursor}")


def run(source: Script, sink: Log, cursors: MemoryCursors, **options: object) -> Totals:
    options.setdefault("clock", ManualClock())
    runner = Runner(source, sink, cursors, **options)  # type: ignore[arg-type]
    return asyncio.run(runner.run(asyncio.Event()))


async def when(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_posts_come_first_then_rejects_then_the_heartbeat() -> None:
    sink = Log()
    totals = run(Script([a_page(1, final=True, rejects=1)]), sink, MemoryCursors())
    kinds = [type(event) for event in sink.events]
    assert kinds == [Post, tuple, Heartbeat, str]
    assert (totals.posts, totals.rejects, totals.heartbeats, totals.finished) == (1, 1, 1, True)
    assert totals.first_reject is not None
    heartbeat = sink.events[2]
    assert isinstance(heartbeat, Heartbeat)
    assert (heartbeat.until_ms, heartbeat.final, heartbeat.source) == (2 * MINUTE_MS, True, "s")


def test_a_page_that_says_nothing_of_time_makes_no_heartbeat() -> None:
    sink = Log()
    run(
        Script([Page(posts=(a_post(1),), cursor="1"), a_page(2, final=True)]), sink, MemoryCursors()
    )
    assert [type(event) for event in sink.events] == [Post, Post, Heartbeat, str]


def test_a_source_without_posts_still_says_that_it_has_ended() -> None:
    sink = Log()
    run(Script([Page(cursor="1", final=True)]), sink, MemoryCursors())
    [heartbeat] = [event for event in sink.events if isinstance(event, Heartbeat)]
    assert heartbeat.final


def test_the_cursor_is_saved_only_after_a_flush_and_about_once_a_second() -> None:
    sink = Log()
    clock = ManualClock()
    source = Script(pages_to(10), after=lambda: clock.advance(CURSOR_INTERVAL_S / 2))
    run(source, sink, WatchedCursors(sink), clock=clock)
    saves = [n for n, event in enumerate(sink.events) if str(event).startswith("cursor")]
    assert all(sink.events[n - 1] == "flush" for n in saves)
    assert 4 <= len(saves) <= 6
    assert sink.events[-1] == "cursor 10"


def test_a_second_run_begins_behind_the_cursor_of_the_first() -> None:
    cursors = MemoryCursors()
    cursors.save("s", "3")
    sink = Log()
    source = Script(pages_to(5))
    run(source, sink, cursors)
    assert source.opened == ["3"]
    assert sink.post_ids == ["4", "5"]
    assert cursors.load("s") == "5"


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.lists(st.integers(0, 40), max_size=6), st.booleans())
def test_however_often_the_broker_fails_every_post_arrives_and_no_cursor_runs_ahead(
    last: int, breaks: list[int], fast: bool
) -> None:
    cursors = MemoryCursors()
    arrived: list[str] = []
    for breaks_after in [*breaks, None]:
        sink = Log(breaks_after)
        clock = ManualClock()
        source = Script(pages_to(last), after=lambda c=clock: None if fast else c.advance(2.0))  # type: ignore[misc]
        with suppress(PublishError):
            run(source, sink, cursors, clock=clock)
        arrived += sink.post_ids
        saved = int(cursors.load("s") or 0)
        assert set(map(str, range(1, saved + 1))) <= set(arrived)
        assert source.closed == len(source.opened)
    assert set(arrived) == {str(n) for n in range(1, last + 1)}
    assert cursors.load("s") == str(last)


def test_after_a_broken_connection_the_source_goes_on_at_its_last_cursor() -> None:
    steps: list[Step] = [*pages_to(5)]
    steps.insert(3, RetryError("connection reset"))
    clock = ManualClock()
    source, sink = Script(steps), Log()
    totals = run(source, sink, MemoryCursors(), clock=clock)
    assert source.opened == [None, "3"]
    assert sink.post_ids == ["1", "2", "3", "4", "5"]
    assert totals.retries == 1
    assert [0 < wait <= 0.5 for wait in clock.waits] == [True]


def test_waits_grow_up_to_a_limit_and_start_again_after_a_success() -> None:
    errors = [RetryError("down") for _ in range(12)]
    clock = ManualClock()
    run(
        Script([*errors, a_page(1), RetryError("again"), a_page(2, final=True)]),
        Log(),
        MemoryCursors(),
        clock=clock,
    )
    allowed = [min(BACKOFF.longest_s, 0.5 * 2**n) for n in range(12)]
    assert all(wait <= most for wait, most in zip(clock.waits, [*allowed, 0.5], strict=True))
    assert max(clock.waits) > 20.0  # twelve draws of up to a minute


def test_a_wait_that_the_platform_asks_for_is_honoured() -> None:
    clock = ManualClock(now_ms=1_000_000)
    steps: list[Step] = [
        RetryError("busy", after_s=7.0),
        RateLimitedError("quota", until_ms=1_100_000),
        a_page(1, final=True),
    ]
    run(Script(steps), Log(), MemoryCursors(), clock=clock)
    assert 7.0 <= clock.waits[0] <= 7.5  # what was asked for, and jitter above it
    assert 100.0 <= sum(clock.waits) <= 100.1


def test_a_source_that_breaks_off_without_a_final_page_is_opened_again() -> None:
    source = Script([a_page(1), a_page(2)])
    clock = ManualClock()

    async def until_third_opening() -> None:
        stop = asyncio.Event()
        runner = Runner(source, Log(), MemoryCursors(), clock=clock)
        task = asyncio.create_task(runner.run(stop))
        await when(lambda: len(source.opened) >= 3)
        stop.set()
        await task

    asyncio.run(asyncio.wait_for(until_third_opening(), 20))
    assert source.opened[:3] == [None, "2", "2"]


def test_what_is_lost_stands_in_the_next_heartbeat_before_the_cursor_is_saved() -> None:
    lost = Gap(60_000, 180_000, "away for too long")
    saved: list[str] = []

    class Told(MemoryCursors):
        def save(self, source: str, cursor: str) -> None:
            saved.append(cursor)
            assert any(beat.gap is not None for beat in sink.heartbeats)
            super().save(source, cursor)

    sink = MemorySink()
    with_word = replace(a_page(4), gap=lost)
    without_word = Page(cursor="5", gap=replace(lost, from_ms=240_000, to_ms=300_000))
    source = Script([with_word, without_word, a_page(6, final=True)])
    asyncio.run(Runner(source, sink, Told(), clock=ManualClock()).run(asyncio.Event()))
    assert [(b.until_ms, b.gap and (b.gap.from_ms, b.gap.to_ms)) for b in sink.heartbeats] == [
        (5 * MINUTE_MS, (60_000, 180_000)),
        (240_000, (240_000, 300_000)),
        (7 * MINUTE_MS, None),
    ]
    assert saved


def test_a_spend_cap_stops_it_until_there_is_money_again_and_says_so_all_the_while() -> None:
    next_month_ms = 1_700_000_000_000 + 86_400_000
    metrics = ConnectorMetrics()
    capped: list[tuple[float | None, float]] = []

    class Watched(ManualClock):
        async def sleep(self, seconds: float) -> None:
            value = metrics.registry.get_sample_value("czujka_connector_capped", {"source": "s"})
            capped.append((value, seconds))
            await super().sleep(seconds)

    clock = Watched(1_700_000_000_000)
    source = Script([a_page(1), SpendCapError("no money", next_month_ms), a_page(2, final=True)])
    runner = Runner(source, MemorySink(), MemoryCursors(), metrics, clock)
    totals = asyncio.run(runner.run(asyncio.Event()))
    assert totals.finished
    assert source.opened == [None, "1"]  # what came before is saved
    assert capped == [(1.0, 86_400.0)]
    assert metrics.registry.get_sample_value("czujka_connector_capped", {"source": "s"}) == 0.0


@pytest.mark.parametrize("error", [ConfigurationError("mend me"), FatalError("cannot go on")])
def test_an_error_that_a_person_must_mend_ends_the_run_and_keeps_what_was_done(
    error: Exception,
) -> None:
    cursors = MemoryCursors()
    source = Script([a_page(1), error])
    with pytest.raises(type(error)):
        run(source, Log(), cursors)
    assert cursors.load("s") == "1"
    assert source.closed == 1


def test_a_stop_ends_even_a_source_that_is_silent_and_saves_the_cursor() -> None:
    class Silent(Script):
        async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
            self.opened.append(cursor)
            try:
                yield a_page(1)
                await asyncio.Event().wait()
            finally:
                self.closed += 1

    source, sink, cursors = Silent([]), Log(), MemoryCursors()

    async def stop_when_published() -> Totals:
        stop = asyncio.Event()
        task = asyncio.create_task(Runner(source, sink, cursors).run(stop))
        await when(lambda: bool(sink.post_ids))
        stop.set()
        return await task

    totals = asyncio.run(asyncio.wait_for(stop_when_published(), 20))
    assert not totals.finished
    assert cursors.load("s") == "1"
    assert source.closed == 1


def test_when_a_source_falls_silent_the_cursor_of_its_last_page_is_saved() -> None:
    class Silent(Script):
        async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
            yield a_page(1)
            await asyncio.Event().wait()

    cursors = MemoryCursors()

    async def until_saved() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Runner(Silent([]), Log(), cursors).run(stop))
        await when(lambda: cursors.load("s") == "1")
        stop.set()
        await task

    asyncio.run(asyncio.wait_for(until_saved(), 20))


def test_a_gap_is_counted_with_its_length() -> None:
    metrics = ConnectorMetrics()
    gap = Gap(60_000, 150_000, "the server keeps no older events")
    totals = run(
        Script([replace(a_page(1, final=True), gap=gap)]), Log(), MemoryCursors(), metrics=metrics
    )
    value = metrics.registry.get_sample_value
    assert totals.gaps == 1
    assert value("czujka_connector_gap_seconds_total", {"source": "s"}) == 90


def test_a_source_that_must_know_is_told_only_after_everything_is_kept() -> None:
    class Answering(Script):
        told: list[tuple[str, int, str | None]] = []  # noqa: RUF012

        def acknowledge(self, cursor: str) -> None:
            self.told.append((cursor, len(sink.events), cursors.load("s")))

    sink, cursors = Log(), MemoryCursors()
    source = Answering(pages_to(3))
    run(source, sink, cursors)
    assert [(cursor, saved) for cursor, _, saved in source.told] == [(c, c) for c in "123"]
    assert all(sink.events[events - 1] == "flush" for _, events, _ in source.told)


def test_a_stop_does_not_wait_for_the_end_of_a_back_off() -> None:
    class Endless(ManualClock):
        async def sleep(self, seconds: float) -> None:
            self.waits.append(seconds)
            await asyncio.Event().wait()

    clock = Endless()
    source = Script([RateLimitedError("quota", until_ms=clock.now_ms() + 10**9)])

    async def stop_while_waiting() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Runner(source, Log(), MemoryCursors(), clock=clock).run(stop))
        await when(lambda: bool(clock.waits))
        stop.set()
        await task

    asyncio.run(asyncio.wait_for(stop_while_waiting(), 20))


def test_what_happens_is_counted() -> None:
    metrics = ConnectorMetrics()
    steps: list[Step] = [a_page(1, rejects=2), RetryError("reset"), a_page(2, final=True)]
    run(Script(steps), Log(), MemoryCursors(), metrics=metrics)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"source": "s", **labels})

    assert value("czujka_connector_posts_total", op="create") == 2
    assert value("czujka_connector_rejects_total", reason="format") == 2
    assert value("czujka_connector_heartbeats_total") == 2
    assert value("czujka_connector_retries_total", reason="broken") == 1
    assert value("czujka_connector_until_timestamp_seconds") == 180
    assert value("czujka_connector_cursor_saved_timestamp_seconds")


def test_a_cursor_on_disk_survives_and_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "cursors"
    cursors = FileCursors(folder)
    assert cursors.load("rss/żółw") is None
    cursors.save("rss/żółw", "one")
    cursors.save("rss/żółw", "two")
    cursors.save("..", "other")
    assert FileCursors(folder).load("rss/żółw") == "two"
    assert FileCursors(folder).load("..") == "other"
    assert len(list(tmp_path.rglob("*.json"))) == len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cursor": 3}', b"\xff"])
def test_a_damaged_cursor_is_not_taken_for_no_cursor(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"s\.json"):
        FileCursors(tmp_path).load("s")


def test_a_cursor_that_cannot_be_saved_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FatalError, match="cannot be saved"):
        FileCursors(tmp_path / "file").save("s", "1")
