"""Hashed n-grams of a tokenised text: which rows of the weight table it sums.

Each token gives itself, itself in the scope of a negation, its pairs with the token before and the
token before that, and, if it is a word, the character 3- to 5-grams of it between boundary marks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.sentiment.compiled import compiled
from models.sentiment.tokens import (
    BREAK,
    MAX_BYTES,
    MAX_TOKENS,
    SHOUTED,
    STRETCHED,
    SYMBOL,
    WORD,
    tokenise,
)

ROW_BITS = 19
"""The weight table has 2**ROW_BITS rows."""

COMMON_BITS = 16
"""The table of how common terms are has 2**COMMON_BITS cells."""

MAX_FEATURES = 8 * MAX_BYTES
"""More than any text can give: its bytes and tokens are bounded."""

NEGATIONS = (
    "nie nigdy bez ani brak zaden zadna zadne nikt nic not no never none nobody nothing cannot "
    "without cant dont doesnt didnt isnt arent wasnt werent wont wouldnt couldnt shouldnt havent "
    "hasnt hadnt aint neither nor hardly nicht kein keine keinen keiner nie niemals ohne nichts "
    "ne pas jamais rien sans aucun aucune plus non mai senza niente nessuno nessuna sin nunca nada "
    "ningun ninguna jamas tampoco nao nem sem nenhum nenhuma ninguem لا ليس لم لن ما غير नहीं मत न"
)
"""Words that turn what follows, without diacritics as tokens are."""

NEGATION_SCOPE = 3
"""Words after a negation that count as negated, unless the clause ends before."""

_PRIME = np.uint64(0x100000001B3)
_OFFSET = np.uint64(0xCBF29CE484222325)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - ROW_BITS)
_HALF = np.uint64(32)
_EDGE = np.uint64(31)
_NEGATED = np.uint64(0xD6E8FEB86659FD93)
_PAIR = np.uint64(0xA0761D6478BD642F)
_SKIP = np.uint64(0xE7037ED1A0B428DB)
_SHOUT = np.uint64(0x8EBC6AF09C88C6E3)
_STRETCH = np.uint64(0x589965CC75374CC3)
_START = np.uint64(0x1D8E4E27C47D124F)
_SLOTS = 1024


@compiled("int64(uint64)")
def row_of(value):  # type: ignore[no-untyped-def]
    """Row of the weight table for a hash value."""
    return np.int64(((value ^ (value >> _HALF)) * _MIX) >> _SHIFT)


@compiled("uint64(uint8[::1], int64, int64)")
def hash_bytes(data, start, end):  # type: ignore[no-untyped-def]
    """64-bit FNV-1a of a span of bytes (Fowler, Noll, Vo)."""
    value = _OFFSET
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * _PRIME
    return value


def _negation_slots() -> npt.NDArray[np.uint64]:
    """Open-addressing set of the hashes of NEGATIONS."""
    slots = np.zeros(_SLOTS, dtype=np.uint64)
    for word in NEGATIONS.split():
        data = np.frombuffer(bytearray(word.encode()), dtype=np.uint8)
        value = np.uint64(hash_bytes(data, 0, len(data)))
        slot = int(value) % _SLOTS
        while slots[slot] != 0 and slots[slot] != value:
            slot = (slot + 1) % _SLOTS
        slots[slot] = value
    return slots


_NEGATION_SLOTS = _negation_slots()


@compiled("int64(uint8[::1], int32[:, ::1], int64, int32[::1], int32[::1])")
def extract(normalised, tokens, count, rows, owners):  # type: ignore[no-untyped-def]
    """Rows of the weight table that a tokenised text sums.

    Args:
        normalised: bytes of the tokens.
        tokens: table of `tokens.tokenise`.
        count: number of tokens.
        rows: receives the row of each feature, at least MAX_FEATURES long.
        owners: receives the token each feature ends in; empty if not wanted.

    Returns:
        The number of features.
    """
    explain = owners.shape[0] > 0
    size = 0
    before = _START
    earlier = _START
    negated = 0
    for t in range(count):
        start = tokens[t, 0]
        end = tokens[t, 1]
        kind = tokens[t, 2]
        flags = tokens[t, 3]
        first = size
        value = hash_bytes(normalised, start, end)
        rows[size] = row_of(value)
        rows[size + 1] = row_of((before ^ _PAIR) * _PRIME ^ value)
        rows[size + 2] = row_of((earlier ^ _SKIP) * _PRIME ^ value)
        size += 3
        if flags & BREAK or kind == SYMBOL:
            negated = 0
        if kind == WORD:
            if negated > 0:
                negated -= 1
                rows[size] = row_of(value ^ _NEGATED)
                size += 1
            slot = np.int64(value % np.uint64(_SLOTS))
            while _NEGATION_SLOTS[slot] != 0:
                if _NEGATION_SLOTS[slot] == value:
                    negated = NEGATION_SCOPE
                    break
                slot = (slot + 1) % _SLOTS
            if flags & SHOUTED:
                rows[size] = row_of(_SHOUT)
                size += 1
            if flags & STRETCHED:
                rows[size] = row_of(_STRETCH)
                size += 1
            # Character n-grams of ^word$, by extending a hash from each start.
            for left in range(start - 1, end - 1):
                grown = _OFFSET ^ _SKIP
                if left < start:
                    grown = (grown ^ _EDGE) * _PRIME
                else:
                    grown = (grown ^ np.uint64(normalised[left])) * _PRIME
                grown = (grown ^ np.uint64(normalised[left + 1])) * _PRIME
                for right in range(left + 2, min(left + 5, end + 1)):
                    if right < end:
                        grown = (grown ^ np.uint64(normalised[right])) * _PRIME
                    else:
                        grown = (grown ^ _EDGE) * _PRIME
                    rows[size] = row_of(grown)
                    size += 1
        if explain:
            for k in range(first, size):
                owners[k] = t
        earlier = before
        before = value
    return size


@compiled("int64(uint8[::1], int64[::1], uint64[::1], int64[::1])")
def hash_terms(data, offsets, terms, bounds):  # type: ignore[no-untyped-def]
    """Hashes of the words of texts and of their neighbouring pairs.

    Args:
        data: UTF-8 bytes of all texts.
        offsets: where each starts, and the end of the last, shape (n + 1,).
        terms: receives the hashes, as long as `2 * min(bytes, MAX_TOKENS)` of the texts together.
        bounds: receives where the hashes of each text start and end, shape (n + 1,).

    Returns:
        The number of hashes.
    """
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    tokens = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    size = 0
    bounds[0] = 0
    for n in range(offsets.shape[0] - 1):
        count = tokenise(data, offsets[n], offsets[n + 1], normalised, tokens)
        before = _START
        for t in range(count):
            value = hash_bytes(normalised, tokens[t, 0], tokens[t, 1])
            terms[size] = value * _MIX
            terms[size + 1] = ((before ^ _PAIR) * _PRIME ^ value) * _MIX
            size += 2
            before = value
        bounds[n + 1] = size
    return size
