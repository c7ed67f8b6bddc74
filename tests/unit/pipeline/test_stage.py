"""What the watch agent does with a frame: publish, save, acknowledge."""

from __future__ import annotations

from msgspec.structs import replace

from models.detection.base import RowSettings
from models.tally import FRAME_VERSION, Close, Entry, Erasure, Frame, Tally
from models.watching import BrandWatch, WatchedBrand
from pipeline.watch.checkpoint import carry_out, make_writes, read_checkpoint
from pipeline.watch.stage import PartitionStage
from tests.support.plain import PlainBank


def make_watch() -> BrandWatch:
    return BrandWatch([WatchedBrand("ash", "Ash", RowSettings())], PlainBank)


def frame(
    upto: int, entries: dict[int, int], closes: tuple[int, ...] = (), block: int = 0
) -> Frame:
    return Frame(
        FRAME_VERSION,
        0,
        1,
        block,
        upto,
        [Close(bucket, 1, 1, 0) for bucket in closes],
        [Entry("ash", bucket, Tally(mentions=count)) for bucket, count in entries.items()],
        [],
    )


def test_a_frame_that_completes_minutes_gives_their_points() -> None:
    stage: PartitionStage[int] = PartitionStage(make_watch)
    assert not stage.take(0, frame(10, {100: 3})).series
    output = stage.take(1, frame(20, {101: 2}, closes=(101,)))
    assert [(p.bucket_ms // 60_000, p.mentions) for p in output.series] == [(100, 3), (101, 2)]
    assert (output.buckets, output.stale, stage.folded) == (2, False, 101)


def test_a_stale_frame_is_told_and_gives_nothing() -> None:
    stage: PartitionStage[int] = PartitionStage(make_watch)
    stage.take(0, frame(10, {100: 3}, block=1))
    output = stage.take(1, frame(5, {100: 9}))
    assert output.stale and not output.series


def test_only_frames_whose_minutes_are_all_decided_are_acknowledged() -> None:
    stage: PartitionStage[str] = PartitionStage(make_watch)
    assert not stage.worth_saving
    stage.take("a", frame(10, {100: 3}))
    stage.take("b", frame(20, {101: 2, 102: 1}, closes=(100,)))
    assert stage.worth_saving
    _, tokens = stage.settle()
    assert tokens == ["a"]
    assert not stage.worth_saving
    assert len(stage) == 1


def test_a_record_that_is_no_frame_is_acknowledged_behind_those_before_it() -> None:
    stage: PartitionStage[str] = PartitionStage(make_watch)
    stage.take("a", frame(10, {100: 3, 101: 1}))
    stage.skip("garbage")
    stage.take("b", frame(20, {}, closes=(100,)))
    assert stage.settle()[1] == []
    stage.take("c", frame(30, {}, closes=(100, 101)))
    assert stage.settle()[1] == ["a", "garbage", "b", "c"]


def test_a_stage_goes_on_from_its_checkpoint_and_the_frames_that_were_not_acknowledged() -> None:
    frames = [
        frame(10, {100: 3, 101: 1}),
        frame(20, {101: 2}, closes=(100,)),
        frame(30, {102: 5}, closes=(100, 101)),
        frame(40, {}, closes=(100, 101, 103)),
    ]
    whole: PartitionStage[int] = PartitionStage(make_watch)
    expected = [p for at, one in enumerate(frames) for p in whole.take(at, one).series]

    first: PartitionStage[int] = PartitionStage(make_watch)
    found = [p for at, one in enumerate(frames[:2]) for p in first.take(at, one).series]
    state, tokens = first.settle()
    table: dict[bytes, bytes] = {}
    carry_out(table, make_writes(0, table, state, len(tokens), first.declared)[1])
    second: PartitionStage[int] = PartitionStage(make_watch, read_checkpoint(0, table))
    assert second.folded == first.folded
    found += [p for at, one in enumerate(frames) for p in second.take(at, one).series]
    assert found == expected


def test_frames_are_let_go_before_the_first_mention_too_which_counts_after_a_restart() -> None:
    stage: PartitionStage[int] = PartitionStage(make_watch)
    for bucket in range(100, 110):
        silent = frame(bucket, {}, closes=(bucket,), block=bucket)
        stage.take(bucket, replace(silent, erased=[Erasure(bucket, post="x:1")]))
    assert stage.worth_saving
    state, tokens = stage.settle()
    assert tokens == list(range(100, 110)) and len(stage) == 0 and not stage.worth_saving
    table: dict[bytes, bytes] = {}
    carry_out(table, make_writes(0, table, state, 10, stage.declared)[1])
    heir: PartitionStage[int] = PartitionStage(make_watch, read_checkpoint(0, table))
    first = frame(200, {112: 3}, closes=(112,), block=200)
    for one in (stage, heir):
        output = one.take(11, first)
        assert [(p.bucket_ms // 60_000, p.mentions) for p in output.series] == [(112, 3)]
