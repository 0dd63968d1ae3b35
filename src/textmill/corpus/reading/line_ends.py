"""What ends a line: LF or CRLF, and in the files of old Macs CR alone.

Everything else, such as U+2028, U+0085 or a form feed, is text. So is a CR amid a line of a file
whose lines end in LF, as copied cells and chat messages have it.
"""

from __future__ import annotations

import io
import json
from typing import Any

_ESCAPES = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}


def json_line(value: object) -> str:
    """Return a value as a line of JSON, which is one for every reader, whatever it splits at."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPES) + "\n"


def has_cr_lines(beginning: bytes) -> bool:
    """Return whether CR ends the lines of a file, told by the first 32 KiB of it or more."""
    # The LF of a CRLF may stand behind the last byte.
    return b"\n" not in beginning and b"\r" in beginning[:-1]


class CrAsLf(io.RawIOBase):
    """A stream of lines that end in CR as one of lines that end in LF.

    Args:
        stream: is closed with this one.
    """

    def __init__(self, stream: io.BufferedReader[Any]) -> None:
        self._stream = stream
        self._is_after_cr = False

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return how many bytes."""
        while content := self._stream.read1(len(buffer)):
            # A CRLF may lie across the border of two reads.
            lines = content.removeprefix(b"\n") if self._is_after_cr else content
            self._is_after_cr = content.endswith(b"\r")
            lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if lines:
                buffer[: len(lines)] = lines
                return len(lines)
        return 0

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        super().close()
