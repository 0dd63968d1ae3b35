"""Results of reading a record: a `Record`, or a `BadRecord` with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from textmill.corpus.reading.charsets import CP1252, UTF8
from textmill.corpus.reading.decoding import Decoding

MAX_RAW_CHARS = 2000
TOO_LONG = "too long: see limits.max_document_mib of a source"
"""Reason for rejecting a line, a record or a document."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its values by column, and its first line or row, counted from 1."""

    values: dict[str, object]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read, the reason, and the beginning of its raw text."""

    file: str
    line: int
    reason: str
    raw: str
    encoding: str | None = None
    """An encoding in which it might be readable; None: no other, or decoding is not the problem."""


def beginning(line: bytes) -> str:
    """Return the part of a rejected line to show."""
    return line[: 4 * MAX_RAW_CHARS].decode(errors="replace")[:MAX_RAW_CHARS]


def too_long(line: bytes, file: str, number: int) -> BadRecord:
    """Return the bad record for a line that is too long."""
    return BadRecord(file, number, TOO_LONG, beginning(line))


def undecodable(
    line: bytes,
    file: str,
    number: int,
    decoding: Decoding,
    error: UnicodeDecodeError | None = None,
) -> BadRecord:
    """Return the bad record for a line that cannot be decoded."""
    if decoding.name != UTF8:
        return BadRecord(file, number, f"not valid {decoding.name}", beginning(line))
    place = f" at byte {error.start + 1} of the line" if error else ""
    encoding = CP1252 if _may_be_cp1252(line) else None
    return BadRecord(file, number, f"not valid UTF-8{place}", beginning(line), encoding)


def _may_be_cp1252(line: bytes) -> bool:
    """Return whether a line is valid windows-1252 and has no multibyte UTF-8 character.

    In a line with valid UTF-8 characters, the other bytes are damage.
    """
    if re.search(rb"[\xc2-\xf4][\x80-\xbf]", line):
        return False
    try:
        line.decode(CP1252)
    except UnicodeDecodeError:
        return False
    return True


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, without full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
