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
from textmill.files import check_kind

_MAGIC = {
    b"PK\x03\x04": "a ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh91AY&SY": "compressed by bzip2",
    b"\xfd7zXZ\x00": "compressed by xz",
}
"""How a file begins that is something else than its name says."""
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.zst", ".bz2", ".xz")
_PACKED = (".gz", ".zst")
_MAGIC_BYTES = max(map(len, _MAGIC))
_BUFFER_BYTES = 1 << 16
_SHOWN_BYTES = 1 << 13  # of a line that is too long
_SKIPPED_BYTES = 1 << 20  # of it at once
_ZSTD_CHUNK = 1 << 10  # may hold 32 MiB, which are unpacked at once
_FREE_BYTES = 1 << 26  # that a file may unpack to, however small it is

LIMITS = LimitsConfig()
"""Of files whose limits nobody sets."""


Line = tuple[int, bytes, bool]
"""The number of a line, counted from 1; its bytes in UTF-8, with its end and without byte order
mark; and whether it is longer than the limit, so that these are its first bytes alone."""


def check_file(file: Path) -> None:
    """Check that a file is there.

    Raises:
        InputError: it is not, or it is something else.
    """
    check_kind(file)
    if not file.is_file():
        raise InputError(f"{file} {'is not a file' if file.exists() else 'does not exist'}.")


def unknown_kind(file: Path, suffixes: Iterable[str]) -> str:
    """Return what to tell a user whose file has none of these endings."""
    advice = " Archives are not read: unpack it first." if is_archive(file) else ""
    return (
        f"unknown kind of file {file}; its name must end in one of {', '.join(suffixes)}.{advice}"
    )


def is_archive(file: Path) -> bool:
    """Return whether a file is one that holds others, or of a compression that is not read."""
    return file.name.lower().endswith(_ARCHIVES)


def read_lines(
    file: Path,
    limits: LimitsConfig = LIMITS,
    setting: str = "",
    decoding: Decoding | None = None,
) -> Iterator[Line]:
    """Yield the lines of a plain or compressed file; memory is bounded however long they are.

    `line_ends` says what ends a line.

    Args:
        file: its ending tells the compression.
        limits: how long a line may be, and to how much the file may unpack.
        setting: where the limits are set, for messages; empty if nowhere.
        decoding: how the file is decoded, to be told what was found; None detects the encoding.

    Raises:
        InputError: the file is an archive, its compression is damaged or cut off, or it unpacks to
            more than the limit.
    """
    number = size = 0
    most = most_bytes(file, limits) if file.name.lower().endswith(_PACKED) else sys.maxsize
    max_bytes = max_document_bytes(limits)
    with _open_stream(file) as packed:
        stream: io.BufferedReader[Any] = io.BufferedReader(
            Utf8Stream(packed, decoding or Decoding()), _BUFFER_BYTES
        )
        try:
            _check_beginning(file, packed.peek(_MAGIC_BYTES))
            if has_cr_lines(stream.peek()):
                stream = io.BufferedReader(CrAsLf(stream), _BUFFER_BYTES)
            while content := stream.readline(max_bytes + 1):
                number += 1
                size += len(content)
                is_cut = len(content) > max_bytes and not content.endswith(b"\n")
                if is_cut:
                    content = content[:_SHOWN_BYTES]
                    size += _skip_line(stream, most - size)
                if size > most:
                    raise bomb(file, limits, setting)
                yield number, content, is_cut
        except (EOFError, OSError, zlib.error) as error:
            raise unreadable(file, number + 1, str(error)) from None


def _skip_line(stream: io.BufferedIOBase, most: int) -> int:
    """Return the size of the rest of a line, or of so much of it that it is more than the most."""
    size = 0
    while size <= most and (more := stream.readline(_SKIPPED_BYTES)):
        size += len(more)
        if more.endswith(b"\n"):
            break
    return size


def _check_beginning(file: Path, content: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise InputError(
                f"{file} is {kind}, though its name does not say so: unpack it, or rename it."
            )


def max_document_bytes(limits: LimitsConfig) -> int:
    """Return how large a line, record or document may be."""
    return limits.max_document_mib << 20


def most_bytes(file: Path, limits: LimitsConfig) -> int:
    """Return to how many bytes a compressed file may unpack."""
    return max(_FREE_BYTES, file.stat().st_size * limits.max_unpacked_ratio)


def bomb(file: Path, limits: LimitsConfig, setting: str) -> InputError:
    """Return the error of a file that holds too much for its size."""
    key = f", or raise {setting}.limits.max_unpacked_ratio" if setting else ""
    return InputError(
        f"{file} unpacks to more than {limits.max_unpacked_ratio} times its size, as decompression "
        f"bombs do: take it out; if it is sound, unpack it{key}."
    )


def unreadable(file: Path, line: int, reason: str) -> InputError:
    """Return the error of a file of which nobody knows how much is lost."""
    return InputError(
        f"{file}:{line}: the file cannot be read on ({reason}): fetch it again, or take it out."
    )


def _open_stream(file: Path) -> io.BufferedReader:
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
