"""The state of watch in a Faust table: a crash in the middle of writing it harms nothing."""

from __future__ import annotations

import random

import msgspec
import pytest

from models.tally import Close
from pipeline.watch.checkpoint import (
    CHUNK_BYTES,
    Manifest,
    carry_out,
    encode_manifest,
    make_writes,
    manifest_key,
    read_checkpoint,
)

DECLARED = {2: [Close(7, 1, 2, 3)]}


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not pack."""
    return random.Random(seed).randbytes(size)


def write(table: dict[bytes, bytes], state: bytes, most: int | None = None) -> Manifest:
    manifest, writes = make_writes(1, list(table), state, 42, DECLARED)
    carry_out(table, writes[:most])
    return manifest


def test_a_state_of_several_chunks_comes_back_with_its_offset_and_what_was_declared() -> None:
    table: dict[bytes, bytes] = {}
    state = noise(1, 3 * CHUNK_BYTES)
    manifest = write(table, state)
    found = read_checkpoint(1, table)
    assert found is not None and found.state == state
    assert found.manifest == manifest
    assert (manifest.next_offset, manifest.declared) == (42, DECLARED)
    assert max(map(len, table.values())) <= CHUNK_BYTES


def test_there_is_nothing_to_read_before_the_first_write_and_of_other_partitions() -> None:
    table: dict[bytes, bytes] = {}
    assert read_checkpoint(1, table) is None
    write(table, b"state")
    assert read_checkpoint(2, table) is None


def test_a_crash_at_any_write_leaves_a_whole_state() -> None:
    states = [noise(seed, 2 * CHUNK_BYTES + seed * 1000) for seed in range(6)]
    table: dict[bytes, bytes] = {}
    for before, state in zip([None, *states], states, strict=False):
        _, writes = make_writes(1, list(table), state, 42, DECLARED)
        told = [key for key, _ in writes].index(manifest_key(1)) + 1
        for most in range(len(writes)):
            torn = dict(table)
            write(torn, state, most)
            found = read_checkpoint(1, torn)
            assert (None if found is None else found.state) == (state if most >= told else before)
            # Who restarts there clears away what was left lying about.
            write(torn, b"next")
            again = read_checkpoint(1, torn)
            assert again is not None and again.state == b"next"
            assert len(torn) == 2
        write(table, state)


def test_two_that_write_at_once_leave_one_whole_state_however_their_writes_fall() -> None:
    rng = random.Random(5)
    start: dict[bytes, bytes] = {}
    write(start, noise(1, 2 * CHUNK_BYTES))
    states = [noise(2, 2 * CHUNK_BYTES), noise(3, 3 * CHUNK_BYTES)]
    plans = [make_writes(1, list(start), state, 42, DECLARED)[1] for state in states]
    for _ in range(200):
        order = [number for number, plan in enumerate(plans) for _ in plan]
        rng.shuffle(order)
        left = [iter(plan) for plan in plans]
        table = dict(start)
        for number in order:
            key, value = next(left[number])
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
            found = read_checkpoint(1, table)
            assert found is not None
        assert found.state in states


def test_only_the_last_state_of_a_partition_is_kept_and_the_others_are_left_alone() -> None:
    table: dict[bytes, bytes] = {}
    carry_out(table, make_writes(11, [], b"eleven", 7, {})[1])
    for state in (noise(1, 4 * CHUNK_BYTES), noise(2, 4 * CHUNK_BYTES), b"same", b"same"):
        write(table, state)
        found = read_checkpoint(1, table)
        assert found is not None and found.state == state
    assert len(table) == 4
    other = read_checkpoint(11, table)
    assert other is not None and other.state == b"eleven"


@pytest.mark.parametrize("damage", ["lost", "changed", "swapped"])
def test_a_damaged_state_is_refused(damage: str) -> None:
    table: dict[bytes, bytes] = {}
    write(table, noise(1, 2 * CHUNK_BYTES - 1000))
    first, second = (key for key in table if key != manifest_key(1))
    if damage == "lost":
        del table[second]
    elif damage == "changed":
        table[first] = table[first][:-1] + bytes([table[first][-1] ^ 1])
    else:
        table[first], table[second] = table[second], table[first]
    with pytest.raises(ValueError, match="damaged"):
        read_checkpoint(1, table)


def test_a_state_of_another_version_is_refused_with_both_versions() -> None:
    table: dict[bytes, bytes] = {}
    manifest = write(table, b"state")
    newer = msgspec.structs.replace(manifest, version=manifest.version + 1)
    table[manifest_key(1)] = encode_manifest(newer)
    with pytest.raises(ValueError, match="saved in version 2, this watch reads 1"):
        read_checkpoint(1, table)
