"""Files in any encoding as UTF-8: lines, limits and broken bytes are then the same for all."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textmill.config import AUTO
from textmill.corpus.reading.charsets import BOMS, CP1252, UTF8, detect

AS_CP1252 = "textmill-cp1252"
"""Error handler for UTF-8: bytes that are none are read as windows-1252, one by one."""
BROKEN = "textmill-broken"
"""Error handler for other encodings: what is broken becomes a byte of no encoding."""
_BROKEN_BYTE = b"\x81"  # neither UTF-8 nor windows-1252
_ORDERS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}  # of bytes, without a mark
_BLOCK = 1 << 15  # bytes; a sample is up to two blocks
_HEAD = 1 << 10  # bytes of a file that may declare its encoding


def _declares_nothing(head: bytes) -> None:
    return None


@dataclass
class Decoding:
    """How one file is decoded: what is known beforehand, and what is found."""

    encoding: str = AUTO
    """As the configuration says; only a byte order mark overrides it."""
    declared: Callable[[bytes], str | None] = _declares_nothing
    """Returns the encoding that the beginning of the file says it has."""
    name: str = UTF8
    """The encoding, from where it matters; UTF-8 too where nothing is certain."""


class Utf8Stream(io.RawIOBase):
    """A stream as UTF-8, without byte order mark.

    There is one decision a file, where its first byte beyond ASCII stands, from 32 to 64 KiB. UTF-8
    passes as it is, broken bytes included, and so does what is in no encoding for certain. What is
    broken in another encoding becomes a byte that is not UTF-8, to be repaired or set aside too.

    Args:
        stream: is closed with this one.
        decoding: is told what is found.
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
        """Return that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return how many bytes."""
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
        except UnicodeError:  # those of ISO-2022 give up on escapes without an end
            decoder.reset()
            return _BROKEN_BYTE
        return text.encode(errors=BROKEN)

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        super().close()

    def _read(self, size: int) -> bytes:
        """Return up to so many bytes; what goes wrong is raised after all that was read before."""
        content = b""
        try:
            content = self._stream.read1(size)
        except Exception as error:
            self._error = error
        self._is_ended = not content
        return content

    def _block(self) -> bytes:
        """Return as many bytes as there are in a block, however the file is packed."""
        content = bytearray()
        while len(content) < _BLOCK and not self._is_ended:
            content += self._read(_BLOCK - len(content))
        return bytes(content)

    def _decide(self) -> bytes:
        """Return what was read to decide on the encoding, or a block in which all have the same."""
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
            # Its first letters tell little of what follows, which may be UTF-8.
            self._decoder = codecs.getincrementaldecoder(UTF8)(AS_CP1252)
        elif encoding != UTF8:
            self._decoder = codecs.getincrementaldecoder(encoding)(BROKEN)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(CP1252, "replace"), error.end


def _as_broken(error: UnicodeError) -> tuple[str | bytes, int]:
    """Carry what is broken through the text as a lone surrogate, and write that as one byte."""
    if isinstance(error, UnicodeDecodeError):
        return "\udc81", error.end
    if isinstance(error, UnicodeEncodeError):
        return _BROKEN_BYTE * (error.end - error.start), error.end
    raise error


codecs.register_error(AS_CP1252, _as_cp1252)
codecs.register_error(BROKEN, _as_broken)
