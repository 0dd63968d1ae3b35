"""Line-aligned plain text files, such as a text and its translation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from textmill.config import AUTO
from textmill.corpus.reading.decoding import Decoding
from textmill.corpus.reading.lines import Line, check_file, read_lines
from textmill.corpus.reading.outcomes import BadRecord, Record, too_long, undecodable
from textmill.errors import InputError


def read_aligned(
    files: Sequence[Path], columns: Iterable[str], encoding: str = AUTO
) -> Iterator[Record | BadRecord]:
    """Yield a record for each line of the files.

    Args:
        files: text, plain or as .gz or .zst.
        columns: the column name for each file; an empty line is a bad record.
        encoding: encoding of the files; auto detects it per file.

    Raises:
        InputError: a file is missing or damaged, or their numbers of lines differ.
    """
    decodings = [Decoding(encoding) for _ in files]
    texts = [_lines(*item) for item in zip(files, decodings, strict=True)]
    counts = [len(lines) for lines in texts]
    if len(set(counts)) > 1:
        found = " and ".join(f"{f} has {n} lines" for f, n in zip(files, counts, strict=True))
        raise InputError(f"{found}: the files must be aligned line by line; correct them.")
    names = tuple(columns)
    for lines in zip(*texts, strict=True):
        yield _record(files, decodings, names, lines)


def _lines(file: Path, decoding: Decoding) -> list[Line]:
    check_file(file)
    return list(read_lines(file, decoding=decoding))


def _record(
    files: Sequence[Path],
    decodings: Sequence[Decoding],
    columns: Sequence[str],
    lines: Sequence[Line],
) -> Record | BadRecord:
    values: dict[str, object] = {}
    parts = zip(files, decodings, columns, lines, strict=True)
    for file, decoding, column, (number, line, is_cut) in parts:
        if is_cut:
            return too_long(line, str(file), number)
        line = line.rstrip(b"\r\n")
        try:
            values[column] = line.decode()
        except UnicodeDecodeError as error:
            return undecodable(line, str(file), number, decoding, error)
        if not line.strip():
            return BadRecord(str(file), number, "the line is empty", "")
    return Record(values, str(files[0]), number)
