r"""The file that carries a sentiment model: a magic line, a JSON header, compressed arrays.

    CZUJKA-SENTIMENT\n | header length, 4 bytes, little-endian | header, JSON | zlib of the arrays

The header names format, version, languages, and shape and type of each array in their order; its
`sha256` is of the compressed arrays.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.sentiment.features import COMMON_BITS, ROW_BITS
from models.sentiment.kernel import CLASSES, DIMENSIONS

FORMAT = 2
"""Version of the layout and of the features; files of another are refused."""

UNKNOWN_LANGUAGE = "und"
"""Tag of the calibration for texts whose language is not told or not known."""

_MAGIC = b"CZUJKA-SENTIMENT\n"
_ARRAYS = ("table", "scale", "hidden", "hidden_bias", "output", "bias", "calibration", "common")
_TYPES = {"table": "int8", "common": "uint8"}


class WeightsError(ValueError):
    """A weights file is foreign, damaged, or of a format this release does not read."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A trained model.

    Attributes:
        version: name and version, such as "czujka-sentiment-1".
        languages: tag of each row of `calibration`; UNKNOWN_LANGUAGE is the first.
        table: int8 rows of the embedding-bag, shape (2**ROW_BITS, DIMENSIONS).
        scale: value of one step of each column, float32, shape (DIMENSIONS,).
        hidden: float32, shape (h, DIMENSIONS).
        hidden_bias: float32, shape (h,).
        output: float32, shape (3, DIMENSIONS + h).
        bias: float32, shape (3,).
        calibration: per language the factor of the logits and what is added to the three,
            float32, shape (len(languages), 4).
        common: how common each term is in the training texts, on a logarithmic scale from 0
            (never seen) to 255 (in every text), shape (2**COMMON_BITS,).
    """

    version: str
    languages: tuple[str, ...]
    table: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    hidden: npt.NDArray[np.float32]
    hidden_bias: npt.NDArray[np.float32]
    output: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    calibration: npt.NDArray[np.float32]
    common: npt.NDArray[np.uint8]


def dump(weights: Weights) -> bytes:
    """Content of the file for a model; the same model gives the same bytes.

    Args:
        weights: the model.

    Returns:
        The bytes to write.
    """
    arrays = [np.ascontiguousarray(getattr(weights, name)) for name in _ARRAYS]
    payload = zlib.compress(b"".join(array.tobytes() for array in arrays), 9)
    header = {
        "format": FORMAT,
        "version": weights.version,
        "row_bits": ROW_BITS,
        "languages": list(weights.languages),
        "arrays": {name: list(a.shape) for name, a in zip(_ARRAYS, arrays, strict=True)},
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    return _MAGIC + len(text).to_bytes(4, "little") + text + payload


def load(content: bytes, origin: str) -> Weights:
    """Reads what `dump` wrote.

    Args:
        content: the file's bytes.
        origin: where they come from, for messages.

    Returns:
        The model.

    Raises:
        WeightsError: foreign, damaged, or of another format; the message says which and what to do.
    """
    start = len(_MAGIC) + 4
    if not content.startswith(_MAGIC) or len(content) < start:
        raise WeightsError(f"{origin} is no sentiment weights file; `czujka train` writes one")
    stop = start + int.from_bytes(content[len(_MAGIC) : start], "little")
    try:
        header = json.loads(content[start:stop])
        layout, shapes, digest = header["format"], header["arrays"], header["sha256"]
        version, languages = str(header["version"]), tuple(map(str, header["languages"]))
        row_bits = header["row_bits"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(origin, "its header cannot be read") from error
    if (layout, row_bits) != (FORMAT, ROW_BITS):
        raise WeightsError(
            f"{origin} has format {layout} with 2^{row_bits} rows, this release reads {FORMAT} "
            f"with 2^{ROW_BITS}; train it again with `czujka train`"
        )
    payload = content[stop:]
    if hashlib.sha256(payload).hexdigest() != digest:
        raise _damaged(origin, "its checksum does not match")
    arrays = _arrays(zlib.decompress(payload), shapes, origin)
    units = arrays["hidden"].shape[0]
    expected = {
        "table": (1 << ROW_BITS, DIMENSIONS),
        "scale": (DIMENSIONS,),
        "hidden": (units, DIMENSIONS),
        "hidden_bias": (units,),
        "output": (CLASSES, DIMENSIONS + units),
        "bias": (CLASSES,),
        "calibration": (len(languages), 1 + CLASSES),
        "common": (1 << COMMON_BITS,),
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise _damaged(origin, f"{name} has shape {arrays[name].shape}, not {shape}")
    if languages[:1] != (UNKNOWN_LANGUAGE,):
        raise _damaged(origin, f"its first language is not {UNKNOWN_LANGUAGE}")
    return Weights(version=version, languages=languages, **arrays)


def _arrays(data: bytes, shapes: object, origin: str) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(shapes, dict) or set(shapes) != set(_ARRAYS):
        raise _damaged(origin, "its header names other arrays")
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name in _ARRAYS:
        kind = np.dtype(_TYPES.get(name, "float32"))
        shape = tuple(int(length) for length in shapes[name])
        size = int(np.prod(shape)) * kind.itemsize
        if at + size > len(data):
            raise _damaged(origin, "it ends early")
        # A copy, because the kernels take arrays that can be written.
        arrays[name] = np.frombuffer(data, kind, int(np.prod(shape)), at).reshape(shape).copy()
        at += size
    return arrays


def _damaged(origin: str, reason: str) -> WeightsError:
    return WeightsError(f"{origin} is damaged: {reason}; install Czujka again or train it anew")
