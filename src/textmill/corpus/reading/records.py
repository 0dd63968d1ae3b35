"""Records of structured files, one at a time: for the corpus and for tasks.

A record that cannot be read becomes a `BadRecord` with the reason, and reading goes on; only what
makes a whole file useless (an unknown format, a missing column) is an error. pyarrow is
imported where it is used, because tasks read JSON Lines on machines without it.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.config import LimitsConfig
from textmill.corpus.reading.columns import (
    Feature,
    check_columns,
    named,
    names_of,
    parquet_features,
    take,
)
from textmill.corpus.reading.csv_rows import CsvLines, csv_records
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.lines import (
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
    "RECORD_SUFFIXES",
    "TOO_LONG",
    "BadRecord",
    "Record",
    "read_records",
    "with_columns",
    "with_label_names",
]

RECORD_SUFFIXES = (
    *(f"{kind}{packed}" for kind in (".jsonl", ".csv") for packed in ("", ".gz", ".zst")),
    ".parquet",
)
"""Endings of the files that `read_records` reads."""

_LOOK_AHEAD = 100  # records without a column after which the whole file is taken to lack it
_PARQUET_ROWS = 1000  # read at once, if they are not large
_PARQUET_BYTES = 1 << 24  # read at once, by the mean size of the rows


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
        columns: Columns that must be there, each with the setting that names it (for messages),
            and by that name each record will have them: `a.b` is the column b inside of a. A record
            without one is bad. Parquet reads these columns only.
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
        csv_lines = CsvLines(lines, max_document_bytes(limits))
        records = csv_records(csv_lines, columns, str(file), decoding)
    else:
        records = _json_records(lines, str(file), decoding)
    return with_columns(records, columns, str(file))


def _json_records(
    lines: Iterator[Line], file: str, decoding: Decoding
) -> Iterator[Record | BadRecord]:
    is_first = True
    for number, content, is_cut in lines:
        if is_cut:
            yield too_long(content, file, number)
        elif line := content.strip():
            if is_first and (kind := _other_json(line)):
                yield BadRecord(file, number, kind, beginning(line))
                return  # every other line would be as bad
            is_first = False
            yield _json_record(content.rstrip(b"\r\n"), file, number, decoding)


def _other_json(first: bytes) -> str:
    """Return in words what other kind of JSON a file is, told by its first line; "" if it is none.

    An array may be spread over lines or stand in one.
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
    kind, query = ("a JSON array", ".[]") if is_array else ("JSON spread over lines", ".")
    return (
        f"the file is {kind}, not JSON Lines: write every record as an object in a line of its "
        f"own, for instance with jq -c '{query}'"
    )


def _json_record(line: bytes, file: str, number: int, decoding: Decoding) -> Record | BadRecord:
    try:
        values = json.loads(line.decode())
        if b"\\ud" in line.lower():
            # Escapes such as "\ud83d" without their other half cannot be written or tokenized.
            text = json.dumps(values, ensure_ascii=False)
            values = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except UnicodeDecodeError as error:
        return undecodable(line, file, number, decoding, error)
    except json.JSONDecodeError as error:
        reason = f"not valid JSON at character {error.pos + 1}: {error.msg}"
        if line[error.pos :].strip() == b",":
            reason = "not valid JSON: a comma after the object"
    except RecursionError:
        reason = "not usable JSON: nested too deeply"
    except ValueError as error:
        reason = f"not usable JSON: {error}"
    else:
        if isinstance(values, dict):
            return Record(values, file, number)
        reason = f"a JSON value of type {type(values).__name__}, not an object"
    return BadRecord(file, number, reason, beginning(line))


def _parquet_records(
    file: Path, columns: Mapping[str, str], limits: LimitsConfig, setting: str
) -> Iterator[Record | BadRecord]:
    import pyarrow as pa

    line, size, most = 1, 0, most_bytes(file, limits)
    try:
        with open_parquet(file, columns, limits, setting) as parquet:
            schema = parquet.schema_arrow
            names = [name for field in schema for name in _names_in(field)]
            check_columns(names, columns, str(file))
            needed = [column if column in names else column.strip() for column in columns]
            features = parquet_features(schema.metadata)
            n_rows = _rows_at_once(parquet.metadata)
            for batch in parquet.iter_batches(n_rows, columns=needed or None):
                size += batch.nbytes
                if size > most:
                    raise bomb(file, limits, setting)
                for item in _batch_records(batch, str(file), line):
                    yield _with_all(with_label_names(item, features), columns)
                    line += 1
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, line, one_line(error)) from None


def _names_in(field: Any) -> Iterator[str]:
    """Yield the name of a column, or with a dot those of the columns inside of it."""
    inside = [field.type.field(i) for i in range(field.type.num_fields)]
    if type(field.type).__name__ == "StructType" and inside:
        yield from (f"{field.name}.{name}" for item in inside for name in _names_in(item))
    else:
        yield field.name


def with_label_names(
    item: Record | BadRecord, features: Mapping[str, Feature]
) -> Record | BadRecord:
    """Return an item with the names of its numbers in the columns that have some."""
    if isinstance(item, BadRecord) or not features:
        return item
    names = {
        c: named(item.values[c], feature) for c, feature in features.items() if c in item.values
    }
    return dataclasses.replace(item, values=item.values | names)


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
    missing = dict(columns)
    for item in items:
        held.append(item)
        if isinstance(item, Record):
            missing = {c: setting for c, setting in missing.items() if not _holds(item, c)}
        if not missing or len(held) >= _LOOK_AHEAD:
            break
    found = {name: None for item in held if isinstance(item, Record) for name in item.values}
    if found and missing:
        names = dict.fromkeys(n for i in held if isinstance(i, Record) for n in names_of(i.values))
        check_columns(list(names), missing, where)
    for item in itertools.chain(held, items):
        yield _with_all(item, columns)


def _holds(record: Record, column: str) -> bool:
    try:
        take(record.values, column)
    except KeyError:
        return False
    return True


def _with_all(item: Record | BadRecord, columns: Mapping[str, str]) -> Record | BadRecord:
    if isinstance(item, BadRecord):
        return item
    found, missing = {}, []
    for column in columns:
        try:
            found[column] = take(item.values, column)
        except KeyError:
            missing.append(column)
    if not missing:
        is_plain = found.keys() <= item.values.keys()
        return item if is_plain else dataclasses.replace(item, values=item.values | found)
    raw = json.dumps(item.values, ensure_ascii=False, default=str)[:MAX_RAW_CHARS]
    return BadRecord(item.file, item.line, f"has no {' and no '.join(map(repr, missing))}", raw)
