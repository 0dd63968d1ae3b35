"""Rows to predict, from files, standard input, or an argument."""

from __future__ import annotations

import codecs
import glob
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal, cast

from textmill.config import AUTO
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.folders import Links, files_matching
from textmill.corpus.reading.lines import LIMITS, check_file
from textmill.corpus.reading.records import (
    PEEK_RECORDS,
    RECORD_SUFFIXES,
    TEXT,
    TOO_LONG,
    BadRecord,
    Record,
    read_text_records,
    read_whole_records,
    record_format,
)
from textmill.corpus.reading.sources import TEXT_SUFFIXES
from textmill.errors import InputError
from textmill.tasks.inputs import Input
from textmill_flows.answering.input_columns import InputColumns

InputFormat = Literal["text", "jsonl", "csv", "tsv", "parquet"]

STANDARD_INPUT, ARGUMENT = Path("standard input"), Path("the text")
"""Names in messages."""


@dataclass(frozen=True, slots=True)
class InputRow:
    """A row that can be predicted."""

    values: dict[str, object]
    """Its columns."""
    given: Input
    """The input of the model."""
    columns: Mapping[str, str]
    """The columns with the input, by the model's columns."""
    place: str
    """FILE:LINE."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be predicted, and the reason."""

    place: str
    reason: str


@dataclass(frozen=True)
class Source:
    """A file, or something like it, with rows."""

    file: Path
    """Or what it is called in messages."""
    form: InputFormat | None
    """None: the name of the file says it."""
    stream: io.BufferedReader | None = None
    """Its content, which can be read once; None: that of the file."""
    encoding: str = AUTO


def file_sources(
    patterns: Iterable[str], form: InputFormat | None, setting: str = "--file"
) -> list[Source]:
    """Return the sources of files.

    Args:
        patterns: paths, or patterns such as `data/*.csv`; - is standard input.
        form: their format; None: their names say it.
        setting: the option or setting that gives them, for messages.

    Raises:
        InputError: there is no such file.
    """
    sources = []
    for pattern in patterns:
        if pattern == "-":
            sources.append(standard_input(form))
            continue
        if Path(pattern).exists() or not glob.has_magic(pattern):
            files = [Path(pattern)]
        else:
            files = files_matching(pattern, Links(follow=True, setting=setting))
        if not files:
            raise InputError(f"{setting} {pattern}: no file matches; correct the pattern.")
        for file in files:
            check_file(file)
        sources += [Source(file, form) for file in files]
    return sources


def standard_input(form: InputFormat | None) -> Source:
    """Return the source of standard input, in the encoding that it is set up for."""
    encoding = codecs.lookup(sys.stdin.encoding or "utf-8").name
    return Source(STANDARD_INPUT, form, cast(io.BufferedReader, sys.stdin.buffer), encoding)


def argument_source(text: str, columns: InputColumns) -> Source:
    """Return the source of a text argument, which is an object of JSON with several columns."""
    is_object = len(columns.names) > 1
    line = " ".join(text.split("\n")) if is_object else json.dumps({TEXT: text})
    content = cast(io.BufferedReader, io.BufferedReader(io.BytesIO(line.encode())))
    return Source(ARGUMENT, "jsonl", content)


class InputRows:
    """The rows of sources, in their order.

    Args:
        sources: where to read.
        columns: the columns of the model's input.

    Raises:
        InputError: the format of a source is unknown, or has no such columns.
    """

    def __init__(self, sources: Sequence[Source], columns: InputColumns) -> None:
        self.sources, self.columns = sources, columns
        self._formats = [self._format_of(source) for source in sources]
        streams = [source.stream for source in sources]
        self.can_be_read_again = not any(streams)
        self._sizes = [0 if any(streams) else source.file.stat().st_size for source in sources]
        self._n_read = 0  # bytes of the files before
        self._current: io.BufferedReader | None = None
        self._share = 0.0  # of the rows of a Parquet file

    def share(self) -> float | None:
        """Return the share of the input that has been read; None if its size is unknown."""
        total = sum(self._sizes)
        if not total:
            return None
        current = self._current.tell() if self._current and not self._current.closed else 0
        return min(1.0, (self._n_read + current) / total + self._share)

    def __iter__(self) -> Iterator[InputRow | BadRow]:
        """Yield the rows, also those that cannot be predicted.

        Raises:
            InputError: a file cannot be read, or has no such column.
        """
        self._n_read = 0
        for source, form, size in zip(self.sources, self._formats, self._sizes, strict=True):
            try:
                yield from self._rows_of(source, form, size)
            except OSError as error:
                raise InputError(f"{source.file} cannot be read: {error.strerror}.") from None
            self._n_read += size
            self._current, self._share = None, 0.0

    def _format_of(self, source: Source) -> InputFormat:
        form = source.form or record_format(source.file)
        has_several = len(self.columns.names) > 1
        names = " and ".join(self.columns.names)
        is_text = source.stream is not None or source.file.name.lower().endswith(TEXT_SUFFIXES)
        if form is None and is_text:
            form = "jsonl" if has_several else "text"
        if form is None:
            known = ", ".join((*TEXT_SUFFIXES, *RECORD_SUFFIXES))
            raise InputError(
                f"The name of {source.file} does not say its format: pass --format text, jsonl, "
                f"csv, tsv or parquet, or rename it to end in one of {known}."
            )
        if form == "text" and has_several:
            raise InputError(
                f"The model reads {names}, and lines of text have one column: pass JSON Lines, "
                "CSV or Parquet with these columns."
            )
        if form == "text" and self.columns.is_renamed:
            raise InputError(
                f"--column is of no use for {source.file}, whose lines are texts: remove it, or "
                "pass --format."
            )
        if form == "parquet" and source.stream is not None:
            raise InputError("Parquet cannot be read from standard input: pass it as --file.")
        return form

    def _rows_of(self, source: Source, form: InputFormat, size: int) -> Iterator[InputRow | BadRow]:
        stream = source.stream or source.file.open("rb")
        if form == "text":
            self._current = stream
            records = read_text_records(source.file, Decoding(source.encoding), stream)
            columns = {self.columns.names[0]: TEXT}
            yield from (self._row(record, form, columns) for record in records)
            return
        choices = self.columns.choices()
        records = read_whole_records(source.file, form, choices, Decoding(source.encoding), stream)
        n_rows = _count_parquet_rows(source.file) if form == "parquet" else None
        self._current = stream if n_rows is None else None
        held = []
        for record in islice(records, PEEK_RECORDS):
            held.append(record)
            if self.columns.are_in(record):
                break
        columns = self.columns.find(source.file, held)
        for record in chain(held, records):
            if n_rows:
                self._share = size * record.line / n_rows / max(1, sum(self._sizes))
            yield self._row(record, form, columns)

    def _row(
        self, record: Record | BadRecord, form: InputFormat, columns: Mapping[str, str]
    ) -> InputRow | BadRow:
        place = f"{record.file}:{record.line}"
        if isinstance(record, BadRecord):
            return BadRow(place, self._reason(record, form))
        if form == "text" and "\0" in str(record.values[TEXT]):
            return BadRow(place, "there is a null byte in the line, as in files that are no text")
        try:
            given = self.columns.given(record.values, columns)
            return InputRow(record.values, given, columns, place)
        except ValueError as error:
            return BadRow(place, str(error))

    def _reason(self, record: BadRecord, form: InputFormat) -> str:
        if record.reason == TOO_LONG:
            return f"it is longer than {LIMITS.max_document_mib} MiB"
        if form == "jsonl" and len(self.columns.names) > 1 and "not valid JSON" in record.reason:
            return f"{record.reason}; write {self.columns.example()} on each line"
        if record.reason.startswith("not valid UTF-8"):
            return f"{record.reason}: convert it to UTF-8"
        return record.reason


def _count_parquet_rows(file: Path) -> int:
    """Return the number of rows of a Parquet file, 0 if it is damaged, which its reader says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(file).num_rows)
    except pa.ArrowException:
        return 0
