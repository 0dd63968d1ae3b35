"""Line ends: LF or CRLF, and CR in files of old Macs.

Everything else, such as U+2028, U+0085 or a form feed, is text. So is a CR within a line of a file
whose lines end in LF, as in copied cells and chat messages.
"""

from __future__ import annotations

import io
import json
from typing import Any

_ESCAPES = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}


def json_line(value: object) -> str:
    """Return a value as one line of JSON, with Unicode line separators escaped."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPES) + "\n"


def has_cr_lines(beginning: bytes) -> bool:
    """Return whether the lines of a file end in CR, by its first 32 KiB or more."""
    # The LF of a CRLF may follow the last byte.
    return b"\n" not in beginning and b"\r" in beginning[:-1]


class CrAsLf(io.RawIOBase):
    """A stream with CR line ends converted to LF.

    Args:
        stream: closed together with this one.
    """

    def __init__(self, stream: io.BufferedReader[Any]) -> None:
        self._stream = stream
        self._is_after_cr = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes."""
        while content := self._stream.read1(len(buffer)):
            # A CRLF may span two reads.
            lines = content.removeprefix(b"\n") if self._is_after_cr else content
            self._is_after_cr = content.endswith(b"\r")
            lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if lines:
                buffer[: len(lines)] = lines
                return len(lines)
        return 0

    def close(self) -> None:
        """Close both streams."""
        self._stream.close()
        super().close()
