"""The time that a step takes, over all attempts at it."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path

from textmill.files import write_atomic

SAVE_EVERY_S = 10


class Stopwatch:
    """Counts the seconds since it was made, and those of earlier attempts that were cut off.

    Args:
        file: where the time is kept; None for a step that nothing of an earlier attempt helps.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._earlier_s = 0.0
        if file is not None:
            with suppress(OSError, ValueError):
                seconds = float(file.read_text())
                self._earlier_s = seconds if math.isfinite(seconds) and seconds > 0 else 0.0
        self._started_s = time.monotonic()
        self._next_save_s = self._started_s + SAVE_EVERY_S

    def seconds(self) -> float:
        """Return the time so far."""
        return self._earlier_s + time.monotonic() - self._started_s

    def tick(self) -> None:
        """Keep the time now and then, as nothing can do that when the process is killed."""
        if time.monotonic() >= self._next_save_s:
            self._next_save_s = time.monotonic() + SAVE_EVERY_S
            self.save()

    def save(self) -> None:
        """Keep the time for a later attempt; a full disk is no reason to end this one."""
        if self._file is not None:
            with suppress(OSError):
                write_atomic(self._file, str(self.seconds()).encode())
