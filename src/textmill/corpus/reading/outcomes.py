"""What reading a record gives: a `Record`, or a `BadRecord` with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from textmill.corpus.reading.charsets import CP1252, UTF8
from textmill.corpus.reading.decoding import Decoding

MAX_RAW_CHARS = 2000
TOO_LONG = "too long: see limits.max_document_mib of a source"
"""The reason for which a line, a record or a document is set aside."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its values by column, and where it begins (lines and rows count from 1)."""

    values: dict[str, object]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read, the reason, and the start of it as it stands there."""

    file: str
    line: int
    reason: str
    raw: str
    encoding: str | None = None
    """In which it could be read, though not for certain; None: in no other, or it is readable."""


def beginning(line: bytes) -> str:
    """Return what to show of a line that is set aside."""
    return line[: 4 * MAX_RAW_CHARS].decode(errors="replace")[:MAX_RAW_CHARS]


def too_long(line: bytes, file: str, number: int) -> BadRecord:
    """Return the bad record for a line of which only the beginning was read."""
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
    """Whether every byte beyond ASCII is a letter or a mark of windows-1252, and none is UTF-8.

    In a line with right characters of UTF-8 the others are damage.
    """
    if re.search(rb"[\xc2-\xf4][\x80-\xbf]", line):
        return False
    try:
        line.decode(CP1252)
    except UnicodeDecodeError:
        return False
    return True


def one_line(error: BaseException) -> str:
    """Return what an error says, without line breaks and full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
