"""Scores batches of texts: tokenise, hash, sum weight rows, one small dense layer, softmax.

The model is an embedding-bag in the shape of fastText (Joulin et al., 2017, "Bag of Tricks for
Efficient Text Classification") with a rectified layer beside the linear one. Rows are int8 and are
added as integers, so a sum does not depend on the order of its terms.
"""

from __future__ import annotations

import numpy as np

from models.sentiment.compiled import compiled
from models.sentiment.features import MAX_FEATURES, extract
from models.sentiment.tokens import MAX_BYTES, MAX_TOKENS, tokenise

DIMENSIONS = 16
"""Width of a row of the weight table."""

CLASSES = 3


@compiled(
    "void(uint8[::1], int64[::1], int8[:, ::1], float32[::1], float32[:, ::1], float32[::1],"
    " float32[:, ::1], float32[::1], float32[:, ::1])"
)
def batch_logits(data, offsets, table, scale, hidden, hidden_bias, output, bias, logits):  # type: ignore[no-untyped-def]
    """Writes the uncalibrated logits of each text.

    Args:
        data: UTF-8 bytes of all texts.
        offsets: where each text starts, and the end of the last: shape (n + 1,).
        table: weight rows, shape (2**ROW_BITS, DIMENSIONS).
        scale: value of one step of each column of `table`, shape (DIMENSIONS,).
        hidden: weights of the rectified layer, shape (h, DIMENSIONS).
        hidden_bias: its bias, shape (h,).
        output: weights of the logits over columns then hidden units, shape (3, DIMENSIONS + h).
        bias: bias of the logits, shape (3,).
        logits: receives the logits, shape (n, 3).
    """
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    tokens = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    rows = np.empty(MAX_FEATURES, dtype=np.int32)
    owners = np.empty(0, dtype=np.int32)
    total = np.empty(DIMENSIONS, dtype=np.int32)
    bag = np.empty(DIMENSIONS, dtype=np.float32)
    units = hidden.shape[0]
    for n in range(offsets.shape[0] - 1):
        count = tokenise(data, offsets[n], offsets[n + 1], normalised, tokens)
        size = extract(normalised, tokens, count, rows, owners)
        for d in range(DIMENSIONS):
            total[d] = 0
        for k in range(size):
            row = rows[k]
            for d in range(DIMENSIONS):
                total[d] += np.int32(table[row, d])
        norm = np.float32(1.0) / np.float32(np.sqrt(max(size, 1)))
        for d in range(DIMENSIONS):
            bag[d] = np.float32(total[d]) * scale[d] * norm
        for c in range(CLASSES):
            value = bias[c]
            for d in range(DIMENSIONS):
                value += output[c, d] * bag[d]
            logits[n, c] = value
        for u in range(units):
            value = hidden_bias[u]
            for d in range(DIMENSIONS):
                value += hidden[u, d] * bag[d]
            if value > 0:
                for c in range(CLASSES):
                    logits[n, c] += output[c, DIMENSIONS + u] * value


@compiled(
    "void(uint8[::1], int64[::1], int8[:, ::1], float32[::1], float32[:, ::1], float32[::1],"
    " float32[:, ::1], float32[::1], float32[:, ::1], int64[::1], float32[:, ::1])"
)
def batch_probabilities(  # type: ignore[no-untyped-def]
    data,
    offsets,
    table,
    scale,
    hidden,
    hidden_bias,
    output,
    bias,
    calibration,
    languages,
    probabilities,
):
    """Writes the calibrated class probabilities of each text.

    Args:
        data: as in `batch_logits`, and so the next seven.
        offsets: see there.
        table: see there.
        scale: see there.
        hidden: see there.
        hidden_bias: see there.
        output: see there.
        bias: see there.
        calibration: per language the factor of the logits and what is added to the three,
            shape (languages, 4).
        languages: row of `calibration` for each text, shape (n,).
        probabilities: receives the probabilities, shape (n, 3).
    """
    batch_logits(data, offsets, table, scale, hidden, hidden_bias, output, bias, probabilities)
    for n in range(probabilities.shape[0]):
        language = languages[n]
        top = np.float32(-1e30)
        for c in range(CLASSES):
            value = probabilities[n, c] * calibration[language, 0] + calibration[language, c + 1]
            probabilities[n, c] = value
            top = max(top, value)
        whole = np.float32(0)
        for c in range(CLASSES):
            value = np.float32(np.exp(probabilities[n, c] - top))
            probabilities[n, c] = value
            whole += value
        for c in range(CLASSES):
            probabilities[n, c] /= whole
