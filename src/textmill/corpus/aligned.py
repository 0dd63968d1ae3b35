"""Plain text files that belong together line by line, such as a text and its translation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from textmill.corpus.lines import Line, check_file, read_lines
from textmill.corpus.records import BadRecord, Record, not_utf8, too_long
from textmill.errors import InputError


def read_aligned(files: Sequence[Path], columns: Iterable[str]) -> Iterator[Record | BadRecord]:
    """Yield a record for each line of the files.

    Args:
        files: UTF-8 text, plain or as .gz or .zst.
        columns: the column that the lines of each file become; an empty line is a bad record.

    Raises:
        InputError: a file is missing, damaged or in UTF-16, or their numbers of lines differ.
    """
    texts = [_lines(file) for file in files]
    counts = [len(lines) for lines in texts]
    if len(set(counts)) > 1:
        found = " and ".join(f"{f} has {n} lines" for f, n in zip(files, counts, strict=True))
        raise InputError(f"{found}: line by line they must belong together; correct them.")
    names = tuple(columns)
    for lines in zip(*texts, strict=True):
        yield _record(files, names, lines)


def _lines(file: Path) -> list[Line]:
    check_file(file)
    return list(read_lines(file))


def _record(
    files: Sequence[Path], columns: Sequence[str], lines: Sequence[Line]
) -> Record | BadRecord:
    values: dict[str, object] = {}
    for file, column, (number, line, is_cut) in zip(files, columns, lines, strict=True):
        if is_cut:
            return too_long(line, str(file), number)
        line = line.rstrip(b"\r\n")
        try:
            values[column] = line.decode()
        except UnicodeDecodeError as error:
            return not_utf8(line, str(file), number, error)
        if not line.strip():
            return BadRecord(str(file), number, "the line is empty", "")
    return Record(values, str(files[0]), number)
