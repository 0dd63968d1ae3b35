"""Numbered lines of plain and compressed files.

zstandard is imported where it is used, because tasks read files on machines without it.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from textmill.errors import InputError

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ZSTD_CHUNK = 1 << 14


def check_file(file: Path) -> None:
    """Check that a file is there.

    Raises:
        InputError: it is not, or it is a folder.
    """
    if not file.is_file():
        raise InputError(f"{file} {'is not a file' if file.exists() else 'does not exist'}.")


def read_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of a plain or compressed file, without byte order mark.

    Raises:
        InputError: the file is in UTF-16, or its compression is damaged or cut off.
    """
    number = 0
    with _open_stream(file) as stream:
        try:
            for line in stream:
                number += 1
                if number == 1:
                    if line.startswith(_UTF16_BOMS):
                        raise InputError(
                            f"{file} is in UTF-16; convert it to UTF-8 first "
                            "(iconv -f UTF-16 -t UTF-8)."
                        )
                    line = line.removeprefix(_BOM)
                yield number, line
        except (EOFError, OSError, zlib.error) as error:
            raise unreadable(file, number + 1, str(error)) from None


def unreadable(file: Path, line: int, reason: str) -> InputError:
    """Return the error of a file of which nobody knows how much is lost."""
    return InputError(
        f"{file}:{line}: the file cannot be read on ({reason}): fetch it again, or take it out."
    )


def _open_stream(file: Path) -> BinaryIO:
    name = file.name.lower()
    if name.endswith(".gz"):
        # GzipFile.readline is slow Python; the buffer finds line ends in C.
        return io.BufferedReader(gzip.GzipFile(file, "rb"))
    if name.endswith(".zst"):
        return io.BufferedReader(_ZstdStream(file))
    return file.open("rb")


class _ZstdStream(io.RawIOBase):
    """The content of a .zst file; unlike zstandard's own reader it notices when it is cut off."""

    def __init__(self, file: Path) -> None:
        import zstandard

        self._file = file.open("rb")
        self._library = zstandard
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._packed or self._file.read(_ZSTD_CHUNK)
            if not packed:
                if self._frame is not None:
                    raise EOFError("Compressed file ended before the end of its last frame")
                return 0
            if self._frame is None:
                # 2 GiB: the widest window that `zstd --long` writes.
                self._frame = self._library.ZstdDecompressor(
                    max_window_size=1 << 31
                ).decompressobj()
            try:
                self._ready = self._frame.decompress(packed)
            except self._library.ZstdError as error:
                raise OSError(str(error)) from error
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
