"""Saved state continues exactly, whatever the cut, and rows move between banks."""

from __future__ import annotations

import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detection import RowSettings, make_bank
from models.detection import columns as c
from models.detection.base import ALL_ROWS, BUCKET_MS, Bank, Minute, Reading, Transition
from models.detection.state import decode_arrays, encode_arrays

from .story import Burst, Story

RATES = [0.5, 3.0, 12.0]
STORY = Story(
    rates=RATES,
    days=0.35,
    seed=5,
    night=0.9,
    bursts=[Burst(1, 300, 420, 6.0, 0.8), Burst(2, 350, 400, 7.0, 0.05)],
    blind=(200, 215),
)
MINUTES = list(STORY.minutes())


def run(bank: Bank, minutes: list[Minute]) -> list[tuple[Reading, list[Transition]]]:
    return [bank.step(minute) for minute in minutes]


def fresh() -> Bank:
    return make_bank([RowSettings()] * len(RATES))


WHOLE = fresh()
EXPECTED = run(WHOLE, MINUTES)


def same_reading(a: Reading, b: Reading) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def test_the_story_of_these_tests_has_transitions_to_get_wrong() -> None:
    assert sum(len(transitions) for _, transitions in EXPECTED) >= 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, len(MINUTES)))
def test_a_restored_bank_continues_exactly(cut: int) -> None:
    before, after = fresh(), fresh()
    run(before, MINUTES[:cut])
    after.load(before.save())
    for got, expected in zip(run(after, MINUTES[cut:]), EXPECTED[cut:], strict=True):
        assert same_reading(got[0], expected[0])
        assert got[1] == expected[1]
    assert after.save() == WHOLE.save()


def take_rows(minute: Minute, rows: list[int]) -> Minute:
    parts = {f.name: getattr(minute, f.name)[rows] for f in fields(minute) if f.name != "bucket_ms"}
    return replace(minute, **parts)


def came_from(row: int, order: list[int]) -> int:
    return row if row == ALL_ROWS else order[row]


@settings(max_examples=6, deadline=None)
@given(st.permutations(range(len(RATES))))
def test_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    bank = fresh()
    for minute, (reading, transitions) in zip(MINUTES, EXPECTED, strict=True):
        got, moved = bank.step(take_rows(minute, order))
        assert np.array_equal(got.statistic, reading.statistic[order])
        assert {(came_from(t.row, order), t.kind, t.phase, t.onset_ms) for t in moved} == {
            (t.row, t.kind, t.phase, t.onset_ms) for t in transitions
        }


def test_rows_move_to_other_positions_with_their_lives() -> None:
    cut = 340
    before = fresh()
    run(before, MINUTES[:cut])
    moved = fresh()
    moved.load(before.save())
    moved.load_rows([2, 0, 1], before.save_rows([0, 1, 2]))
    order = [1, 2, 0]
    for minute, (_, transitions) in zip(MINUTES[cut:], EXPECTED[cut:], strict=True):
        _, got = moved.step(take_rows(minute, order))
        assert {(came_from(t.row, order), t.kind, t.phase, t.revision) for t in got} == {
            (t.row, t.kind, t.phase, t.revision) for t in transitions
        }


def test_the_same_state_gives_the_same_bytes() -> None:
    first, second = fresh(), fresh()
    run(first, MINUTES[:100])
    run(second, MINUTES[:100])
    assert first.save() == second.save()


@pytest.mark.parametrize("damage", [b"", b"CZDB", b"something else entirely", b"\x80\x04pickle"])
def test_foreign_bytes_are_refused_with_the_reason(damage: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        fresh().load(damage)


def test_a_flipped_bit_is_noticed() -> None:
    state = bytearray(WHOLE.save())
    state[len(state) // 2] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        fresh().load(bytes(state))


def test_another_version_is_refused() -> None:
    state = bytearray(WHOLE.save())
    state[4] += 1
    with pytest.raises(ValueError, match="version"):
        fresh().load(bytes(state))


def test_a_state_of_the_version_before_goes_on_with_what_it_did_not_know_empty() -> None:
    before, after = fresh(), fresh()
    run(before, MINUTES[:340])
    arrays = decode_arrays(before.save())
    arrays["core"][:, c.N_CORE_2 :] = 0.0
    now = encode_arrays(arrays)
    old = bytearray(encode_arrays(arrays | {"core": arrays["core"][:, : c.N_CORE_2]})[:-4])
    old[4] = 2
    after.load(bytes(old) + zlib.crc32(old).to_bytes(4, "little"))
    before.load(now)
    assert after.save() == now
    for old_way, new_way in zip(run(after, MINUTES[340:]), run(before, MINUTES[340:]), strict=True):
        assert same_reading(old_way[0], new_way[0])


def test_the_state_of_other_brands_is_refused() -> None:
    with pytest.raises(ValueError, match="other brands"):
        make_bank([RowSettings()] * 2).load(WHOLE.save())


def test_a_refused_state_changes_nothing() -> None:
    bank = fresh()
    run(bank, MINUTES[:50])
    state = bank.save()
    with pytest.raises(ValueError, match="other brands"):
        bank.load(make_bank([RowSettings()] * 2).save())
    assert bank.save() == state


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.lists(st.floats(width=32)), max_size=4))
def test_arrays_come_back_as_they_went(arrays: dict[str, list[float]]) -> None:
    originals = {name: np.array(values, dtype=np.float32) for name, values in arrays.items()}
    restored = decode_arrays(encode_arrays(originals))
    assert restored.keys() == originals.keys()
    for name, values in originals.items():
        assert restored[name].tobytes() == values.tobytes()


def test_minutes_must_come_in_order() -> None:
    bank = fresh()
    run(bank, MINUTES[:2])
    with pytest.raises(ValueError, match="strictly increasing"):
        bank.step(MINUTES[1])


def test_a_minute_of_other_brands_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        fresh().step(take_rows(MINUTES[0], [0, 1]))


def test_a_bucket_starts_at_a_full_minute() -> None:
    with pytest.raises(ValueError, match="full minute"):
        fresh().step(replace(MINUTES[0], bucket_ms=MINUTES[0].bucket_ms + BUCKET_MS // 2))
