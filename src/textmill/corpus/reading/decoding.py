"""Transcoding of files to UTF-8, so that all later processing is the same for all encodings."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textmill.config import AUTO
from textmill.corpus.reading.charsets import BOMS, CP1252, UTF8, detect

AS_CP1252 = "textmill-cp1252"
"""Error handler for UTF-8: invalid bytes are decoded as windows-1252, one by one."""
BROKEN = "textmill-broken"
"""Error handler for other encodings: invalid input becomes a byte that is invalid everywhere."""
_BROKEN_BYTE = b"\x81"  # invalid in UTF-8 and in windows-1252
_ORDERS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}  # default byte order without a mark
_BLOCK = 1 << 15  # bytes; a sample has up to two blocks
_HEAD = 1 << 10  # bytes in which a file may declare its encoding


def _declares_nothing(head: bytes) -> None:
    return None


@dataclass
class Decoding:
    """How one file is decoded: the configured and the detected encoding."""

    encoding: str = AUTO
    """The configured encoding; only a byte order mark overrides it."""
    declared: Callable[[bytes], str | None] = _declares_nothing
    """Returns the encoding declared in the beginning of the file."""
    name: str = UTF8
    """The detected encoding; UTF-8 if uncertain."""


class Utf8Stream(io.RawIOBase):
    """A stream transcoded to UTF-8, without byte order mark.

    The encoding is detected once per file, at its first non-ASCII byte, from 32 to 64 KiB. UTF-8
    passes unchanged, invalid bytes included, and so does text of uncertain encoding. Invalid input
    in other encodings becomes a byte that is invalid in UTF-8, to be repaired or rejected later.

    Args:
        stream: closed together with this one.
        decoding: the encoding; receives the detected one.
    """

    def __init__(self, stream: io.BufferedReader, decoding: Decoding) -> None:
        self._stream = stream
        self._decoding = decoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._head: bytes | None = None
        self._is_decided = self._is_ended = False
        self._error: Exception | None = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes."""
        while not self._ready and not self._is_ended:
            content = self._read(_BLOCK) if self._is_decided else self._decide()
            if self._decoder is not None:
                content = self._decode(self._decoder, content)
            self._ready = memoryview(content)
        if self._error is not None and not self._ready:
            raise self._error
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _decode(self, decoder: codecs.IncrementalDecoder, content: bytes) -> bytes:
        try:
            text = decoder.decode(content, self._is_ended)
        except UnicodeError:  # ISO-2022 codecs fail on incomplete escapes
            decoder.reset()
            return _BROKEN_BYTE
        return text.encode(errors=BROKEN)

    def close(self) -> None:
        """Close both streams."""
        self._stream.close()
        super().close()

    def _read(self, size: int) -> bytes:
        """Return up to size bytes; an error is raised later, after the bytes read before it."""
        content = b""
        try:
            content = self._stream.read1(size)
        except Exception as error:
            self._error = error
        self._is_ended = not content
        return content

    def _block(self) -> bytes:
        """Return a full block, or all bytes up to the end of the file."""
        content = bytearray()
        while len(content) < _BLOCK and not self._is_ended:
            content += self._read(_BLOCK - len(content))
        return bytes(content)

    def _decide(self) -> bytes:
        """Return the bytes read to detect the encoding, or a pure ASCII block."""
        content = self._block()
        if self._head is None:
            self._head = content[:_HEAD]
            for mark, encoding in BOMS.items():
                if content.startswith(mark):
                    self._use(encoding)
                    return content.removeprefix(mark)
            if self._decoding.encoding != AUTO:
                self._use(self._decoding.encoding)
                return content
        if not content.isascii() or 0 in content:  # as in UTF-16
            content += self._block()
            declared = self._decoding.declared(self._head)
            found = detect(content, self._is_ended, declared)
            if found != UTF8 or not content.isascii():
                self._use(found or UTF8)
        return content

    def _use(self, encoding: str) -> None:
        encoding = _ORDERS.get(encoding, encoding)
        self._is_decided = True
        self._decoding.name = encoding
        if encoding == CP1252 and self._decoding.encoding == AUTO:
            # Detected by a few characters only: the rest may be UTF-8.
            self._decoder = codecs.getincrementaldecoder(UTF8)(AS_CP1252)
        elif encoding != UTF8:
            self._decoder = codecs.getincrementaldecoder(encoding)(BROKEN)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(CP1252, "replace"), error.end


def _as_broken(error: UnicodeError) -> tuple[str | bytes, int]:
    """Decode invalid input to a lone surrogate, and encode that as one invalid byte."""
    if isinstance(error, UnicodeDecodeError):
        return "\udc81", error.end
    if isinstance(error, UnicodeEncodeError):
        return _BROKEN_BYTE * (error.end - error.start), error.end
    raise error


codecs.register_error(AS_CP1252, _as_cp1252)
codecs.register_error(BROKEN, _as_broken)
