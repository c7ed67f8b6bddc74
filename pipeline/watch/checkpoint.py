"""How the state of one partition of `tallies` lies in a Faust table.

A table value is a message of the changelog, so the state is cut into chunks, and a manifest written
after them says which ones count. Chunks are named by what they hold: a crash in the middle of
writing leaves the state before it untouched, and so does a worker that was thought dead and writes
beside the one that has the partition now. All of a partition stands in that partition of the
changelog, where order is kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import msgspec

from models.tally import Close

CHECKPOINT_VERSION = 1
CHUNK_BYTES = 512 * 1024

Writes = Sequence[tuple[bytes, bytes | None]]
"""Keys and values in their order; None deletes."""


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """Which chunks make up the state of a partition, and from where its frames are replayed."""

    version: int
    name: int  # of the chunks
    chunks: int
    crc32: int
    next_offset: int  # all frames before it are folded into the state
    declared: dict[int, list[Close]]  # what those frames declared complete


_manifest_decoder = msgspec.msgpack.Decoder(Manifest)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state read back."""

    manifest: Manifest
    state: bytes


def manifest_key(partition: int) -> bytes:
    """Key of a partition's manifest."""
    return f"{partition}/manifest".encode()


def _chunk_keys(partition: int, name: int, chunks: int) -> list[bytes]:
    return [f"{partition}/{name}/{number}".encode() for number in range(chunks)]


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as it stands in the table."""
    return msgspec.msgpack.encode(manifest)


def make_writes(
    partition: int,
    present: Iterable[bytes],
    state: bytes,
    next_offset: int,
    declared: dict[int, list[Close]],
) -> tuple[Manifest, Writes]:
    """A checkpoint, as what is to be written to the table.

    Args:
        partition: of `tallies`.
        present: the keys of the table; those of the partition that are needed no more are deleted.
        state: what is saved.
        next_offset: see `Manifest`.
        declared: see `Manifest`.

    Returns:
        The manifest, and what `carry_out` takes.
    """
    packed = zlib.compress(state, level=1)
    crc32 = zlib.crc32(packed)
    chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
    manifest = Manifest(
        version=CHECKPOINT_VERSION,
        name=crc32,
        chunks=len(chunks),
        crc32=crc32,
        next_offset=next_offset,
        declared=declared,
    )
    writes: dict[bytes, bytes | None] = {}
    writes.update(zip(_chunk_keys(partition, crc32, len(chunks)), chunks, strict=True))
    writes[manifest_key(partition)] = encode_manifest(manifest)
    ours = f"{partition}/".encode()
    for key in present:
        if key.startswith(ours):
            writes.setdefault(key, None)
    return manifest, list(writes.items())


def carry_out(table: MutableMapping[bytes, bytes], writes: Writes) -> None:
    """Writes to a table, or deletes from it, in the given order."""
    for key, value in writes:
        if value is None:
            del table[key]
        else:
            table[key] = value


def read_manifest(partition: int, table: Mapping[bytes, bytes]) -> Manifest | None:
    """The manifest of the last complete state of a partition, None if there is none.

    Raises:
        ValueError: it is of another version.
    """
    value = table.get(manifest_key(partition))
    if value is None:
        return None
    manifest = _manifest_decoder.decode(value)
    if manifest.version != CHECKPOINT_VERSION:
        raise ValueError(
            f"saved in version {manifest.version}, this watch reads {CHECKPOINT_VERSION}"
        )
    return manifest


def read_checkpoint(partition: int, table: Mapping[bytes, bytes]) -> Checkpoint | None:
    """The last complete state of a partition, None if there is none.

    Raises:
        ValueError: the state is damaged or of another version.
    """
    manifest = read_manifest(partition, table)
    if manifest is None:
        return None
    found = map(table.get, _chunk_keys(partition, manifest.name, manifest.chunks))
    packed = b"".join(chunk for chunk in found if chunk is not None)
    if zlib.crc32(packed) != manifest.crc32:
        raise ValueError("damaged: its sum does not fit")
    return Checkpoint(manifest, zlib.decompress(packed))
