"""Raw documents of the sources of a corpus, one at a time."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from textmill.config import SourceConfig
from textmill.corpus.html import HTML_SUFFIXES, declared_encoding
from textmill.corpus.records import (
    ESCAPED_BYTE,
    MAX_RAW_CHARS,
    RECORD_SUFFIXES,
    BadRecord,
    Record,
    digest_hub,
    is_hidden,
    read_hub,
    read_lines,
    read_records,
)
from textmill.errors import InputError
from textmill.files import digest_files

TEXT_SUFFIXES = (".txt", ".txt.gz", ".txt.zst")
"""Endings of plain text files."""

_SUFFIXES = TEXT_SUFFIXES + HTML_SUFFIXES + RECORD_SUFFIXES
_MAX_PAGE_BYTES = 64 << 20  # of an HTML file, unpacked: nothing that large is a page


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document as it stands in its source, and where it begins."""

    text: str
    source: str
    language: str
    file: str
    line: int
    is_html: bool = False
    """Whether the text is an HTML page, of which the main content is yet to be extracted."""


def source_files(source: SourceConfig) -> list[Path]:
    """Return the files of a source that has a path, sorted by name within it.

    A folder stands for the files of known kinds anywhere below it; hidden files are skipped.

    Raises:
        InputError: There are none.
    """
    location = Path(source.path or "")
    if location.is_file():
        return [location]
    if location.is_dir():
        found = [path for path in location.rglob("*") if not is_hidden(path.relative_to(location))]
        files = [path for path in found if path.name.lower().endswith(_SUFFIXES) and path.is_file()]
        problem = f"no file in the folder ends in {', '.join(_SUFFIXES)}"
    else:
        # Other kinds of file that a pattern names stay in the list, and fail with a clear message.
        matches = glob.glob(source.path or "", recursive=True)
        files = [path for path in map(Path, matches) if path.is_file()]
        problem = "no file matches" if glob.has_magic(source.path or "") else "it does not exist"
    if not files:
        raise InputError(
            f"source {source.name!r}: nothing to read at {source.path}: {problem}. "
            f"Correct corpus.sources[{source.name}].path."
        )
    return sorted(set(files), key=Path.as_posix)


def read_documents(source: SourceConfig) -> Iterator[RawDocument | BadRecord]:
    """Yield the documents of a source in a fixed order; what cannot be read as BadRecord.

    Raises:
        InputError: There is no file, a file is of an unknown kind, or the text column is missing.
        RunError: The hub cannot be reached.
    """
    columns = {source.text: f"corpus.sources[{source.name}].text"}
    if source.hub is not None:
        records = read_hub(source.hub, source.subset, source.split, source.revision, columns)
        yield from _documents_of(records, source)
        return
    for file in source_files(source):
        if file.name.lower().endswith(TEXT_SUFFIXES):
            yield from _text_documents(file, source)
        elif file.name.lower().endswith(HTML_SUFFIXES):
            yield _page(file, source)
        elif file.name.lower().endswith(RECORD_SUFFIXES):
            yield from _documents_of(read_records(file, columns), source)
        else:
            raise InputError(
                f"source {source.name!r}: unknown kind of file {file}; its name must end in one of "
                f"{', '.join(_SUFFIXES)}. Correct corpus.sources[{source.name}].path."
            )


def _documents_of(
    records: Iterator[Record | BadRecord], source: SourceConfig
) -> Iterator[RawDocument | BadRecord]:
    for record in records:
        if isinstance(record, BadRecord):
            yield record
            continue
        text = record.values[source.text]
        if isinstance(text, str):
            yield RawDocument(
                text, source.name, source.language, record.file, record.line, source.html
            )
        else:
            kind = "empty (null)" if text is None else f"of type {type(text).__name__}, not text"
            reason = f"column {source.text!r} is {kind}"
            yield BadRecord(record.file, record.line, reason, repr(text)[:MAX_RAW_CHARS])


def _text_documents(file: Path, source: SourceConfig) -> Iterator[RawDocument | BadRecord]:
    """Yield the documents of a plain text file, its units joined up to `join_chars`."""
    separator = "\n" if source.documents == "line" else "\n\n"
    units: list[str] = []
    size = begin = 0
    for item in _units(file, source):
        if isinstance(item, BadRecord):
            if units:
                yield _joined(units, separator, source, file, begin)
                units = []
            yield item
            continue
        begin = begin if units else item[0]
        size = size + len(separator) + len(item[1]) if units else len(item[1])
        units.append(item[1])
        if size >= source.join_chars:
            yield _joined(units, separator, source, file, begin)
            units = []
    if units:
        yield _joined(units, separator, source, file, begin)


def _joined(
    units: list[str], separator: str, source: SourceConfig, file: Path, line: int
) -> RawDocument:
    text = separator.join(units)
    return RawDocument(text, source.name, source.language, str(file), line, source.html)


def _page(file: Path, source: SourceConfig) -> RawDocument | BadRecord:
    """Return the page that an HTML file is, in the encoding that it declares if it is not UTF-8."""
    lines: list[bytes] = []
    size = 0
    for _, line in read_lines(file):
        lines.append(line)
        size += len(line)
        if size > _MAX_PAGE_BYTES:
            begin = b"".join(lines)[:MAX_RAW_CHARS].decode(errors="replace")
            return BadRecord(str(file), 1, f"a page of more than {_MAX_PAGE_BYTES:,} bytes", begin)
    content = b"".join(lines)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        encoding = declared_encoding(content)
        if encoding is None or encoding == "utf-8":
            text = "".join(map(_decode, lines))
        else:
            text = content.decode(encoding, errors="replace")
    return RawDocument(text, source.name, source.language, str(file), 1, is_html=True)


def _units(file: Path, source: SourceConfig) -> Iterator[tuple[int, str] | BadRecord]:
    """Yield what the source calls a document in plain text, with the line where it begins."""
    lines: list[str] = []
    begin = 1
    for number, content in read_lines(file):
        line = _decode(content)
        if line.isspace() and source.documents != "file":
            if lines:
                yield begin, _without_end(lines)
                lines = []
        elif source.documents == "line":
            yield number, line.rstrip("\r\n")
        elif lines or not line.isspace():
            begin = begin if lines else number
            lines.append(line)
    if lines:
        yield begin, _without_end(lines)


def _without_end(lines: list[str]) -> str:
    return "".join(lines).rstrip("\r\n")


def _decode(line: bytes) -> str:
    """Return a line of UTF-8; bytes that are not UTF-8 are read as cp1252 one by one.

    Files in cp1252 or Latin-1 come out right, because their letters beyond ASCII are hardly ever
    valid UTF-8, and a stray byte in a UTF-8 file costs one wrong character. To decode the whole
    file as cp1252 would turn all the rest of such a file into mojibake.
    """
    try:
        return line.decode()
    except UnicodeDecodeError:
        text = line.decode(errors="surrogateescape")
        return ESCAPED_BYTE.sub(_cp1252, text)


def _cp1252(match: re.Match[str]) -> str:
    return bytes([ord(match[0]) - 0xDC00]).decode("cp1252", errors="replace")


def digest_source(source: SourceConfig) -> str:
    """Return a digest of what a source holds: its files, or the commit of its hub data set.

    Raises:
        InputError: there are no such files.
        RunError: the hub cannot be asked.
    """
    if source.hub is not None:
        return digest_hub(source.hub, source.subset, source.revision)
    return digest_files(source_files(source))
