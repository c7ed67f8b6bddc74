"""How the state of one partition of `tallies` lies in a Faust table.

A table value is a message of the changelog, so the state is cut into chunks. Two generations take
turns, and a manifest written last says which one counts: a crash in the middle of writing leaves
the generation before untouched. All chunks of a partition stand in that partition of the changelog,
where order is kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from models.tally import Close

CHECKPOINT_VERSION = 1
CHUNK_BYTES = 512 * 1024


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """Which chunks make up the state of a partition, and from where its frames are replayed."""

    version: int
    generation: int
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


def _chunk_key(partition: int, generation: int, number: int) -> bytes:
    return f"{partition}/{generation}/{number}".encode()


def encode_manifest(manifest: Manifest | None) -> bytes | None:
    """The manifest as it stands in the table."""
    return None if manifest is None else msgspec.msgpack.encode(manifest)


def make_writes(
    partition: int,
    last: Manifest | None,
    state: bytes,
    next_offset: int,
    declared: dict[int, list[Close]],
) -> tuple[Manifest, list[tuple[bytes, bytes]]]:
    """The new manifest, and keys and values to be written in their order, the manifest last."""
    packed = zlib.compress(state, level=1)
    generation = 0 if last is None else 1 - last.generation
    chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
    manifest = Manifest(
        version=CHECKPOINT_VERSION,
        generation=generation,
        chunks=len(chunks),
        crc32=zlib.crc32(packed),
        next_offset=next_offset,
        declared=declared,
    )
    writes = [(_chunk_key(partition, generation, i), chunk) for i, chunk in enumerate(chunks)]
    writes.append((manifest_key(partition), msgspec.msgpack.encode(manifest)))
    return manifest, writes


def read_checkpoint(partition: int, table: Mapping[bytes, bytes]) -> Checkpoint | None:
    """The last complete state of a partition, None if there is none.

    Raises:
        ValueError: the state is damaged or of another version.
    """
    value = table.get(manifest_key(partition))
    if value is None:
        return None
    manifest = _manifest_decoder.decode(value)
    if manifest.version != CHECKPOINT_VERSION:
        raise ValueError(
            f"saved in version {manifest.version}, this watch reads {CHECKPOINT_VERSION}"
        )
    found = [
        table.get(_chunk_key(partition, manifest.generation, i)) for i in range(manifest.chunks)
    ]
    packed = b"".join(chunk for chunk in found if chunk is not None)
    if zlib.crc32(packed) != manifest.crc32:
        raise ValueError("damaged: its sum does not fit")
    return Checkpoint(manifest, zlib.decompress(packed))
