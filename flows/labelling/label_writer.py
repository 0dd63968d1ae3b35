"""The file of labels while people add to it: each is on disk at once, and several may write."""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from textmill.corpus.reading.line_ends import json_line
from textmill.errors import InputError, RunError
from textmill.files import is_disk_full
from textmill.tasks.annotation.saved_labels import whole_lines


class LabelWriter:
    """Appends to a file of labels.

    The lines of an earlier writer are never moved, so that each can take back its own.

    Args:
        file: the file, which appears with the first label.
        notify: shows a message.

    Raises:
        InputError: the file cannot be written there.
    """

    def __init__(self, file: Path, notify: Callable[[str], None]) -> None:
        self.file, self._notify = file, notify
        self._own: list[tuple[int, bytes]] = []
        self._size, self._has_others = 0, False
        if not file.parent.is_dir():
            raise InputError(f"{file.parent} is no folder: create it, or name another file.")
        if file.exists():
            with self._locked():
                pass  # it can be written, and what is cut at its end is removed
            self._has_others = False

    @property
    def n_own(self) -> int:
        """Number of labels that were appended here and not taken back."""
        return len(self._own)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append labels as lines of JSON; all are on disk, or none.

        Raises:
            RunError: the disk is full.
        """
        lines = [json_line(row).encode() for row in rows]
        with self._locked() as stream:
            start = stream.seek(0, os.SEEK_END)
            try:
                _write(stream, b"".join(lines))
            except OSError as error:
                with suppress(OSError):
                    stream.truncate(start)
                problem = "the disk is full" if is_disk_full(error) else error.strerror
                raise RunError(
                    f"{self.file} cannot be written: {problem}. The last label is not saved."
                ) from None
        for line in lines:
            self._own.append((start, line))
            start += len(line)

    def undo(self) -> None:
        """Take back the last label that was appended here.

        Raises:
            InputError: another program has changed it.
        """
        start, line = self._own.pop()
        with self._locked() as stream:
            stream.seek(start)
            if stream.read(len(line)) != line:
                raise InputError(
                    f"{self.file} was changed by another program: remove the label there."
                )
            if stream.read(1):  # others have appended theirs; lines without content are skipped
                stream.seek(start)
                _write(stream, b" " * (len(line) - 1) + b"\n")
            else:
                stream.truncate(start)
                os.fsync(stream.fileno())

    def has_others(self) -> bool:
        """Return whether others have changed the file since the last call, or the beginning."""
        found = self._has_others or self._size != self._size_now()
        self._size, self._has_others = self._size_now(), False
        return found

    def _size_now(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @contextmanager
    def _locked(self) -> Iterator[io.FileIO]:
        """Yield the file, locked, which ends with a whole line."""
        try:
            number = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise InputError(f"{self.file} cannot be written: {error.strerror}.") from None
        with io.FileIO(number, "r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            self._has_others |= os.fstat(number).st_size != self._size
            self._complete(stream)
            try:
                yield stream
            finally:
                self._size = os.fstat(number).st_size

    def _complete(self, stream: io.FileIO) -> None:
        """Give the last line its end, or remove it if it is cut, as after a crash."""
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 1))
        if stream.read(1) in (b"", b"\n"):
            return
        stream.seek(0)
        kept = len(whole_lines(stream.readall()))
        if kept < size:
            self._notify(f"the last line of {self.file} was incomplete, and is removed.")
            stream.truncate(kept)
        else:
            stream.write(b"\n")


def _write(stream: io.FileIO, content: bytes) -> None:
    """Write all of the content to the disk.

    Raises:
        OSError: it does not fit.
    """
    if stream.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(stream.fileno())
