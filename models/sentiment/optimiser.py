"""Fits the embedding-bag to soft labels, one text at a time, in one thread and a fixed order."""

from __future__ import annotations

import numpy as np

from models.sentiment.compiled import compiled
from models.sentiment.features import MAX_FEATURES, extract
from models.sentiment.kernel import CLASSES, DIMENSIONS
from models.sentiment.tokens import MAX_BYTES, MAX_TOKENS, tokenise


@compiled("uint64(uint64)")
def next_random(state):  # type: ignore[no-untyped-def]
    """Next state of a 64-bit xorshift generator (Marsaglia, 2003)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@compiled(
    "float64(uint8[::1], int64[::1], int64[::1], float32[:, ::1], float32[::1], float32[:, ::1],"
    " float32[::1], float32[:, ::1], float32[::1], float32[:, ::1], float32[::1], float32[::1],"
    " float32[:, ::1], float32[::1], float64, float64, float64, uint64)"
)
def fit_pass(  # type: ignore[no-untyped-def]
    data,
    offsets,
    order,
    targets,
    weights,
    table,
    table_squares,
    hidden,
    hidden_bias,
    output,
    bias,
    hidden_squares,
    output_squares,
    bias_squares,
    rate,
    dropout,
    decay,
    seed,
):
    """One pass of Adagrad (Duchi et al., 2011) over texts, with features dropped at random.

    The table has one accumulator a row. Everything but the inputs is changed in place.

    Args:
        data: UTF-8 bytes of all texts.
        offsets: where each text starts, and the end of the last: shape (n + 1,).
        order: the texts to take, in this order.
        targets: class probabilities to fit, shape (n, 3).
        weights: weight of each text, shape (n,).
        table: weight rows, shape (2**ROW_BITS, DIMENSIONS).
        table_squares: mean squared gradients of the rows so far, shape (2**ROW_BITS,).
        hidden: shape (h, DIMENSIONS).
        hidden_bias: shape (h,).
        output: shape (3, DIMENSIONS + h).
        bias: shape (3,).
        hidden_squares: squared gradients of the hidden units, shape (h,).
        output_squares: squared gradients of `output`.
        bias_squares: squared gradients of `bias`.
        rate: learning rate.
        dropout: share of the features of a text that is left out.
        decay: shrinks the rows that a text touches by rate * decay.
        seed: state of the generator, not 0.

    Returns:
        The mean weighted cross-entropy.
    """
    normalised = np.empty(2 * MAX_BYTES + 16, dtype=np.uint8)
    tokens = np.empty((MAX_TOKENS, 6), dtype=np.int32)
    rows = np.empty(MAX_FEATURES, dtype=np.int32)
    owners = np.empty(0, dtype=np.int32)
    units = hidden.shape[0]
    bag = np.empty(DIMENSIONS, dtype=np.float32)
    bag_slope = np.empty(DIMENSIONS, dtype=np.float32)
    active = np.empty(units, dtype=np.float32)
    share = np.empty(CLASSES, dtype=np.float32)
    slope = np.empty(CLASSES, dtype=np.float32)
    state = seed
    loss = 0.0
    mass = 0.0
    threshold = np.uint64(dropout * 4294967296.0)
    low = np.uint64(0xFFFFFFFF)
    step = np.float32(rate)
    shrink = np.float32(1.0 - rate * decay)
    tiny = np.float32(1e-6)
    for n in order:
        count = tokenise(data, offsets[n], offsets[n + 1], normalised, tokens)
        size = extract(normalised, tokens, count, rows, owners)
        kept = 0
        for k in range(size):
            state = next_random(state)
            if (state & low) >= threshold:
                rows[kept] = rows[k]
                kept += 1
        if kept == 0:
            continue
        bag[:] = 0
        for k in range(kept):
            row = rows[k]
            for d in range(DIMENSIONS):
                bag[d] += table[row, d]
        norm = np.float32(1.0 / np.sqrt(kept))
        for d in range(DIMENSIONS):
            bag[d] *= norm
        for c in range(CLASSES):
            value = bias[c]
            for d in range(DIMENSIONS):
                value += output[c, d] * bag[d]
            share[c] = value
        for u in range(units):
            value = hidden_bias[u]
            for d in range(DIMENSIONS):
                value += hidden[u, d] * bag[d]
            active[u] = max(value, np.float32(0))
            if value > 0:
                for c in range(CLASSES):
                    share[c] += output[c, DIMENSIONS + u] * value
        top = max(share[0], share[1], share[2])
        whole = np.float32(0)
        for c in range(CLASSES):
            share[c] = np.exp(share[c] - top)
            whole += share[c]
        weight = weights[n]
        mass += weight
        for c in range(CLASSES):
            share[c] /= whole
            slope[c] = (share[c] - targets[n, c]) * weight
            loss -= weight * targets[n, c] * np.log(max(share[c], tiny))
        bag_slope[:] = 0
        for c in range(CLASSES):
            for d in range(DIMENSIONS):
                bag_slope[d] += slope[c] * output[c, d]
        for u in range(units):
            if active[u] > 0:
                back = np.float32(0)
                for c in range(CLASSES):
                    back += slope[c] * output[c, DIMENSIONS + u]
                    g = slope[c] * active[u]
                    output_squares[c, DIMENSIONS + u] += g * g
                    output[c, DIMENSIONS + u] -= (
                        step * g / np.sqrt(output_squares[c, DIMENSIONS + u] + tiny)
                    )
                hidden_squares[u] += back * back
                pace = step * back / np.sqrt(hidden_squares[u] + tiny)
                for d in range(DIMENSIONS):
                    bag_slope[d] += back * hidden[u, d]
                    hidden[u, d] -= pace * bag[d]
                hidden_bias[u] -= pace
        for c in range(CLASSES):
            for d in range(DIMENSIONS):
                g = slope[c] * bag[d]
                output_squares[c, d] += g * g
                output[c, d] -= step * g / np.sqrt(output_squares[c, d] + tiny)
            bias_squares[c] += slope[c] * slope[c]
            bias[c] -= step * slope[c] / np.sqrt(bias_squares[c] + tiny)
        square = np.float32(0)
        for d in range(DIMENSIONS):
            bag_slope[d] *= norm
            square += bag_slope[d] * bag_slope[d]
        square /= np.float32(DIMENSIONS)
        for k in range(kept):
            row = rows[k]
            table_squares[row] += square
            pace = step / np.sqrt(table_squares[row] + tiny)
            for d in range(DIMENSIONS):
                table[row, d] = table[row, d] * shrink - pace * bag_slope[d]
    return loss / max(mass, 1e-9)
