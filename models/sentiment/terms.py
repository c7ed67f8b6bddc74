"""Words and pairs of words of texts, weighed by how rare they are in the training texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.sentiment.features import COMMON_BITS, hash_terms
from models.sentiment.scorer import pack
from models.sentiment.tokens import MAX_TOKENS

_SHIFT = np.uint64(64 - COMMON_BITS)


def count_terms(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """How common each term is, on a logarithmic scale from 0 (never seen) to 255 (in every text).

    Args:
        texts: the training texts.

    Returns:
        Shape (2**COMMON_BITS,), by the upper bits of a term's hash.
    """
    counts = np.zeros(1 << COMMON_BITS, dtype=np.int64)
    for start in range(0, len(texts), 4096):
        terms, bounds = find_terms(texts[start : start + 4096])
        owners = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        cells = (terms >> _SHIFT).astype(np.int64)
        once = np.unique(owners * (1 << COMMON_BITS) + cells)
        counts += np.bincount(once % (1 << COMMON_BITS), minlength=len(counts))
    scale = 255 * np.log1p(counts) / np.log1p(max(len(texts), 1))
    return np.asarray(np.rint(scale), dtype=np.uint8)


def find_terms(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Hashes of the words and pairs of words of texts.

    Args:
        texts: any texts.

    Returns:
        The hashes, and where those of each text start and end, shape (len(texts) + 1,).
    """
    data, offsets = pack(texts)
    room = int(np.minimum(np.diff(offsets), MAX_TOKENS).sum())
    terms = np.empty(2 * room, dtype=np.uint64)
    bounds = np.zeros(len(texts) + 1, dtype=np.int64)
    size = hash_terms(data, offsets, terms, bounds)
    return terms[:size], bounds


def weigh_terms(
    terms: npt.NDArray[np.uint64], bounds: npt.NDArray[np.int64], common: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """Rarity of each term, such that the squares of a text's terms sum to 1.

    Args:
        terms: hashes.
        bounds: of the texts among them.
        common: what `count_terms` found.

    Returns:
        Shape (len(terms),), each in [0, 1].
    """
    rarity = (1 - common[(terms >> _SHIFT).astype(np.int64)] / 255.0) ** 2
    owners = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    squares = np.bincount(owners, weights=rarity**2, minlength=len(bounds) - 1)
    return np.asarray(rarity / np.sqrt(np.maximum(squares, 1e-12))[owners])
