"""Streaming records of structured files, for the corpus and for tasks.

A record that cannot be read becomes a `BadRecord` with the reason; only problems of the whole file
(an unknown format, a missing column) are errors. pyarrow is imported where it is used, because
tasks read JSON Lines on machines without it.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from textmill.config import AUTO, LimitsConfig
from textmill.corpus.reading.columns import (
    Feature,
    check_columns,
    column_names,
    get_column,
    label_names,
    parquet_features,
)
from textmill.corpus.reading.csv_rows import CsvLines, check_unique, csv_records
from textmill.corpus.reading.decoding import AS_CP1252, Decoding
from textmill.corpus.reading.lines import (
    LIMITS,
    Line,
    bomb_error,
    check_file,
    max_document_bytes,
    max_unpacked_bytes,
    read_lines,
    unknown_format_message,
    unreadable_error,
)
from textmill.corpus.reading.outcomes import (
    MAX_RAW_CHARS,
    TOO_LONG,
    BadRecord,
    Record,
    beginning,
    one_line,
    too_long,
    undecodable,
)
from textmill.corpus.reading.row_groups import open_parquet
from textmill.errors import InputError

__all__ = [
    "PEEK_RECORDS",
    "RECORD_SUFFIXES",
    "TEXT",
    "TOO_LONG",
    "BadRecord",
    "Record",
    "RecordFormat",
    "read_records",
    "read_text_records",
    "read_whole_records",
    "record_format",
    "with_columns",
    "with_label_names",
]

RecordFormat = Literal["jsonl", "csv", "tsv", "parquet"]

RECORD_SUFFIXES = (
    *(f".{kind}{packed}" for kind in ("jsonl", "csv", "tsv") for packed in ("", ".gz", ".zst")),
    ".parquet",
)
"""Suffixes of supported files."""

_SEPARATORS = {"tsv": "\t"}
"""Separators of formats that have one only."""
TEXT = "text"
"""The column of the lines of a text file."""
PEEK_RECORDS = 100  # if none of these has a column, the file is taken not to have it
MAX_DEPTH = 100
"""Maximum nesting of a JSON record, which what reads its values recursively bears as well."""
TOO_DEEP = "not usable JSON: nested too deeply"
_PARQUET_ROWS = 1000  # read at once, if they are not large
_PARQUET_BYTES = 1 << 24  # read at once, by the mean size of the rows
# Dates before year 1 or after 9999, unknown time zones (KeyError), text that is not UTF-8.
_NOT_IN_PYTHON = (ValueError, OverflowError, KeyError)


def read_records(
    file: Path,
    columns: Mapping[str, str] | None = None,
    limits: LimitsConfig = LIMITS,
    setting: str = "",
    decoding: Decoding | None = None,
) -> Iterator[Record | BadRecord]:
    """Stream the records of a JSON Lines, CSV, TSV or Parquet file.

    Args:
        file: Its suffix, one of `RECORD_SUFFIXES`, determines format and compression.
        columns: Required columns, each with the setting that names it (for messages). Records have
            their values under these names: `a.b` is the column b nested in a. A record without one
            is bad. Of Parquet files, only these columns are read.
        limits: Maximum size of a record, and of the decompressed file.
        setting: Where the limits are set, for messages; empty if nowhere.
        decoding: How to decode JSON Lines or CSV; receives the detected encoding. None: detect it.

    Raises:
        InputError: The file is missing, of an unknown format, lacks a column, or exceeds the limit.
    """
    form = record_format(file)
    if form is None:
        raise InputError(unknown_format_message(file, RECORD_SUFFIXES))
    check_file(file)
    columns = columns or {}
    if form == "parquet":
        return _parquet_records(file, columns, limits, setting)
    decoding = decoding or Decoding()
    lines = read_lines(file, limits, setting, decoding)
    if form == "jsonl":
        records = _json_records(lines, str(file), decoding)
    else:
        csv_lines = CsvLines(lines, max_document_bytes(limits))
        records = csv_records(csv_lines, columns, str(file), decoding, _SEPARATORS.get(form))
    return with_columns(records, columns, str(file))


def record_format(file: Path) -> RecordFormat | None:
    """Return the format that the name of a file says, or None."""
    name = file.name.lower()
    if not name.endswith(RECORD_SUFFIXES):
        return None
    name = name.removesuffix(".gz").removesuffix(".zst")
    formats: tuple[RecordFormat, ...] = ("jsonl", "csv", "tsv", "parquet")
    return next(form for form in formats if name.endswith(form))


def read_whole_records(
    file: Path,
    form: RecordFormat,
    choices: Collection[Collection[str]],
    decoding: Decoding,
    stream: io.BufferedReader,
) -> Iterator[Record | BadRecord]:
    """Stream the records of a file with all of their columns, unchecked and as they are.

    Args:
        file: Its suffix determines the compression.
        form: Its format.
        choices: Sets of columns of which the file has one, by which the separator of CSV is found.
        decoding: How to decode JSON Lines or CSV; receives the detected encoding.
        stream: Its content, closed at the end; of Parquet it is not read.

    Raises:
        InputError: The file is damaged, or exceeds the limits.
    """
    if form == "parquet":
        stream.close()
        return _parquet_records(file, {}, LIMITS, "")
    lines = read_lines(file, decoding=decoding, stream=stream)
    if form == "jsonl":
        return _json_records(lines, str(file), decoding)
    csv_lines = CsvLines(lines, max_document_bytes(LIMITS))
    return csv_records(csv_lines, {}, str(file), decoding, _SEPARATORS.get(form), choices)


def read_text_records(
    file: Path, decoding: Decoding, stream: io.BufferedReader
) -> Iterator[Record | BadRecord]:
    """Yield a record with the column `text` for every line of a text file, empty ones too.

    Args:
        file: Its suffix determines the compression.
        decoding: How to decode it. If its encoding is to be detected and uncertain, bytes that are
            not UTF-8 are read as windows-1252; else a line with such bytes is bad.
        stream: Its content, closed at the end.

    Raises:
        InputError: The file is damaged, or an archive.
    """
    errors = AS_CP1252 if decoding.encoding == AUTO else "strict"
    for number, content, is_cut in read_lines(file, decoding=decoding, stream=stream):
        line = content.rstrip(b"\r\n")
        if is_cut:
            yield too_long(line, str(file), number)
            continue
        try:
            yield Record({TEXT: line.decode(errors=errors)}, str(file), number)
        except UnicodeDecodeError as error:
            yield undecodable(line, str(file), number, decoding, error)


def _json_records(
    lines: Iterator[Line], file: str, decoding: Decoding
) -> Iterator[Record | BadRecord]:
    is_first = True
    for number, content, is_cut in lines:
        if is_cut:
            yield too_long(content, file, number)
        elif line := content.strip():
            if is_first and (kind := _wrong_json_format(line)):
                yield BadRecord(file, number, kind, beginning(line))
                return  # all other lines would be rejected as well
            is_first = False
            yield _json_record(content.rstrip(b"\r\n"), file, number, decoding)


def _wrong_json_format(first: bytes) -> str:
    """Return a message if a file's first line shows that it is JSON but not JSON Lines, else "".

    An array may span several lines, or be on one.
    """
    is_array = first == b"["
    if first.startswith(b"[") and not is_array:
        try:
            rows = json.loads(first)
            is_array = bool(rows) and isinstance(rows[0], dict)
        except (ValueError, RecursionError):
            is_array = first[1:].lstrip().startswith(b"{")
    if not is_array and first != b"{":
        return ""
    kind, query = ("a JSON array", ".[]") if is_array else ("multi-line JSON", ".")
    return (
        f"the file is {kind}, not JSON Lines: write each record as an object on one line, for "
        f"example with jq -c '{query}'"
    )


def _json_record(line: bytes, file: str, number: int, decoding: Decoding) -> Record | BadRecord:
    try:
        values = json.loads(line.decode())
        if b"\\ud" in line.lower():
            # Unpaired escapes such as "\ud83d" cannot be written or tokenized.
            text = json.dumps(values, ensure_ascii=False)
            values = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except UnicodeDecodeError as error:
        return undecodable(line, file, number, decoding, error)
    except json.JSONDecodeError as error:
        reason = f"not valid JSON at character {error.pos + 1}: {error.msg}"
        if line[error.pos :].strip() == b",":
            reason = "not valid JSON: a comma after the object"
    except RecursionError:
        reason = TOO_DEEP
    except ValueError as error:
        reason = f"not usable JSON: {error}"
    else:
        if not isinstance(values, dict):
            reason = f"a JSON value of type {type(values).__name__}, not an object"
        elif line.count(b"[") + line.count(b"{") > MAX_DEPTH and _is_too_deep(values):
            reason = TOO_DEEP
        else:
            return Record(values, file, number)
    return BadRecord(file, number, reason, beginning(line))


def _is_too_deep(values: object) -> bool:
    level = [values]
    for _ in range(MAX_DEPTH):
        mappings = (value.values() for value in level if isinstance(value, dict))
        lists = (value for value in level if isinstance(value, list))
        level = [*itertools.chain.from_iterable((*mappings, *lists))]
    return any(isinstance(value, dict | list) for value in level)


def _parquet_records(
    file: Path, columns: Mapping[str, str], limits: LimitsConfig, setting: str
) -> Iterator[Record | BadRecord]:
    import pyarrow as pa

    line, size, max_total = 1, 0, max_unpacked_bytes(file, limits)
    try:
        with open_parquet(file, columns, limits, setting) as parquet:
            schema = parquet.schema_arrow
            if not columns:  # of which all are kept
                check_unique(schema.names, str(file))
            names = [name for field in schema for name in _names_in(field)]
            check_columns(names, columns, str(file))
            needed = [column if column in names else column.strip() for column in columns]
            features = parquet_features(schema.metadata)
            n_rows = _batch_rows(parquet.metadata)
            for batch in parquet.iter_batches(n_rows, columns=needed or None):
                size += batch.nbytes
                if size > max_total:
                    raise bomb_error(file, limits, setting)
                for item in _batch_records(batch, str(file), line):
                    yield _select_columns(with_label_names(item, features), columns)
                    line += 1
    except (pa.ArrowException, OSError) as error:
        raise unreadable_error(file, line, one_line(error)) from None


def _names_in(field: Any) -> Iterator[str]:
    """Yield the name of a column, or the dotted names of its nested columns."""
    inside = [field.type.field(i) for i in range(field.type.num_fields)]
    if type(field.type).__name__ == "StructType" and inside:
        yield from (f"{field.name}.{name}" for item in inside for name in _names_in(item))
    else:
        yield field.name


def with_label_names(
    item: Record | BadRecord, features: Mapping[str, Feature]
) -> Record | BadRecord:
    """Return an item with class labels replaced by their names."""
    if isinstance(item, BadRecord) or not features:
        return item
    names = {
        c: label_names(item.values[c], feature)
        for c, feature in features.items()
        if c in item.values
    }
    return dataclasses.replace(item, values=item.values | names)


def _batch_rows(metadata: Any) -> int:
    """Return the number of rows of a Parquet file to read at once, to bound the memory."""
    groups = [int(metadata.row_group(i).total_byte_size) for i in range(metadata.num_row_groups)]
    row_bytes = sum(groups) // max(1, int(metadata.num_rows))
    return max(1, min(_PARQUET_ROWS, _PARQUET_BYTES // max(1, row_bytes)))


def _batch_records(batch: Any, file: str, line: int) -> Iterator[Record | BadRecord]:
    try:
        rows = batch.to_pylist()
    except _NOT_IN_PYTHON:  # one value fails the batch: convert row by row
        for row in range(batch.num_rows):
            yield _parquet_record(batch, row, file, line + row)
    else:
        for row, values in enumerate(rows):
            yield Record(values, file, line + row)


def _parquet_record(batch: Any, row: int, file: str, line: int) -> Record | BadRecord:
    values = {}
    for name in batch.schema.names:
        try:
            values[name] = batch[name][row].as_py()
        except UnicodeDecodeError as error:
            raw = error.object.decode(errors="replace")
            return BadRecord(file, line, "not valid UTF-8", raw[:MAX_RAW_CHARS])
        except _NOT_IN_PYTHON as error:
            problem = one_line(error)
            reason = f"a value of column {name!r} cannot be converted to Python: {problem}"
            return BadRecord(file, line, reason, "")
    return Record(values, file, line)


def with_columns(
    items: Iterator[Record | BadRecord], columns: Mapping[str, str], where: str
) -> Iterator[Record | BadRecord]:
    """Yield the items; a record without a column is bad, and a column in no record is an error."""
    if not columns:
        yield from items
        return
    held: list[Record | BadRecord] = []
    missing = dict(columns)
    for item in items:
        held.append(item)
        if isinstance(item, Record):
            missing = {c: setting for c, setting in missing.items() if not _has_value(item, c)}
        if not missing or len(held) >= PEEK_RECORDS:
            break
    found = {name: None for item in held if isinstance(item, Record) for name in item.values}
    if found and missing:
        names = dict.fromkeys(
            n for i in held if isinstance(i, Record) for n in column_names(i.values)
        )
        check_columns(list(names), missing, where)
    for item in itertools.chain(held, items):
        yield _select_columns(item, columns)


def _has_value(record: Record, column: str) -> bool:
    try:
        get_column(record.values, column)
    except KeyError:
        return False
    return True


def _select_columns(item: Record | BadRecord, columns: Mapping[str, str]) -> Record | BadRecord:
    if isinstance(item, BadRecord):
        return item
    found, missing = {}, []
    for column in columns:
        try:
            found[column] = get_column(item.values, column)
        except KeyError:
            missing.append(column)
    if not missing:
        is_plain = found.keys() <= item.values.keys()
        return item if is_plain else dataclasses.replace(item, values=item.values | found)
    raw = json.dumps(item.values, ensure_ascii=False, default=str)[:MAX_RAW_CHARS]
    return BadRecord(item.file, item.line, f"has no {' and no '.join(map(repr, missing))}", raw)
