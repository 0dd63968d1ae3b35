"""A file of predictions that appears whole, and continues where it was interrupted.

Until it is complete, `FILE.partial` has its lines, and `FILE.partial.json`, the checkpoint, says
how many of them are on disk, to which rows, and by which model. The next command that writes the
file reads both. It drops lines after the checkpoint, which may be incomplete.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from textmill.corpus.reading.line_ends import json_line
from textmill.errors import InputError, RunError
from textmill.files import is_disk_full, read_json, special_file_type, write_json
from textmill_flows.answering.input_rows import InputRow

CHECKPOINT_S = 5.0
"""Seconds between checkpoints, each of which waits for the disk."""


@dataclass(frozen=True)
class State:
    """What is in a partial file at a checkpoint."""

    made_by: dict[str, str | None]
    """The model."""
    rows: int = 0
    """Number of rows that were given to the model."""
    digest: str = hashlib.sha256().hexdigest()
    """Of these rows, one after the other, and of the bad ones between them."""
    answers: int = 0
    """Number of their answers, which are fewer if the model rejects rows."""
    size: int = 0
    """Bytes of the answers."""
    bad: tuple[int, str] = (0, "")
    """Number of bad rows before the last of these, and the first."""
    filtered: dict[str, int] = field(default_factory=dict)
    """Numbers of rows in which filters found something."""


class OtherRows(Exception):
    """The rows that a partial file answers are not those of the input."""


class PartialFile:
    """The predictions of a file while it is written, as a context manager.

    Args:
        file: the file, replaced once all predictions are there.
        made_by: what the predictions depend on besides the rows.
        notify: shows a message.

    Raises:
        InputError: the file cannot be written there, or another process is writing it.
    """

    def __init__(
        self, file: Path, made_by: dict[str, str | None], notify: Callable[[str], None]
    ) -> None:
        self.file = Path(os.path.realpath(file))  # a link stays one
        self.partial = self.file.with_name(f"{self.file.name}.partial")
        self._state_file = self.file.with_name(f"{self.file.name}.partial.json")
        self._made_by, self._notify = made_by, notify
        self._saved = self._now = State(made_by)
        self._saved_s = 0.0
        self._digest = hashlib.sha256()  # of the rows so far
        self._n_compared = 0
        self._stream = self._open()
        self._begin(self._read_state())

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what there is, for the next command."""
        with suppress(OSError):  # of which the error that is raised tells
            if kind is not None and self._now.rows > self._saved.rows:
                self._checkpoint()
            elif kind is not None and not self._saved.rows:
                self.partial.unlink(missing_ok=True)
        with suppress(OSError):
            self._stream.close()

    @property
    def bad(self) -> tuple[int, str]:
        """Number of bad rows among those that are answered, and the first."""
        return self._now.bad

    @property
    def filtered(self) -> dict[str, int]:
        """Numbers of rows, among those that are answered, in which filters found something."""
        return dict(self._now.filtered)

    def has(self, block: Sequence[InputRow], bad_digest: bytes) -> bool:
        """Return whether the answers to the next block are there already.

        Args:
            block: the rows.
            bad_digest: of the bad rows that were read up to its end.

        Raises:
            OtherRows: there are answers, but to other rows.
        """
        if self._n_compared >= self._saved.rows:
            return False
        self._update(self._digest, block, bad_digest)
        self._n_compared += len(block)
        if self._n_compared < self._saved.rows:
            return True
        if (self._n_compared, self._digest.hexdigest()) != (self._saved.rows, self._saved.digest):
            raise OtherRows
        return True

    @property
    def n_answers(self) -> int:
        """Number of answers."""
        return self._now.answers

    def append(
        self,
        block: Sequence[InputRow],
        bad_digest: bytes,
        answers: Sequence[object],
        bad: tuple[int, str],
        filtered: Mapping[str, int],
    ) -> None:
        """Append the answers to the next block.

        Args:
            block: the rows.
            bad_digest: of the bad rows that were read up to its end.
            answers: the answers, to be written as lines of JSON.
            bad: number of bad rows up to the end of the block, and the first of them.
            filtered: numbers of rows up to there in which filters found something.

        Raises:
            RunError: the disk is full.
        """
        content = "".join(map(json_line, answers)).encode()
        digest = self._digest.copy()
        self._update(digest, block, bad_digest)
        before = self._now
        now = State(
            self._made_by,
            before.rows + len(block),
            digest.hexdigest(),
            before.answers + len(answers),
            before.size + len(content),
            bad,
            dict(filtered),
        )
        try:
            self._stream.write(content)
            # An interrupt may come at any time: what is saved changes at once.
            self._digest, self._now = digest, now
            if time.monotonic() - self._saved_s >= CHECKPOINT_S:
                self._checkpoint()
        except OSError as error:
            raise self._failed(error) from None

    def check_end(self) -> None:
        """Raise OtherRows if there are answers to more rows than there are."""
        if self._n_compared < self._saved.rows:
            raise OtherRows

    def finish(self) -> None:
        """Turn the partial file into the file.

        Raises:
            RunError: the disk is full.
        """
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self.partial.replace(self.file)
            self._state_file.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from None

    def restart(self, reason: str) -> None:
        """Drop all answers."""
        self._notify(f"{self.partial} is {reason}: starting again.")
        self._begin(State(self._made_by))

    def _open(self) -> io.BufferedRandom:
        if not self.file.parent.is_dir():
            raise InputError(f"--out {self.file}: {self.file.parent} is no folder: create it.")
        for file in (self.file, self.partial):
            if (kind := special_file_type(file)) or file.is_dir():
                raise InputError(f"--out {file} is {kind or 'a folder'}: choose another file.")
        try:
            stream = self.partial.open("a+b")
        except OSError as error:
            raise InputError(f"--out {self.file} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            raise InputError(
                f"Another process is writing {self.file}: wait for it, or choose another --out."
            ) from None
        return stream

    def _read_state(self) -> State:
        size = self._stream.seek(0, os.SEEK_END)
        new = State(self._made_by)
        try:
            state = TypeAdapter(State).validate_python(read_json(self._state_file))
        except FileNotFoundError:
            return new
        except (RunError, ValidationError):
            problem = "damaged"
        else:
            if size < state.size:
                problem = "incomplete"
            elif state.made_by != self._made_by:
                problem = "of another model, version of it, or other filters"
            else:
                return state
        self._notify(f"{self.partial} is {problem}: starting again.")
        return new

    def _begin(self, state: State) -> None:
        """Continue after a checkpoint, or begin."""
        if state.rows:
            self._notify(f"continuing after the {state.rows:,} rows in {self.partial}.")
        else:
            self._state_file.unlink(missing_ok=True)
        self._stream.truncate(state.size)
        self._stream.seek(0, os.SEEK_END)
        self._saved = self._now = state
        self._saved_s = time.monotonic()
        self._digest = hashlib.sha256()
        self._n_compared = 0

    def _update(self, digest: hashlib._Hash, block: Sequence[InputRow], bad_digest: bytes) -> None:
        for row in block:
            digest.update(json.dumps([row.values, row.given], default=str).encode())
        digest.update(bad_digest)  # their number and the first are shown at the end

    def _checkpoint(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        write_json(self._state_file, asdict(self._now))
        self._saved, self._saved_s = self._now, time.monotonic()
        self._n_compared = self._now.rows

    def _failed(self, error: OSError) -> RunError:
        problem = "the disk is full" if is_disk_full(error) else str(error.strerror)
        return RunError(
            f"{self.partial} cannot be written: {problem}. Run the same command again to continue."
        )
