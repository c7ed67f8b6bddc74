"""Posts from a file: CSV, TSV or JSON lines, each as it is or packed with gzip.

`FileReader` reads without asyncio and without a broker, which is what the backtest needs;
`FileSource` is the same as a source of the runner.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import msgspec

from connectors.base import RAW_LIMIT_BYTES, Page, Pages, Reject
from connectors.errors import ConfigurationError, MalformedError
from connectors.fields import FieldMap, PostBuilder
from connectors.lines import Line, Row, open_lines, read_lines, read_rows, read_tabs
from connectors.ordering import REORDER_RECORDS, in_time_order, paginate
from connectors.privacy import Privacy
from models.post import Post

Format = Literal["csv", "tsv", "jsonl"]

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file.

    Attributes:
        fields: which column is which field.
        source: name of the connector instance.
        platform: of posts whose record names none.
        format: None: told by the name of the file.
        encoding: of the text; records that are not in it become rejects.
        zone: of times that name none.
        reorder: records that the reorder buffer holds.
        privacy: authors become pseudonyms and texts are masked as they are read, so that a
            backtest sees what a replay publishes.
    """

    fields: FieldMap = field(default_factory=FieldMap)
    source: str = "file"
    platform: str = "file"
    format: Format | None = None
    encoding: str = "utf-8"
    zone: tzinfo = UTC
    reorder: int = REORDER_RECORDS
    privacy: Privacy = field(default_factory=Privacy.for_files)


class FileReader:
    """Reads one file. How far it is can be looked up at any time.

    Attributes:
        total_bytes: size of the file (packed, if it is packed).
        late: posts that came late because the reorder buffer was too small for the file.

    Raises:
        ConfigurationError: the file is not there or not readable, its format or encoding is not
            known.
    """

    def __init__(self, path: Path, options: FileOptions | None = None) -> None:
        self._path = path
        self._options = options or FileOptions()
        self._format = self._options.format or _format_of(path)
        self._raw: BinaryIO | None = None
        self.late = 0
        try:
            codecs.lookup(self._options.encoding)
            with path.open("rb") as stream:
                head = stream.read(65_536)
            self.total_bytes = path.stat().st_size
        except LookupError as error:
            raise ConfigurationError(f"--encoding {self._options.encoding}: {error}") from error
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}") from error
        self._fingerprint = self._fingerprint_of(head)

    @property
    def read_bytes(self) -> int:
        """Bytes of the file that were read so far (packed, if it is packed)."""
        return 0 if self._raw is None or self._raw.closed else self._raw.tell()

    def pages(self, cursor: str | None = None) -> Iterator[Page]:
        """All pages behind a cursor. The order depends on the file and the options alone.

        Raises:
            ConfigurationError: the cursor is of another file or other options, or a column that
                the options name is not there.
        """
        skip = 0 if cursor is None else self._skip(cursor)
        ordered = in_time_order(
            self.records(),
            place=str(self._path),
            limit=self._options.reorder,
            on_late=self._count_late,
        )
        return paginate(ordered, lambda number: f"{self._fingerprint}:{number}", skip)

    def records(self) -> Iterator[Post | Reject]:
        """Every record of the file in its own order."""
        with self._path.open("rb") as raw:
            self._raw = raw
            try:
                stream = open_lines(raw)
            except ConfigurationError as error:
                raise ConfigurationError(f"{self._path}: {error}") from error
            lines = read_lines(stream, self._options.encoding)
            if self._format == "jsonl":
                yield from self._from_objects(lines)
            elif self._format == "tsv":
                yield from self._from_rows(read_tabs(lines))
            else:
                yield from self._from_rows(read_rows(lines))

    def _from_rows(self, rows: Iterator[Row]) -> Iterator[Post | Reject]:
        builder: PostBuilder | None = None
        protect = self._options.privacy.protect
        for row in rows:
            if row.cells is None:
                yield self._reject(row.number, row.raw, row.fault or "no row")
                continue
            if builder is None:
                place = f"{self._path}:{row.number}"
                getters = self._options.fields.getters_for_header(row.cells, place)
                builder = self._builder(getters)
                continue
            try:
                yield from protect(builder.build(row.cells, row.number, row.raw))
            except MalformedError as error:
                yield self._reject(row.number, row.raw, str(error))

    def _from_objects(self, lines: Iterator[Line]) -> Iterator[Post | Reject]:
        builder = self._builder(self._options.fields.getters_for_objects())
        decode = msgspec.json.Decoder().decode
        protect = self._options.privacy.protect
        for line in lines:
            if line.text is None:
                yield self._reject(line.number, line.raw, line.fault or "no text")
                continue
            if not line.text or line.text.isspace():
                continue
            try:
                record = decode(line.text)
            except (msgspec.DecodeError, RecursionError) as error:
                yield self._reject(line.number, line.raw, f"not JSON: {error}")
                continue
            if not isinstance(record, dict):
                yield self._reject(line.number, line.raw, "not a JSON object")
                continue
            try:
                yield from protect(builder.build(record, line.number, line.raw))
            except MalformedError as error:
                yield self._reject(line.number, line.raw, str(error))

    def _builder(self, getters: dict[str, Callable[[object], object]]) -> PostBuilder:
        options = self._options
        return PostBuilder(
            getters, source=options.source, platform=options.platform, zone=options.zone
        )

    def _reject(self, number: int, raw: bytes, reason: str) -> Reject:
        place = f"{self._path.name}:{number}"
        return self._options.privacy.reject(Reject(raw[:RAW_LIMIT_BYTES], reason, place))

    def _count_late(self, _post: Post) -> None:
        self.late += 1

    def _fingerprint_of(self, head: bytes) -> str:
        options = self._options
        shape = (self.total_bytes, self._format, options.encoding, options.reorder)
        content = repr((shape, sorted(options.fields.columns.items()))).encode() + head
        return blake2b(content, digest_size=6).hexdigest()

    def _skip(self, cursor: str) -> int:
        fingerprint, _, number = cursor.partition(":")
        if fingerprint != self._fingerprint or not number.isdecimal():
            raise ConfigurationError(
                f"{self._path}: the saved cursor '{cursor}' is of another file or of other "
                "options: repeat with the old ones, or begin again with --from-start"
            )
        return int(number)


def read_file(path: Path, mapping: FieldMap | None = None) -> Iterator[Page]:
    """Pages of posts in the order of time, with no broker and no event loop.

    Example:
        ``for page in read_file(Path("posts.csv"), FieldMap.parse(["author=name"])): …``

    Raises:
        ConfigurationError: see `FileReader`.
    """
    return FileReader(path, FileOptions(fields=mapping or FieldMap())).pages()


class FileSource:
    """A file as a source."""

    def __init__(self, path: Path, options: FileOptions | None = None) -> None:
        self._options = options or FileOptions()
        self.reader = FileReader(path, self._options)

    @property
    def name(self) -> str:
        """Name of this instance."""
        return self._options.source

    async def pages(self, cursor: str | None) -> Pages:
        """All pages after the cursor; reading is done beside the event loop."""
        pages = self.reader.pages(cursor)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page


def _format_of(path: Path) -> Format:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if suffixes and suffixes[-1] in _SUFFIXES:
        return _SUFFIXES[suffixes[-1]]
    raise ConfigurationError(
        f"{path}: the name does not tell the format: add --format {'|'.join(get_args(Format))}"
    )
