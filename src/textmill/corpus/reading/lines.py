"""Numbered lines of plain and compressed files.

zstandard is imported where it is used, because tasks read files on machines without it.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from textmill.config import LimitsConfig
from textmill.corpus.reading.decoding import Decoding, Utf8Stream
from textmill.corpus.reading.line_ends import CrAsLf, has_cr_lines
from textmill.errors import InputError
from textmill.files import reject_special_file

_MAGIC = {
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh91AY&SY": "compressed by bzip2",
    b"\xfd7zXZ\x00": "compressed by xz",
}
"""Magic numbers of formats that a file may have despite its name."""
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.zst", ".bz2", ".xz")
_PACKED = (".gz", ".zst")
_MAGIC_BYTES = max(map(len, _MAGIC))
_BUFFER_BYTES = 1 << 16
_SHOWN_BYTES = 1 << 13  # kept of a line that is too long
_SKIPPED_BYTES = 1 << 20  # read at once when skipping it
_ZSTD_CHUNK = 1 << 10  # may decompress to 32 MiB at once
_MIN_UNPACKED_BYTES = 1 << 26  # always allowed, however small the file

LIMITS = LimitsConfig()
"""Default limits."""


Line = tuple[int, bytes, bool]
"""Line number, from 1; its bytes in UTF-8, with line end and without byte order mark; and whether
it is too long, so that these are only its first bytes."""


def check_file(file: Path) -> None:
    """Raise InputError unless a path is an existing regular file."""
    reject_special_file(file)
    if not file.is_file():
        problem = "is not a file" if file.exists() else "does not exist"
        raise InputError(f"{file} {problem}: correct the path.")


def unknown_format_message(file: Path, suffixes: Iterable[str]) -> str:
    """Return the message for a file without a supported suffix."""
    advice = " Archives are not supported: unpack it first." if is_archive(file) else ""
    return f"unknown file format {file}; its name must end in one of {', '.join(suffixes)}.{advice}"


def is_archive(file: Path) -> bool:
    """Return whether a file is an archive, or in an unsupported compression format."""
    return file.name.lower().endswith(_ARCHIVES)


def read_lines(
    file: Path,
    limits: LimitsConfig = LIMITS,
    setting: str = "",
    decoding: Decoding | None = None,
    stream: io.BufferedReader | None = None,
) -> Iterator[Line]:
    """Yield the lines of a plain or compressed file, in bounded memory.

    Line ends are those of `line_ends`.

    Args:
        file: its suffix determines the compression.
        limits: maximum size of a line, and of the decompressed file.
        setting: where the limits are set, for messages; empty if nowhere.
        decoding: how to decode the file; receives the detected encoding. None: detect it.
        stream: its content, if that is open already; closed at the end.

    Raises:
        InputError: the file is an archive, its compressed data is damaged or truncated, or it
            exceeds the limit.
    """
    number = size = 0
    max_total = (
        max_unpacked_bytes(file, limits) if file.name.lower().endswith(_PACKED) else sys.maxsize
    )
    max_bytes = max_document_bytes(limits)
    with stream or file.open("rb") as raw, _unpacked(raw, file) as packed:
        text: io.BufferedReader[Any] = io.BufferedReader(
            Utf8Stream(packed, decoding or Decoding()), _BUFFER_BYTES
        )
        try:
            _check_beginning(file, packed.peek(_MAGIC_BYTES))
            if has_cr_lines(text.peek()):
                text = io.BufferedReader(CrAsLf(text), _BUFFER_BYTES)
            while content := text.readline(max_bytes + 1):
                number += 1
                size += len(content)
                is_cut = len(content) > max_bytes and not content.endswith(b"\n")
                if is_cut:
                    content = content[:_SHOWN_BYTES]
                    size += _skip_line(text, max_total - size)
                if size > max_total:
                    raise bomb_error(file, limits, setting)
                yield number, content, is_cut
        except (EOFError, OSError, zlib.error) as error:
            raise unreadable_error(file, number + 1, str(error)) from None


def _skip_line(stream: io.BufferedIOBase, max_total: int) -> int:
    """Skip the rest of a line; return its size, or a size beyond max_total."""
    size = 0
    while size <= max_total and (more := stream.readline(_SKIPPED_BYTES)):
        size += len(more)
        if more.endswith(b"\n"):
            break
    return size


def _check_beginning(file: Path, content: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise InputError(f"{file} is {kind}, unlike its name: unpack or rename it.")


def max_document_bytes(limits: LimitsConfig) -> int:
    """Return the maximum size of a line, record or document."""
    return limits.max_document_mib << 20


def max_unpacked_bytes(file: Path, limits: LimitsConfig) -> int:
    """Return the maximum decompressed size of a file."""
    return max(_MIN_UNPACKED_BYTES, file.stat().st_size * limits.max_unpacked_ratio)


def bomb_error(file: Path, limits: LimitsConfig, setting: str) -> InputError:
    """Return the error for a file that may be a decompression bomb."""
    key = f", or raise {setting}.limits.max_unpacked_ratio" if setting else ""
    return InputError(
        f"{file} decompresses to more than {limits.max_unpacked_ratio} times its size and may be a "
        f"decompression bomb: remove it; if it is legitimate, unpack it{key}."
    )


def unreadable_error(file: Path, line: int, reason: str) -> InputError:
    """Return the error for a file that is damaged from a line on."""
    return InputError(
        f"{file}:{line}: the file is damaged from here on ({reason}): download it again, or remove "
        "it."
    )


def _unpacked(raw: io.BufferedReader, file: Path) -> io.BufferedReader[Any]:
    name = file.name.lower()
    if name.endswith(".gz"):
        # GzipFile.readline is slow Python; the buffer finds line ends in C.
        return io.BufferedReader(gzip.GzipFile(fileobj=raw, mode="rb"))
    if name.endswith(".zst"):
        return io.BufferedReader(_ZstdStream(raw))
    return raw


class _ZstdStream(io.RawIOBase):
    """The content of a .zst file; unlike zstandard's own reader, it detects truncated files."""

    def __init__(self, raw: io.BufferedReader) -> None:
        import zstandard

        self._file = raw
        self._library = zstandard
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._ready = memoryview(b"")

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
                self._ready = memoryview(self._frame.decompress(packed))
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
