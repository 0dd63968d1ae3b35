"""Records of CSV files."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress

from textmill.corpus.reading.columns import check_columns, has
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.lines import Line
from textmill.corpus.reading.outcomes import TOO_LONG, BadRecord, Record, beginning, undecodable

_REREADS = 4  # of a CSV file, in all
_LINE_BYTES = 100  # that Python needs for each of many short lines
_SEPARATORS = ",;\t|"
_BLANK_BEHIND_QUOTE = re.compile(rb'"[ \t]+[,;\t|\r\n]')


class CsvLines:
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

    def __iter__(self) -> CsvLines:
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

    def first(self) -> str:
        """Return the first line that is not empty, or nothing; it will be served all the same."""
        for line in self._source:
            self._read += len(line[1])
            self._again.append(line)
            if line[1].strip():
                return line[1].decode(errors="surrogateescape")
        return ""

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


def csv_records(
    lines: CsvLines, columns: Mapping[str, str], file: str, decoding: Decoding
) -> Iterator[Record | BadRecord]:
    """Yield the records below the header of a CSV file.

    Args:
        lines: of the file.
        columns: that must be there, each with the setting that names it.
        file: its name.
        decoding: how it was decoded.

    Raises:
        InputError: it lacks a column.
    """
    # Spaces after a separator are no part of a field: with them its quotes would be text.
    reader = csv.reader(
        lines, strict=True, skipinitialspace=True, delimiter=_separator(lines, columns)
    )
    header: list[str] | None = None
    while True:
        lines.begin()
        row, problem = _next_row(reader, lines.max_bytes)
        if problem:
            # A quote that is never closed runs on to the end: only its first line is given up.
            lines.give_up()
        elif row is None:
            return
        elif not row or (row == [""] and not lines.record()[1].strip()):
            continue  # an empty line
        elif header is None:
            header = [_column_name(name) for name in row]
            check_columns(header, columns, file)
            continue
        elif len(row) != len(header):
            problem = f"{len(row)} fields, and the header has {len(header)}"
        number, raw = lines.record()
        if not problem and not _is_utf8(raw):
            yield undecodable(raw.rstrip(b"\r\n"), file, number, decoding)
        elif problem or row is None or header is None:
            if _BLANK_BEHIND_QUOTE.search(raw):
                problem += " (there is a blank between it and the separator)"
            yield BadRecord(file, number, problem, beginning(raw).rstrip("\r\n"))
        else:
            yield Record(dict(zip(header, row, strict=True)), file, number)


def _separator(lines: CsvLines, columns: Mapping[str, str]) -> str:
    """Return what separates fields: the first that splits the header into the needed columns.

    If none does, it is the one that makes most columns, for the message that lists them.
    """
    header = lines.first().splitlines()[0:1]
    found = {}
    for separator in _SEPARATORS if columns else ():
        with suppress(csv.Error):
            rows = csv.reader(header, delimiter=separator, skipinitialspace=True)
            found[separator] = [_column_name(name) for name in next(rows, [])]
    for separator, names in found.items():
        if all(has(names, column) for column in columns):
            return separator
    return max(found, key=lambda separator: len(found[separator]), default=",")


def _column_name(name: str) -> str:
    """Return the name of a column, which neither spaces nor another byte order mark belong to."""
    return name.strip("\ufeff").strip()


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
        if reason.startswith("new-line character"):
            reason = "a carriage return amid the line, outside of quotes"
        return None, reason if reason == TOO_LONG else f"not valid CSV: {reason}"
    finally:
        csv.field_size_limit(limit)
