"""Streaming raw documents of the sources of a corpus."""

from __future__ import annotations

import glob
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from textmill.config import SourceConfig
from textmill.corpus.reading.charsets import UTF8
from textmill.corpus.reading.decoding import AS_CP1252, Decoding
from textmill.corpus.reading.folders import Links, files_below, files_matching
from textmill.corpus.reading.html import HTML_SUFFIXES, declared_encoding
from textmill.corpus.reading.hub import digest_hub, read_hub
from textmill.corpus.reading.lines import (
    check_file,
    is_archive,
    max_document_bytes,
    read_lines,
    unknown_format_message,
)
from textmill.corpus.reading.outcomes import MAX_RAW_CHARS, TOO_LONG, too_long
from textmill.corpus.reading.records import RECORD_SUFFIXES, BadRecord, Record, read_records
from textmill.errors import InputError
from textmill.files import digest_files, reject_special_file

TEXT_SUFFIXES = (".txt", ".txt.gz", ".txt.zst")
"""Suffixes of plain text files."""

_SUFFIXES = TEXT_SUFFIXES + HTML_SUFFIXES + RECORD_SUFFIXES


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A raw document and its location in the source."""

    text: str
    source: str
    language: str
    file: str
    line: int
    is_html: bool = False
    """Whether the text is an HTML page whose main content has to be extracted."""
    is_redacted: bool = False
    """Whether personal data were replaced when it was read, so that its placeholders are counted
    as replacements."""


def source_files(source: SourceConfig) -> list[Path]:
    """Return the files of a source that has a path, sorted by name within it.

    A folder stands for all files of supported formats below it; hidden files are skipped.

    Raises:
        InputError: There are none, or a symbolic link leads out of the folder, which is not
            allowed.
    """
    location = Path(source.path or "")
    links = Links(source.follow_links, f"corpus.sources[{source.name}].follow_links")
    reject_special_file(location)
    if location.is_file():
        return [location]
    if location.is_dir():
        files = files_below(location, _SUFFIXES, links)
        problem = f"no file in the folder ends in {', '.join(_SUFFIXES)}"
        if any(map(is_archive, location.iterdir())):
            problem += ", and archives are not supported: unpack them first"
    else:
        # Files of other formats that match stay in the list, and fail with a clear message.
        files = files_matching(source.path or "", links)
        problem = "no file matches" if glob.has_magic(source.path or "") else "it does not exist"
    if not files:
        raise InputError(
            f"source {source.name!r}: nothing to read at {source.path}: {problem}. "
            f"Correct corpus.sources[{source.name}].path."
        )
    return files


def read_documents(
    source: SourceConfig, encodings: Counter[str] | None = None
) -> Iterator[RawDocument | BadRecord]:
    """Yield the documents of a source in a fixed order, and unreadable ones as BadRecord.

    Args:
        source: the source.
        encodings: counter of the encodings of files other than UTF-8.

    Raises:
        InputError: There is no file, a file has an unknown format, or the text column is missing.
        RunError: The hub cannot be reached.
    """
    columns = {source.text: f"{_setting(source)}.text"}
    if source.hub is not None:
        records = read_hub(source.hub, source.subset, source.split, source.revision, columns)
        yield from _documents_of(records, source)
        return
    for file in source_files(source):
        decoding = Decoding(source.encoding)
        if file.name.lower().endswith(TEXT_SUFFIXES):
            yield from _text_documents(file, source, decoding)
        elif file.name.lower().endswith(HTML_SUFFIXES):
            decoding.declared = declared_encoding
            yield _page(file, source, decoding)
        elif file.name.lower().endswith(RECORD_SUFFIXES):
            records = read_records(file, columns, source.limits, _setting(source), decoding)
            yield from _documents_of(records, source)
        else:
            raise InputError(
                f"source {source.name!r}: {unknown_format_message(file, _SUFFIXES)} "
                f"Correct corpus.sources[{source.name}].path."
            )
        if encodings is not None and decoding.name != UTF8:
            encodings[decoding.name] += 1


def _setting(source: SourceConfig) -> str:
    return f"corpus.sources[{source.name}]"


def _documents_of(
    records: Iterator[Record | BadRecord], source: SourceConfig
) -> Iterator[RawDocument | BadRecord]:
    max_chars = max_document_bytes(source.limits)
    for record in records:
        if isinstance(record, BadRecord):
            yield record
            continue
        text = record.values[source.text]
        if isinstance(text, str) and len(text) > max_chars:
            yield BadRecord(record.file, record.line, TOO_LONG, text[:MAX_RAW_CHARS])
        elif isinstance(text, str):
            yield RawDocument(
                text, source.name, source.language, record.file, record.line, source.html
            )
        else:
            kind = "empty (null)" if text is None else f"of type {type(text).__name__}, not text"
            reason = f"column {source.text!r} is {kind}"
            yield BadRecord(record.file, record.line, reason, repr(text)[:MAX_RAW_CHARS])


def read_line_texts(file: Path) -> Iterator[str]:
    """Yield the text of every line of a plain or compressed file, empty ones too.

    Raises:
        InputError: the file does not exist, is damaged or an archive, or a line is too long.
    """
    check_file(file)
    for number, content, is_cut in read_lines(file):
        if is_cut:
            raise InputError(f"{file}:{number}: the line is too long: split it.")
        yield _decode(content).rstrip("\r\n")


def _text_documents(
    file: Path, source: SourceConfig, decoding: Decoding
) -> Iterator[RawDocument | BadRecord]:
    """Yield the documents of a plain text file, its units joined up to `join_chars`."""
    separator = "\n" if source.documents == "line" else "\n\n"
    units: list[str] = []
    size = begin = 0
    for item in _units(file, source, decoding):
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


def _page(file: Path, source: SourceConfig, decoding: Decoding) -> RawDocument | BadRecord:
    """Return the document of an HTML file."""
    lines: list[bytes] = []
    size = 0
    for _, line, is_cut in read_lines(file, source.limits, _setting(source), decoding):
        lines.append(line)
        size += len(line)
        if is_cut or size > max_document_bytes(source.limits):
            return too_long(b"".join(lines), str(file), 1)
    text = _decode(b"".join(lines))
    return RawDocument(text, source.name, source.language, str(file), 1, is_html=True)


def _units(
    file: Path, source: SourceConfig, decoding: Decoding
) -> Iterator[tuple[int, str] | BadRecord]:
    """Yield the units (files, paragraphs or lines) of a plain text file, with their first line."""
    unit = _Unit(file, max_document_bytes(source.limits))
    for number, content, is_cut in read_lines(file, source.limits, _setting(source), decoding):
        line = _decode(content)
        if source.documents == "line":
            if is_cut:
                yield too_long(content, str(file), number)
            elif not line.isspace():
                yield number, line.rstrip("\r\n")
        elif line.isspace() and not is_cut and (source.documents != "file" or not unit.begun):
            yield from unit.end()
        else:
            unit.add(number, line, len(content), is_cut)
    yield from unit.end()


class _Unit:
    """The lines of one document, up to its maximum size."""

    def __init__(self, file: Path, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        # A list of short lines would take thirty times as much memory.
        self._text = io.StringIO()
        self._begin = self._size = 0

    @property
    def begun(self) -> bool:
        """Whether it has any line."""
        return self._begin > 0

    def add(self, number: int, line: str, size: int, is_cut: bool) -> None:
        """Append a line of size bytes; of a unit that is too large, only the beginning is kept."""
        self._begin = self._begin or number
        self._size += self._max_bytes + 1 if is_cut else size
        if self._size <= self._max_bytes or self._text.tell() < MAX_RAW_CHARS:
            self._text.write(line[:MAX_RAW_CHARS] if is_cut else line)

    def end(self) -> Iterator[tuple[int, str] | BadRecord]:
        """Yield the unit if it has any line, and start a new one."""
        if not self.begun:
            return
        text = self._text.getvalue()
        if self._size > self._max_bytes:
            yield BadRecord(str(self._file), self._begin, TOO_LONG, text[:MAX_RAW_CHARS])
        else:
            yield self._begin, text.rstrip("\r\n")
        self._text = io.StringIO()
        self._begin = self._size = 0


def _decode(content: bytes) -> str:
    """Return text decoded as UTF-8, with invalid bytes decoded as windows-1252 one by one.

    In a file of uncertain encoding, non-ASCII letters in windows-1252 or Latin-1 are decoded
    correctly, because they are rarely valid UTF-8, and an invalid byte in a UTF-8 file costs one
    wrong character. Decoding the whole file as windows-1252 would turn the rest into mojibake.
    """
    return content.decode(errors=AS_CP1252)


def digest_source(source: SourceConfig) -> str:
    """Return a digest of a source's content: of its files, or the commit of its hub dataset.

    Raises:
        InputError: there are no such files.
        RunError: the hub cannot be reached.
    """
    if source.hub is not None:
        return digest_hub(source.hub, source.subset, source.revision)
    return digest_files(source_files(source))
