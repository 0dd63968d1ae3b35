"""The running time of a step over all its attempts."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from pathlib import Path

from textmill.files import write_atomic

SAVE_EVERY_S = 10


class Stopwatch:
    """Measures the seconds since its creation, plus those of interrupted earlier attempts.

    Args:
        file: file of the time; None for a step that does not resume earlier attempts.
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
        """Save the time periodically, because a killed process cannot."""
        if time.monotonic() >= self._next_save_s:
            self._next_save_s = time.monotonic() + SAVE_EVERY_S
            self.save()

    def save(self) -> None:
        """Save the time for a later attempt, ignoring a full disk."""
        if self._file is not None:
            with suppress(OSError):
                write_atomic(self._file, str(self.seconds()).encode())
