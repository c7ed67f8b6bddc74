"""The saved state of a bank: named arrays in one versioned, checked block of bytes.

Layout: magic, version, length of the header, header (JSON: name, dtype, shape of each array in
order), the arrays little-endian one after the other, CRC-32 of everything before.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = b"CZDB"
VERSION = 3
READS = (2, 3)
"""Versions that can be read; what 2 did not know of a row begins empty."""
_HEAD = struct.Struct("<4sII")


def encode_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Bytes of named arrays; the same arrays give the same bytes."""
    names = sorted(arrays)
    entries, blobs = [], []
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        entries.append({"name": name, "dtype": array.dtype.str, "shape": list(array.shape)})
        blobs.append(array.tobytes())
    header = json.dumps(entries, separators=(",", ":")).encode()
    body = _HEAD.pack(MAGIC, VERSION, len(header)) + header + b"".join(blobs)
    return body + struct.pack("<I", zlib.crc32(body))


def decode_arrays(state: bytes) -> dict[str, npt.NDArray[Any]]:
    """Named arrays from `encode_arrays`.

    Raises:
        ValueError: the bytes are damaged, of something else, or of a version that
            this release cannot read.
    """
    if len(state) < _HEAD.size + 4 or state[:4] != MAGIC:
        raise ValueError("not a saved detection state: it does not begin with CZDB")
    _, version, length = _HEAD.unpack_from(state)
    if version not in READS:
        raise ValueError(
            f"detection state of version {version}, this release reads {READS[0]} to {READS[-1]}; "
            "replay from the kept frames, or run the release that wrote it"
        )
    body, (crc,) = state[:-4], struct.unpack("<I", state[-4:])
    if zlib.crc32(body) != crc:
        raise ValueError("damaged detection state: checksum differs; use the copy before it")
    at = _HEAD.size + length
    arrays: dict[str, npt.NDArray[Any]] = {}
    for entry in json.loads(body[_HEAD.size : at]):
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        size = dtype.itemsize * math.prod(shape)
        arrays[entry["name"]] = np.frombuffer(body[at : at + size], dtype).reshape(shape).copy()
        at += size
    return arrays
