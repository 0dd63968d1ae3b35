"""CPU time of the stages of a step, stored beside its output, because time is not a result."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

STAGE_TIMES_VARIABLE = "TEXTMILL_STAGE_TIMES"
"""Environment variable with the folder in which a step's processes store their times."""

Item = TypeVar("Item")

_totals: dict[str, dict[str, float]] = {}  # of this process


class StageTimer:
    """Measures consecutive stages of work, in CPU time of this thread."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._last_s: float | None = None

    def start(self) -> None:
        """Start measuring the first stage."""
        self._last_s = time.thread_time()

    def end(self, stage: str) -> None:
        """Add the time since the last call to a stage; does nothing if not started."""
        if self._last_s is not None:
            now_s = time.thread_time()
            self._seconds[stage] = self._seconds.get(stage, 0.0) + now_s - self._last_s
            self._last_s = now_s

    def timed(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and add the time to produce them to a stage."""
        iterator = iter(items)
        while True:
            self.start()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.end(stage)
                self._last_s = None
            yield item

    def stop(self, n_bytes: int, ahead: str | None = None) -> None:
        """Stop measuring, and store the times.

        Args:
            n_bytes: bytes that the stages have processed since the last call.
            ahead: a further stage that has processed them, but may have been measured earlier.
        """
        if ahead:
            self._seconds.setdefault(ahead, 0.0)
        for stage, seconds in self._seconds.items():
            total = _totals.setdefault(stage, {"seconds": 0.0, "bytes": 0})
            total["seconds"] += seconds
            total["bytes"] += n_bytes
        self._seconds = {}
        self._last_s = None
        if folder := os.environ.get(STAGE_TIMES_VARIABLE):
            _store(Path(folder))


def _store(folder: Path) -> None:
    """Write the times of this process atomically, as it may be killed at any time."""
    name = f"{platform.node()}-{os.getpid()}"  # processes may run on several machines
    staging = folder / f".{name}"
    with suppress(OSError):  # times are optional: a full disk must not fail the step
        folder.mkdir(exist_ok=True)
        staging.write_text(json.dumps(_totals))
        staging.replace(folder / f"{name}.json")


def read_stage_times(folder: Path) -> dict[str, dict[str, float]]:
    """Return `seconds` and `bytes` of every stage, summed over the processes of a step."""
    found: dict[str, dict[str, float]] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            of_process: dict[str, Any] = json.loads(file.read_text())
            for stage, measured in of_process.items():
                total = found.setdefault(stage, {"seconds": 0.0, "bytes": 0})
                for name, value in measured.items():
                    total[name] += value
        # Damaged times must not fail the step.
        except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return {}
    return found
