"""The state of watch in a Faust table: a crash in the middle of writing it harms nothing."""

from __future__ import annotations

import random

import msgspec
import pytest

from models.tally import Close
from pipeline.watch.checkpoint import (
    CHUNK_BYTES,
    Manifest,
    encode_manifest,
    make_writes,
    manifest_key,
    read_checkpoint,
)

DECLARED = {2: [Close(7, 1, 2, 3)]}


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not pack."""
    return random.Random(seed).randbytes(size)


def write(
    table: dict[bytes, bytes], last: Manifest | None, state: bytes, most: int | None = None
) -> Manifest:
    manifest, writes = make_writes(1, last, state, 42, DECLARED)
    table.update(writes[:most])
    return manifest


def test_a_state_of_several_chunks_comes_back_with_its_offset_and_what_was_declared() -> None:
    table: dict[bytes, bytes] = {}
    state = noise(1, 3 * CHUNK_BYTES)
    manifest = write(table, None, state)
    found = read_checkpoint(1, table)
    assert found is not None and found.state == state
    assert found.manifest == manifest
    assert (manifest.next_offset, manifest.declared) == (42, DECLARED)
    assert max(map(len, table.values())) <= CHUNK_BYTES


def test_there_is_nothing_to_read_before_the_first_write_and_of_other_partitions() -> None:
    table: dict[bytes, bytes] = {}
    assert read_checkpoint(1, table) is None
    write(table, None, b"state")
    assert read_checkpoint(2, table) is None


def test_a_crash_at_any_write_leaves_the_state_before_it() -> None:
    states = [noise(seed, 2 * CHUNK_BYTES + seed * 1000) for seed in range(6)]
    table: dict[bytes, bytes] = {}
    last: Manifest | None = None
    for before, state in zip([None, *states], states, strict=False):
        _, writes = make_writes(1, last, state, 42, DECLARED)
        for most in range(len(writes)):
            torn = dict(table)
            write(torn, last, state, most)
            found = read_checkpoint(1, torn)
            assert (None if found is None else found.state) == before
            # Who restarts there writes over what was left lying about.
            write(torn, None if found is None else found.manifest, b"next")
            again = read_checkpoint(1, torn)
            assert again is not None and again.state == b"next"
        last = write(table, last, state)


def test_a_smaller_state_after_a_larger_one_is_read_alone() -> None:
    table: dict[bytes, bytes] = {}
    last = None
    for state in (noise(1, 4 * CHUNK_BYTES), noise(2, 4 * CHUNK_BYTES), b"small", b"smaller"):
        last = write(table, last, state)
        found = read_checkpoint(1, table)
        assert found is not None and found.state == state


@pytest.mark.parametrize("damage", ["lost", "changed", "swapped"])
def test_a_damaged_state_is_refused(damage: str) -> None:
    table: dict[bytes, bytes] = {}
    write(table, None, noise(1, 2 * CHUNK_BYTES - 1000))
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
    manifest = write(table, None, b"state")
    newer = msgspec.structs.replace(manifest, version=manifest.version + 1)
    encoded = encode_manifest(newer)
    assert encoded is not None
    table[manifest_key(1)] = encoded
    with pytest.raises(ValueError, match="saved in version 2, this watch reads 1"):
        read_checkpoint(1, table)
