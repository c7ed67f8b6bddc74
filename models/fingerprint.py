"""Fingerprints of texts: equal for posts that say the same under other links, handles and tags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from models.folding import folded_letters
from models.sentiment.compiled import compiled

MAX_CHARS = 500
"""Of each text; what follows does not count."""
SHORT_TEXT_LETTERS = 20
"""Texts with fewer letters repeat by nature; they have no fingerprint."""
NO_FINGERPRINT = 0

_SEED = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_HALF = np.uint64(32)
_NOT_A_LETTER = 1
"""Digits and the underscore: they make words, and names of handles, but say nothing."""
_H, _T, _P, _S, _COLON, _SLASH, _AT, _HASH, _SPACE = (ord(char) for char in "htps:/@# ")


def fingerprints(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes of the letters of each text without links, handles, tags, case and diacritics.

    Args:
        texts: any texts, lone surrogates included.

    Returns:
        Shape (len(texts),); NO_FINGERPRINT for short texts.
    """
    result = np.zeros(len(texts), dtype=np.uint64)
    if not texts:
        return result
    parts = [text[:MAX_CHARS] for text in texts]
    ends = np.fromiter(accumulate(map(len, parts)), dtype=np.int64, count=len(parts))
    # A kernel takes arrays that can be written, hence a bytearray; it never writes here.
    data = bytearray("".join(parts).encode("utf-32-le", "surrogatepass"))
    _hash_letters(np.frombuffer(data, dtype=np.uint32), ends, _signs(), result)
    return result


@cache
def _signs() -> npt.NDArray[np.uint32]:
    """For each code point its folded letter, _NOT_A_LETTER, _SPACE for white space, or 0."""
    signs = folded_letters().copy()
    for char in "0123456789_":
        signs[ord(char)] = _NOT_A_LETTER
    return signs


@compiled("boolean(uint32[::1], int64, int64)")
def _link_stands_at(codes, at, end):  # type: ignore[no-untyped-def]
    """Whether ``http://`` or ``https://`` begins here, in small or capital letters."""
    if end - at < 8:
        return False
    for k, letter in enumerate((_H, _T, _T, _P)):
        if codes[at + k] | 32 != letter:
            return False
    after = at + 4
    if codes[after] | 32 == _S:
        after += 1
    return codes[after] == _COLON and codes[after + 1] == _SLASH and codes[after + 2] == _SLASH


@compiled("void(uint32[::1], int64[::1], uint32[::1], uint64[::1])")
def _hash_letters(codes, ends, signs, result):  # type: ignore[no-untyped-def]
    start = 0
    for n in range(ends.shape[0]):
        end = ends[n]
        value = _SEED
        letters = 0
        at = start
        while at < end:
            code = codes[at]
            sign = signs[code]
            if sign == _H and _link_stands_at(codes, at, end):
                while at < end and signs[codes[at]] != _SPACE:
                    at += 1
            elif code in (_AT, _HASH):
                at += 1
                while at < end and signs[codes[at]] != 0 and signs[codes[at]] != _SPACE:
                    at += 1
            else:
                if sign > _NOT_A_LETTER and sign != _SPACE:
                    value = (value ^ np.uint64(sign)) * _PRIME
                    letters += 1
                at += 1
        if letters >= SHORT_TEXT_LETTERS:
            value ^= value >> _HALF
            result[n] = max(value, np.uint64(1))
        start = end
