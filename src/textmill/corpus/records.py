"""Records of structured files, one at a time: for the corpus and for tasks.

A record that cannot be read becomes a `BadRecord` with the reason, and reading goes on; only what
makes a whole file useless (an unknown format, a missing column) is an error. pyarrow is
imported where it is used, because tasks read JSON Lines on machines without it.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textmill.config import LimitsConfig
from textmill.corpus.charsets import UTF8
from textmill.corpus.decoding import Decoding
from textmill.corpus.lines import (
    LIMITS,
    Line,
    bomb,
    check_file,
    max_document_bytes,
    most_bytes,
    read_lines,
    unknown_kind,
    unreadable,
)
from textmill.corpus.row_groups import open_parquet
from textmill.errors import InputError

RECORD_SUFFIXES = (
    *(f"{kind}{packed}" for kind in (".jsonl", ".csv") for packed in ("", ".gz", ".zst")),
    ".parquet",
)
"""Endings of the files that `read_records` reads."""

MAX_RAW_CHARS = 2000
TOO_LONG = "too long: see limits.max_document_mib of a source"
"""The reason for which a line, a record or a document is set aside."""
_LOOK_AHEAD = 100  # records without a column after which the whole file is taken to lack it
_PARQUET_ROWS = 1000  # read at once, if they are not large
_PARQUET_BYTES = 1 << 24  # read at once, by the mean size of the rows
_REREADS = 4  # of a CSV file, in all
_LINE_BYTES = 100  # that Python needs for each of many short lines


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its values by column, and where it begins (lines and rows count from 1)."""

    values: dict[str, object]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read, the reason, and the start of it as it stands there."""

    file: str
    line: int
    reason: str
    raw: str


def read_records(
    file: Path,
    columns: Mapping[str, str] | None = None,
    limits: LimitsConfig = LIMITS,
    setting: str = "",
    decoding: Decoding | None = None,
) -> Iterator[Record | BadRecord]:
    """Return the records of a JSON Lines, CSV or Parquet file as they are read.

    Args:
        file: Its ending tells the format and the compression: one of `RECORD_SUFFIXES`.
        columns: Columns that must be there, each with the setting that names it (for messages).
            A record without one is bad. Parquet reads these columns only.
        limits: How large a record may be, and what the file may unpack to.
        setting: Where the limits are set, for messages; empty if nowhere.
        decoding: How JSON Lines or CSV are decoded, to be told what was found; None detects it.

    Raises:
        InputError: The file is missing, of an unknown kind, lacks a column, or unpacks to more than
            the limit.
    """
    name = file.name.lower()
    if not name.endswith(RECORD_SUFFIXES):
        raise InputError(unknown_kind(file, RECORD_SUFFIXES))
    check_file(file)
    columns = columns or {}
    if name.endswith(".parquet"):
        return _parquet_records(file, columns, limits, setting)
    decoding = decoding or Decoding()
    lines = read_lines(file, limits, setting, decoding)
    if name.removesuffix(".gz").removesuffix(".zst").endswith(".csv"):
        csv_lines = _CsvLines(lines, max_document_bytes(limits))
        return _csv_records(csv_lines, columns, str(file), decoding)
    return with_columns(_json_records(lines, str(file), decoding), columns, str(file))


def _json_records(
    lines: Iterator[Line], file: str, decoding: Decoding
) -> Iterator[Record | BadRecord]:
    for number, content, is_cut in lines:
        if is_cut:
            yield too_long(content, file, number)
        elif content.strip():
            yield _json_record(content.rstrip(b"\r\n"), file, number, decoding)


def _json_record(line: bytes, file: str, number: int, decoding: Decoding) -> Record | BadRecord:
    try:
        values = json.loads(line.decode())
        if b"\\ud" in line.lower():
            # Escapes such as "\ud83d" without their other half cannot be written or tokenized.
            text = json.dumps(values, ensure_ascii=False)
            values = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except UnicodeDecodeError as error:
        return BadRecord(file, number, broken(decoding, error), beginning(line))
    except json.JSONDecodeError as error:
        reason = f"not valid JSON at character {error.pos + 1}: {error.msg}"
    except RecursionError:
        reason = "not usable JSON: nested too deeply"
    except ValueError as error:
        reason = f"not usable JSON: {error}"
    else:
        if isinstance(values, dict):
            return Record(values, file, number)
        reason = f"a JSON value of type {type(values).__name__}, not an object"
    return BadRecord(file, number, reason, beginning(line))


def beginning(line: bytes) -> str:
    """Return what to show of a line that is set aside."""
    return line[: 4 * MAX_RAW_CHARS].decode(errors="replace")[:MAX_RAW_CHARS]


def too_long(line: bytes, file: str, number: int) -> BadRecord:
    """Return the bad record for a line of which only the beginning was read."""
    return BadRecord(file, number, TOO_LONG, beginning(line))


def broken(decoding: Decoding, error: UnicodeDecodeError | None = None) -> str:
    """Return the reason for which a record that cannot be decoded is set aside."""
    if decoding.name != UTF8:
        return f"not valid {decoding.name}"
    return f"not valid UTF-8 at byte {error.start + 1} of the line" if error else "not valid UTF-8"


class _CsvLines:
    """Decoded lines for csv.reader that knows which lines the current record is made of.

    Args:
        lines: those of the file.
        max_bytes: of a record.
    """

    def __init__(self, lines: Iterator[Line], max_bytes: int) -> None:
        self._source = lines
        self._again: deque[Line] = deque()
        self.max_bytes = max_bytes
        self._size = self._read = self._reread = 0
        self._held: list[Line] = []

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._source)
            self._read += len(line[1])
        _, content, is_cut = line
        # Bytes that are not UTF-8 are carried as lone surrogates until the record is whole.
        text = content.decode(errors="surrogateescape")
        self._held.append(line)
        self._size += len(content) + _LINE_BYTES
        # A quote that is never closed must not swallow a whole large file.
        if is_cut or (self._size > self.max_bytes and len(self._held) > 1):
            raise csv.Error(TOO_LONG)
        return text

    def begin(self) -> None:
        """Begin a record."""
        self._held.clear()
        self._size = 0

    def record(self) -> tuple[int, bytes]:
        """Return the number of the first line of the record, and the record as it stands there."""
        return self._held[0][0], b"".join(content for _, content, _ in self._held)

    def give_up(self) -> None:
        """Keep the first line of the current record alone, and serve the others again.

        They are given up too where lines were served again so often that time would not be linear
        in the size of the file.
        """
        self._reread += self._size
        if self._reread <= _REREADS * self._read + self.max_bytes:
            self._again.extendleft(reversed(self._held[1:]))
        del self._held[1:]


def _csv_records(
    lines: _CsvLines, columns: Mapping[str, str], file: str, decoding: Decoding
) -> Iterator[Record | BadRecord]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        lines.begin()
        row, problem = _next_row(reader, lines.max_bytes)
        if problem:
            # A quote that is never closed runs on to the end: only its first line is given up.
            lines.give_up()
        elif row is None:
            return
        elif not row:
            continue
        elif header is None:
            header = row
            _check_columns(header, columns, file)
            continue
        elif len(row) != len(header):
            problem = f"{len(row)} fields, and the header has {len(header)}"
        number, raw = lines.record()
        if not problem and not _is_utf8(raw):
            problem = broken(decoding)
        if problem or row is None or header is None:
            yield BadRecord(file, number, problem, beginning(raw).rstrip("\r\n"))
        else:
            yield Record(dict(zip(header, row, strict=True)), file, number)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _next_row(reader: Iterator[list[str]], max_chars: int) -> tuple[list[str] | None, str]:
    """Return the next row, None at the end, and the problem if it cannot be read."""
    # The limit belongs to the whole process, so it is raised for the time of this call only.
    limit = csv.field_size_limit(max_chars)
    try:
        return next(reader, None), ""
    except csv.Error as error:
        reason = str(error)
        return None, reason if reason == TOO_LONG else f"not valid CSV: {reason}"
    finally:
        csv.field_size_limit(limit)


def _parquet_records(
    file: Path, columns: Mapping[str, str], limits: LimitsConfig, setting: str
) -> Iterator[Record | BadRecord]:
    import pyarrow as pa

    line, size, most = 1, 0, most_bytes(file, limits)
    try:
        with open_parquet(file, columns, limits, setting) as parquet:
            _check_columns(parquet.schema_arrow.names, columns, str(file))
            n_rows = _rows_at_once(parquet.metadata)
            for batch in parquet.iter_batches(n_rows, columns=list(columns) or None):
                size += batch.nbytes
                if size > most:
                    raise bomb(file, limits, setting)
                for item in _batch_records(batch, str(file), line):
                    yield item
                    line += 1
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, line, one_line(error)) from None


def _rows_at_once(metadata: Any) -> int:
    """Return how many rows of a Parquet file to read at once so that they fit in memory."""
    groups = [int(metadata.row_group(i).total_byte_size) for i in range(metadata.num_row_groups)]
    row_bytes = sum(groups) // max(1, int(metadata.num_rows))
    return max(1, min(_PARQUET_ROWS, _PARQUET_BYTES // max(1, row_bytes)))


def _batch_records(batch: Any, file: str, line: int) -> Iterator[Record | BadRecord]:
    try:
        rows = batch.to_pylist()
    except ValueError:  # one value spoils the batch: find out which
        for row in range(batch.num_rows):
            yield _parquet_record(batch, row, file, line + row)
    else:
        for row, values in enumerate(rows):
            yield Record(values, file, line + row)


def _parquet_record(batch: Any, row: int, file: str, line: int) -> Record | BadRecord:
    try:
        return Record({name: batch[name][row].as_py() for name in batch.schema.names}, file, line)
    except UnicodeDecodeError as error:
        raw = error.object.decode(errors="replace")
        return BadRecord(file, line, "not valid UTF-8", raw[:MAX_RAW_CHARS])
    except ValueError as error:
        return BadRecord(file, line, f"a value has no form in Python: {error}", "")


def with_columns(
    items: Iterator[Record | BadRecord], columns: Mapping[str, str], where: str
) -> Iterator[Record | BadRecord]:
    """Yield the items; a record without a column is bad, and all of them without it an error."""
    if not columns:
        yield from items
        return
    held: list[Record | BadRecord] = []
    found: dict[str, None] = {}
    for item in items:
        held.append(item)
        if isinstance(item, Record):
            found.update(dict.fromkeys(item.values))
        if columns.keys() <= found.keys() or len(held) >= _LOOK_AHEAD:
            break
    if found:
        _check_columns(list(found), columns, where)
    for item in itertools.chain(held, items):
        yield _with_all(item, columns)


def _with_all(item: Record | BadRecord, columns: Mapping[str, str]) -> Record | BadRecord:
    if isinstance(item, BadRecord):
        return item
    missing = [column for column in columns if column not in item.values]
    if not missing:
        return item
    raw = json.dumps(item.values, ensure_ascii=False, default=str)[:MAX_RAW_CHARS]
    return BadRecord(item.file, item.line, f"has no {' and no '.join(map(repr, missing))}", raw)


def _check_columns(found: list[str], columns: Mapping[str, str], where: str) -> None:
    for column, setting in columns.items():
        if found.count(column) == 1:
            continue
        if column in found:
            raise InputError(f"{where} has more than one column {column!r} ({setting}).")
        close = difflib.get_close_matches(column, found, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        if len(found) == 1 and (";" in found[0] or "\t" in found[0]):
            guess = " Columns must be separated by commas."
        shown = ", ".join(map(repr, found[:30])) + (", ..." if len(found) > 30 else "")
        raise InputError(
            f"{where} has no column {column!r}, which {setting} names; it has {shown}.{guess} "
            f"Set {setting} to the right column."
        )


def one_line(error: BaseException) -> str:
    """Return what an error says, without line breaks and full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
