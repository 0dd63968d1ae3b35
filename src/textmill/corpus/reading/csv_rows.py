"""Records of CSV files."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from textmill.corpus.reading.columns import check_columns, has_column
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.lines import Line
from textmill.corpus.reading.outcomes import TOO_LONG, BadRecord, Record, beginning, undecodable
from textmill.errors import InputError, listed

_REREADS = 4  # maximum times that a CSV file is parsed, on average
_LINE_BYTES = 100  # memory overhead of a short line in Python
_SEPARATORS = ",;\t|"
_SPACE_AFTER_QUOTE = re.compile(rb'"[ \t]+[,;\t|\r\n]')


class CsvLines:
    """Decoded lines for csv.reader, which tracks the lines of the current record.

    Args:
        lines: lines of the file.
        max_bytes: maximum size of a record.
    """

    def __init__(self, lines: Iterator[Line], max_bytes: int) -> None:
        self._source = lines
        self._again: deque[Line] = deque()
        self.max_bytes = max_bytes
        self._size = self._read = self._reread = 0
        self._held: list[Line] = []

    def __iter__(self) -> CsvLines:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        else:
            line = next(self._source)
            self._read += len(line[1])
        _, content, is_cut = line
        # Invalid UTF-8 is carried as lone surrogates until the record is complete.
        text = content.decode(errors="surrogateescape")
        self._held.append(line)
        self._size += len(content) + _LINE_BYTES
        # A quote that is never closed must not swallow a whole large file.
        if is_cut or (self._size > self.max_bytes and len(self._held) > 1):
            raise csv.Error(TOO_LONG)
        return text

    def first(self) -> str:
        """Return the first non-empty line, or an empty string, without consuming it."""
        for line in self._source:
            self._read += len(line[1])
            self._again.append(line)
            if line[1].strip():
                return line[1].decode(errors="surrogateescape")
        return ""

    def begin(self) -> None:
        """Start a new record."""
        self._held.clear()
        self._size = 0

    def record(self) -> tuple[int, bytes]:
        """Return the line number and the raw bytes of the current record."""
        return self._held[0][0], b"".join(content for _, content, _ in self._held)

    def reject_first_line(self) -> None:
        """Reduce the current record to its first line, and push the others back.

        They are dropped as well if too many lines were pushed back, to keep the time linear in the
        size of the file.
        """
        self._reread += self._size
        if self._reread <= _REREADS * self._read + self.max_bytes:
            self._again.extendleft(reversed(self._held[1:]))
        del self._held[1:]


def csv_records(
    lines: CsvLines,
    columns: Mapping[str, str],
    file: str,
    decoding: Decoding,
    separator: str | None = None,
    choices: Collection[Collection[str]] = (),
) -> Iterator[Record | BadRecord]:
    """Yield the records below the header of a CSV file.

    Args:
        lines: lines of the file.
        columns: required columns, each with the setting that names it.
        file: name of the file.
        decoding: how the file was decoded.
        separator: of its fields. None: found by the columns.
        choices: sets of columns of which the file has one, instead of required columns.

    Raises:
        InputError: a column is missing; or, with choices, there are two of the same name.
    """
    # Spaces after a separator are skipped: otherwise quotes after them would be text.
    separator = separator or _separator(lines, choices or [columns])
    reader = csv.reader(lines, strict=True, skipinitialspace=True, delimiter=separator)
    header: list[str] | None = None
    while True:
        lines.begin()
        row, problem = _next_row(reader, lines.max_bytes)
        if problem:
            # An unclosed quote would extend to the end of the file: reject only its first line.
            lines.reject_first_line()
        elif row is None:
            return
        elif not row or (row == [""] and not lines.record()[1].strip()):
            continue  # an empty line
        elif header is None:
            header = [_column_name(name) for name in row]
            check_columns(header, columns, file)
            if choices:  # of which all columns are kept
                check_unique(header, file)
            continue
        elif len(row) != len(header):
            problem = f"{len(row)} fields, and the header has {len(header)}"
        number, raw = lines.record()
        if not problem and not _is_utf8(raw):
            yield undecodable(raw.rstrip(b"\r\n"), file, number, decoding)
        elif problem or row is None or header is None:
            if _SPACE_AFTER_QUOTE.search(raw):
                problem += " (there is a space between it and the separator)"
            yield BadRecord(file, number, problem, beginning(raw).rstrip("\r\n"))
        else:
            yield Record(dict(zip(header, row, strict=True)), file, number)


def _separator(lines: CsvLines, choices: Iterable[Collection[str]]) -> str:
    """Return the first separator that splits the header into the columns of one of the choices.

    If none does, the one that yields most columns, for the message that lists them.
    """
    choices = [columns for columns in choices if columns]
    header = lines.first().splitlines()[0:1]
    found = {}
    for separator in _SEPARATORS if choices else ():
        with suppress(csv.Error):
            rows = csv.reader(header, delimiter=separator, skipinitialspace=True)
            found[separator] = [_column_name(name) for name in next(rows, [])]
    for separator, names in found.items():
        if any(all(has_column(names, c) for c in columns) for columns in choices):
            return separator
    return max(found, key=lambda separator: len(found[separator]), default=",")


def check_unique(header: Sequence[str], file: str) -> None:
    """Raise InputError if two columns of a file have the same name."""
    repeated = [name for name, n in Counter(header).items() if n > 1]
    if repeated:
        raise InputError(
            f"{file} has more than one column {listed(map(repr, repeated))}: rename all but one."
        )


def _column_name(name: str) -> str:
    """Return the name of a column, without surrounding spaces and byte order mark."""
    return name.strip("\ufeff").strip()


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _next_row(reader: Iterator[list[str]], max_chars: int) -> tuple[list[str] | None, str]:
    """Return the next row, None at the end, and the problem if it cannot be read."""
    # The limit is global to the process: raised for the duration of this call only.
    limit = csv.field_size_limit(max_chars)
    try:
        return next(reader, None), ""
    except csv.Error as error:
        reason = str(error)
        if reason.startswith("new-line character"):
            reason = "a carriage return within the line, outside of quotes"
        return None, reason if reason == TOO_LONG else f"not valid CSV: {reason}"
    finally:
        csv.field_size_limit(limit)
