"""Lines and rows of files that may be broken, huge or compressed, one at a time."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from connectors.base import RAW_LIMIT_BYTES
from connectors.errors import ConfigurationError

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is no record; it is skipped without being held in memory."""

MAX_ROW_LINES = 1_000
"""A CSV row over more lines has a stray quote."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    Attributes:
        number: counted from 1.
        raw: its bytes without the line's end.
        text: decoded, or None where it is no line of text.
        fault: why not, else None.
    """

    number: int
    raw: bytes
    text: str | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells, or the fault that it has."""

    number: int
    raw: bytes
    cells: list[str] | None
    fault: str | None = None


def open_lines(raw: BinaryIO) -> BinaryIO:
    """The bytes of a file, unpacked if they are gzip (told by the magic bytes, not the name).

    Raises:
        ConfigurationError: the file is UTF-16.
    """
    head = raw.read(2)
    raw.seek(0)
    if head == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 18)
    if head in (b"\xff\xfe", b"\xfe\xff"):
        raise ConfigurationError("the file is UTF-16: convert it to UTF-8 (iconv -f utf-16)")
    return raw


def read_lines(stream: BinaryIO, encoding: str = "utf-8") -> Iterator[Line]:
    """All lines; those that are too long or not text say so instead of ending the reading."""
    number = 0
    while True:
        try:
            raw = stream.readline(MAX_LINE_BYTES + 1)
            number += 1
            if not raw:
                return
            if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
                _skip_line(stream)
                yield Line(number, raw[:RAW_LIMIT_BYTES], None, f"line over {MAX_LINE_BYTES} bytes")
                continue
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield Line(number, b"", None, f"the compressed file is damaged from here on: {error}")
            return
        if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
            raw = raw[3:]
        raw = raw.rstrip(b"\r\n")
        try:
            yield Line(number, raw, raw.decode(encoding))
        except UnicodeDecodeError as error:
            yield Line(
                number,
                raw,
                None,
                f"not {encoding}: byte 0x{raw[error.start]:02x} at {error.start}; "
                "if the whole file is in another encoding, name it with --encoding",
            )


def _skip_line(stream: BinaryIO) -> None:
    while chunk := stream.readline(MAX_LINE_BYTES):
        if chunk.endswith(b"\n"):
            return


class _RowTooLongError(Exception):
    """The row goes on over too many lines."""


class _Feed:
    """Gives text lines to the csv reader, and remembers those of the row that it is at."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self.row: list[Line] = []
        self.faulty: Line | None = None

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if len(self.row) >= MAX_ROW_LINES:
            raise _RowTooLongError
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            if self.row:  # the reader asks for more only within quotes
                raise _RowTooLongError
            raise StopIteration
        if line.text is None:
            self.faulty = line
            raise _RowTooLongError
        self.row.append(line)
        return line.text + "\n"

    def back(self) -> None:
        """All but the first line of the row are to be read again, and the faulty one after."""
        rest = self.row[1:]
        if self.faulty is not None:
            rest.append(self.faulty)
        self._again.extendleft(reversed(rest))
        self.faulty = None


def read_rows(lines: Iterator[Line]) -> Iterator[Row]:
    """Rows of a CSV file with a header; the header is the first of them.

    A row whose cells do not fit the header is faulty; only its first line is given up, and the
    lines that it swallowed (a stray quote) are read again as rows of their own.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    feed = _Feed(lines)
    reader = csv.reader(feed)
    width: int | None = None
    while True:
        feed.row = []
        fault: str | None = None
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RowTooLongError:
            if feed.faulty is not None and not feed.row:
                line, feed.faulty = feed.faulty, None
                yield Row(line.number, line.raw, None, line.fault)
                continue
            fault = "a quote is opened and not closed"
        except csv.Error as error:
            fault = str(error)
        if fault is None and not cells:
            continue  # an empty line
        first = feed.row[0]
        if fault is None and width is not None and len(cells) != width:
            fault = f"{len(cells)} columns, the header has {width}"
        if fault is not None:
            feed.back()
            yield Row(first.number, first.raw, None, fault)
            continue
        width = width or len(cells)
        raw = first.raw if len(feed.row) == 1 else b"\n".join(line.raw for line in feed.row)
        yield Row(first.number, raw, cells)


def read_tabs(lines: Iterator[Line]) -> Iterator[Row]:
    """Rows of a TSV file with a header: a tab ends a cell, quotes mean nothing (as IANA says)."""
    width: int | None = None
    for line in lines:
        if line.text is None:
            yield Row(line.number, line.raw, None, line.fault)
            continue
        if not line.text:
            continue
        cells = line.text.split("\t")
        if width is None or len(cells) == width:
            width = len(cells)
            yield Row(line.number, line.raw, cells)
        else:
            fault = f"{len(cells)} columns, the header has {width}"
            yield Row(line.number, line.raw, None, fault)
