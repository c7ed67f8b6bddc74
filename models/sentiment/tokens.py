"""Normalisation of short posts into tokens, over UTF-8 bytes, inside numba.

One pass over the bytes gives lower-case tokens without diacritics, with URLs, handles, HTML
entities, elongation, long numbers, typographic quotes, emoji and emoticons brought to one form.
Training and inference call this same function, so their features cannot differ.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt

from models.sentiment.compiled import compiled

MAX_BYTES = 4096
"""Bytes of a text that are read; what follows does not count, so time is bounded."""

MAX_TOKENS = 1024
"""Tokens of a text that are read."""

WORD, SYMBOL, MARK = 0, 1, 2
"""Kinds of token: a word, an emoji or a run of punctuation, a stand-in for a URL or a handle."""

SHOUTED, STRETCHED, BREAK = 1, 2, 4
"""Flags of a token: in capitals, with a letter three times or more, a clause ends before it."""

URL_MARK, HANDLE_MARK = 1, 2

_FOLD_LIMIT = 0x250


def _folding_table() -> npt.NDArray[np.uint8]:
    special = {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"}
    special |= {"þ": "th", "ð": "d", "ħ": "h", "ŧ": "t", "ŋ": "n", "ĸ": "k", "ſ": "s", "ƒ": "f"}
    table = np.zeros((_FOLD_LIMIT, 2), dtype=np.uint8)
    for code in range(0x80, _FOLD_LIMIT):
        character = chr(code).lower()
        folded = special.get(character[:1], unicodedata.normalize("NFD", character)[:1])
        if folded.isascii() and folded.isalpha():
            table[code, : len(folded)] = list(folded.encode("ascii"))
    return table


_FOLD = _folding_table()
_ENTITIES = np.array(
    [
        [*name.ljust(6).encode("ascii"), value]
        for name, value in (
            ("amp;", 38), ("lt;", 60), ("gt;", 62), ("quot;", 34), ("apos;", 39), ("nbsp;", 32),
            ("#39;", 39), ("#039;", 39), ("#34;", 34),
        )
    ],
    dtype=np.uint8,
)  # fmt: skip
_SIGNS = np.zeros(128, dtype=np.bool_)
_SIGNS[list(b"!?.:;=()[]{}<>/\\|-^*~$%+")] = True
_EYES = np.zeros(128, dtype=np.bool_)
_EYES[list(b":;=")] = True
_MOUTHS = np.zeros(128, dtype=np.bool_)
_MOUTHS[list(b"DPpOo3sSc")] = True


@compiled("int64(uint8)")
def _is_alphanumeric(byte):  # type: ignore[no-untyped-def]
    """1 for ASCII letters and digits and every byte of a longer UTF-8 sequence."""
    if byte >= 128 or 48 <= byte <= 57 or 97 <= byte <= 122 or 65 <= byte <= 90:
        return 1
    return 0


@compiled("int64(uint8)")
def _hex_value(byte):  # type: ignore[no-untyped-def]
    """Value of a hexadecimal digit, -1 for another byte."""
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@compiled("int64(uint8[::1], int64, int64)")
def _entity(data, at, end):  # type: ignore[no-untyped-def]
    """Row of the HTML entity whose name starts at `at`, or -1."""
    for row in range(_ENTITIES.shape[0]):
        for column in range(6):
            wanted = _ENTITIES[row, column]
            if wanted == 32:
                return row
            if at + column >= end or data[at + column] != wanted:
                break
            if wanted == 59:
                return row
    return -1


@compiled("int64(uint8[::1], int64, int64)")
def _url_end(data, at, end):  # type: ignore[no-untyped-def]
    """End of a URL that starts at `at`, or `at` if there is none."""
    if end - at < 4:
        return at
    first = data[at] | 32
    if first == 104:  # h
        if not (data[at + 1] | 32 == 116 and data[at + 2] | 32 == 116 and data[at + 3] | 32 == 112):
            return at
        after = at + 4
        if after < end and data[after] | 32 == 115:
            after += 1
        if after < end and _is_alphanumeric(data[after]) == 1:
            return at
    elif first == 119:  # w
        if not (data[at + 1] | 32 == 119 and data[at + 2] | 32 == 119 and data[at + 3] == 46):
            return at
    else:
        return at
    stop = at + 4
    while stop < end and data[stop] > 32 and data[stop] < 128:
        stop += 1
    return stop


@compiled("int64(uint8[::1], int64, int64, uint8[::1], int32[:, ::1])")
def tokenise(data, start, end, normalised, tokens):  # type: ignore[no-untyped-def]
    """Splits one text into normalised tokens.

    Args:
        data: UTF-8 bytes of many texts; malformed sequences count as blanks.
        start: first byte of the text.
        end: byte after the text.
        normalised: receives the bytes of the tokens, at least 2 * MAX_BYTES long.
        tokens: receives one row a token (first byte, byte after, kind, flags, first source byte,
            source byte after), shape (MAX_TOKENS, 6); source bytes count from `start`.

    Returns:
        The number of tokens.
    """
    end = min(end, start + MAX_BYTES)
    count = 0
    size = 0  # bytes written
    opened = -1  # where the open token begins in `normalised`; -1: none is open
    origin = 0  # where it begins in `data`
    kind = WORD
    flags = 0
    pending = 0  # flags for the next token
    capitals = 0
    letters = 0
    digits = 0
    i = start
    while i < end:
        byte = data[i]
        here = i
        code = 0
        code = byte
        length = 1
        if byte >= 128:
            if byte >= 0xF0 and byte < 0xF8:
                length = 4
                code = byte & 7
            elif byte >= 0xE0 and byte < 0xF0:
                length = 3
                code = byte & 15
            elif byte >= 0xC2 and byte < 0xE0:
                length = 2
                code = byte & 31
            else:
                code = 32
            if i + length > end:
                code = 32
                length = 1
            for k in range(1, length):
                if data[i + k] & 0xC0 != 0x80:
                    code = 32
                    length = 1
                    break
                code = (code << 6) | (data[i + k] & 0x3F)
        elif byte == 38:  # &
            row = _entity(data, i + 1, end)
            if row >= 0:
                code = _ENTITIES[row, 6]
                while data[i + length] != 59:
                    length += 1
                length += 1
        elif byte == 92 and i + 6 <= end and data[i + 1] == 117:  # \u2019, literally
            code = 0
            for k in range(2, 6):
                value = _hex_value(data[i + k])
                if value < 0:
                    code = -1
                    break
                code = code * 16 + value
            if code < 0:
                code = 92
            else:
                length = 6
        i += length

        # One spelling for one meaning.
        if code >= 0x2010:
            if code == 0x2018 or code == 0x2019 or code == 0x02BC:
                code = 39
            elif code <= 0x2015:
                code = 45
            elif 0xFF01 <= code <= 0xFF5E:
                code -= 0xFEE0
            elif code == 0x2028 or code == 0x2029 or code == 0x3000:
                code = 32
            elif (
                code <= 0x200F
                or 0x202A <= code <= 0x202E
                or 0x2060 <= code <= 0x206F
                or 0xFE00 <= code <= 0xFE0F
                or code == 0xFEFF
                or 0x1F3FB <= code <= 0x1F3FF
                or 0xE0000 <= code <= 0xE007F
            ):
                continue
        elif (
            0x300 <= code <= 0x36F
            or code == 0xAD
            or 0x64B <= code <= 0x652
            or code == 0x640
            or 0x200B <= code <= 0x200F
        ):
            continue

        # What the character is: 0 a blank, 1 part of a word, 2 a sign, 3 an emoji.
        role = 0
        folded = np.uint8(0)
        folded_second = np.uint8(0)
        raw = False
        upper = False
        if code < 128:
            if 97 <= code <= 122:
                role = 1
                folded = np.uint8(code)
            elif 65 <= code <= 90:
                role = 1
                folded = np.uint8(code + 32)
                upper = True
            elif 48 <= code <= 57:
                role = 1
                folded = np.uint8(code)
            elif code == 39:
                if opened >= 0 and kind == WORD and i < end and _is_alphanumeric(data[i]) == 1:
                    continue
            elif code == 64:  # @
                stop = i
                while stop < end and (
                    data[stop] == 95 or (data[stop] < 128 and _is_alphanumeric(data[stop]) == 1)
                ):
                    stop += 1
                if stop > i and opened < 0:
                    i = stop
                    role = 4
            elif code == 44:
                pending |= BREAK
            elif _SIGNS[code]:
                role = 2
        elif code < _FOLD_LIMIT:
            folded = _FOLD[code, 0]
            folded_second = _FOLD[code, 1]
            if folded != 0:
                role = 1
            elif code >= 0xC0 and code != 0xD7 and code != 0xF7:
                role = 1
                raw = True
        elif code == 0x2026:
            role = 2
        elif 0x20A0 <= code <= 0x2BFF or 0x1F000 <= code <= 0x1FBFF or code == 0x203C:
            role = 3
        elif 0xD800 <= code <= 0xDFFF or 0x2000 <= code <= 0x206F or 0x3001 <= code <= 0x303F:
            role = 0
        elif code == 0x60C or code == 0x61B or code == 0x964:
            pending |= BREAK
        elif code == 0x61F:
            role = 2
        else:
            role = 1
            raw = True

        if role == 1 and (opened < 0 or kind != WORD) and length == 1 and byte >= 65:
            stop = _url_end(data, here, end)
            if stop > here:
                i = stop
                role = 5

        # An open token ends where another kind of character begins.
        if opened >= 0 and not ((role == 1 and kind == WORD) or (role == 2 and kind == SYMBOL)):
            if kind == WORD:
                if capitals >= 2 and capitals == letters:
                    flags |= SHOUTED
            elif size - opened == 1 and normalised[opened] != 33 and normalised[opened] != 63:
                size = opened
                opened = -1
                pending |= BREAK
            else:
                pending |= BREAK
            if opened >= 0:
                tokens[count, 0] = opened
                tokens[count, 1] = size
                tokens[count, 2] = kind
                tokens[count, 3] = flags
                tokens[count, 4] = origin - start
                tokens[count, 5] = here - start
                count += 1
                opened = -1
                if count >= MAX_TOKENS - 1:
                    return count

        if role == 1:
            if opened < 0:
                opened = size
                origin = here
                kind = WORD
                flags = pending
                pending = 0
                capitals = 0
                letters = 0
                digits = 0
            if raw:
                # Greek and Cyrillic have capitals as well.
                if 0x391 <= code <= 0x3A9 or 0x410 <= code <= 0x42F:
                    code += 32
                elif 0x400 <= code <= 0x40F:
                    code += 80
                if length == 2 and code < 0x800:
                    normalised[size] = np.uint8(0xC0 | (code >> 6))
                    normalised[size + 1] = np.uint8(0x80 | (code & 63))
                    size += 2
                elif code < 0x10000:
                    normalised[size] = np.uint8(0xE0 | (code >> 12))
                    normalised[size + 1] = np.uint8(0x80 | ((code >> 6) & 63))
                    normalised[size + 2] = np.uint8(0x80 | (code & 63))
                    size += 3
                else:
                    normalised[size] = np.uint8(0xF0 | (code >> 18))
                    normalised[size + 1] = np.uint8(0x80 | ((code >> 12) & 63))
                    normalised[size + 2] = np.uint8(0x80 | ((code >> 6) & 63))
                    normalised[size + 3] = np.uint8(0x80 | (code & 63))
                    size += 4
            else:
                if 48 <= folded <= 57:
                    digits += 1
                    if digits > 3:
                        continue
                    if digits == 3:
                        normalised[size - 1] = 48
                        normalised[size - 2] = 48
                        folded = np.uint8(48)
                else:
                    digits = 0
                    letters += 1
                    if upper:
                        capitals += 1
                    if (
                        size - opened >= 2
                        and normalised[size - 1] == folded
                        and normalised[size - 2] == folded
                    ):
                        flags |= STRETCHED
                        continue
                normalised[size] = folded
                size += 1
                if folded_second != 0:
                    normalised[size] = folded_second
                    size += 1
        elif role == 2:
            if opened < 0:
                opened = size
                origin = here
                kind = SYMBOL
                flags = pending
                pending = 0
            if code == 0x61F:
                code = 63
            if code == 0x2026:
                normalised[size] = 46
                normalised[size + 1] = 46
                size += 2
            elif not (
                size - opened >= 2 and normalised[size - 1] == code and normalised[size - 2] == code
            ):
                normalised[size] = np.uint8(code)
                size += 1
            # The letter of an emoticon, as in :D and <3.
            if i < end and data[i] < 128 and (i + 1 >= end or _is_alphanumeric(data[i + 1]) == 0):
                first = normalised[opened]
                plain = size - opened == 1 or (size - opened == 2 and code == 45)
                if (plain and _EYES[first] and _MOUTHS[data[i]]) or (
                    size - opened == 1 and first == 60 and data[i] == 51
                ):
                    normalised[size] = data[i] | 32
                    size += 1
                    i += 1
        elif role >= 3:
            if count > 0 and role == 3:
                # The same emoji over and over counts twice.
                same = 0
                for back in range(1, min(count, 2) + 1):
                    first = tokens[count - back, 0]
                    if tokens[count - back, 1] - first == length and tokens[count - back, 2] == 1:
                        equal = True
                        for k in range(length):
                            if normalised[first + k] != data[here + k]:
                                equal = False
                        if equal:
                            same += 1
                if same == 2:
                    continue
            tokens[count, 0] = size
            if role == 3 and length != 6:
                for k in range(length):
                    normalised[size + k] = data[here + k]
                size += length
                tokens[count, 2] = SYMBOL
            elif role == 3:
                normalised[size] = np.uint8(0xE0 | (code >> 12))
                normalised[size + 1] = np.uint8(0x80 | ((code >> 6) & 63))
                normalised[size + 2] = np.uint8(0x80 | (code & 63))
                size += 3
                tokens[count, 2] = SYMBOL
            else:
                normalised[size] = np.uint8(URL_MARK if role == 5 else HANDLE_MARK)
                size += 1
                tokens[count, 2] = MARK
            tokens[count, 1] = size
            tokens[count, 3] = pending
            tokens[count, 4] = here - start
            tokens[count, 5] = i - start
            pending = 0
            count += 1
            if count >= MAX_TOKENS - 1:
                return count

    if opened >= 0:
        if kind == WORD and capitals >= 2 and capitals == letters:
            flags |= SHOUTED
        if kind == WORD or size - opened > 1 or normalised[opened] in (33, 63):
            tokens[count, 0] = opened
            tokens[count, 1] = size
            tokens[count, 2] = kind
            tokens[count, 3] = flags
            tokens[count, 4] = origin - start
            tokens[count, 5] = end - start
            count += 1
    return count
