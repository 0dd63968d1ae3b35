"""Metrics over time as JSON Lines: the only interface of a training step to tracking."""

from __future__ import annotations

import json
import logging
import time
import weakref
import zlib
from pathlib import Path
from typing import Any

from textmill.errors import RunError
from textmill.files import parse_json

NAME = "metrics.jsonl"
CHECK = "check"
"""Field of every line: a checksum of the line and of the key of the step that wrote it."""

log = logging.getLogger(__name__)


class MetricsFile:
    """Appends points to metrics.jsonl in a work folder.

    A resumed training repeats some optimizer steps: points at or below the last written step of
    their metric are not written again.

    Args:
        work: the folder.
        total_steps: the last optimizer step, from which a reader computes progress.
        is_writer: whether to append; of several ranks, all track the points and one writes them.
    """

    def __init__(self, work: Path, total_steps: int, is_writer: bool = True) -> None:
        self.file = work / NAME
        self.is_writer = is_writer
        self.lowest: dict[str, float] = {}
        """The lowest value of every metric so far."""
        self._newest: dict[str, int] = {}
        self._restore()
        if not is_writer:
            return
        # Kept open: opening it for every point cost four times as much as writing the point.
        self._stream = self.file.open("ab")
        weakref.finalize(self, self._stream.close)
        if self.file.stat().st_size == 0:
            self._append({"total_steps": total_steps})

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Append one point of each metric."""
        new = {k: v for k, v in metrics.items() if step > self._newest.get(k, -1)}
        if new and self.is_writer:
            entry = {"step": step, "time_ms": int(time.time() * 1000), "metrics": new}
            self._append(entry | {CHECK: _checksum(entry, self.file)})
        self._note(step, new)

    def _restore(self) -> None:
        """Read the existing points, and truncate a partially written last line."""
        if self.is_writer:
            truncate_damaged(self.file.parent)
        if self.file.exists():
            for entry in read_entries(self.file.read_bytes(), self.file)[0]:
                self._note(entry.get("step", -1), entry.get("metrics", {}))

    def _note(self, step: int, metrics: dict[str, float]) -> None:
        self._newest |= dict.fromkeys(metrics, step)
        for name, value in metrics.items():
            self.lowest[name] = min(value, self.lowest.get(name, value))

    def _append(self, entry: dict[str, object]) -> None:
        self._stream.write(json.dumps(entry).encode() + b"\n")
        self._stream.flush()


def truncate_damaged(work: Path) -> None:
    """Truncate the metrics of a work folder at the first damaged line.

    The last line may be incomplete if the process was killed.
    """
    file = work / NAME
    if not file.exists():
        return
    content = file.read_bytes()
    _, size = read_entries(content, file)
    if b"\n" in content[size:]:
        line = content[:size].count(b"\n") + 1
        log.warning(
            "%s:%d is damaged: points from there on that were not logged yet are lost.", file, line
        )
    if size < len(content):
        with file.open("r+b") as stream:
            stream.truncate(size)


def read_entries(content: bytes, file: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the entries up to the first damaged line, and the size of their lines in bytes.

    Args:
        content: content of the file, from the beginning of a line.
        file: path of the file.
    """
    entries: list[dict[str, Any]] = []
    size = 0
    for line in content.splitlines(keepends=True):
        entry = _entry(line, file)
        if entry is None:
            break
        entries.append(entry)
        size += len(line)
    return entries, size


def _entry(line: bytes, file: Path) -> dict[str, Any] | None:
    """Return the entry of a line, or None if it is damaged."""
    try:
        entry = parse_json(line, file) if line.endswith(b"\n") else None
    except RunError:
        return None
    if not isinstance(entry, dict):
        return None
    check = entry.pop(CHECK, None)  # early versions wrote none
    if check is not None and check != _checksum(entry, file):
        return None
    match entry:
        case {"total_steps": int()} if len(entry) == 1:
            return entry
        case {"step": int(), "time_ms": int(), "metrics": dict(metrics)} if len(entry) == 3:
            return entry if all(type(v) in (int, float) for v in metrics.values()) else None
    return None


def _checksum(entry: dict[str, Any], file: Path) -> int:
    """Return a checksum of an entry and the step's key: an entry of another step does not match."""
    key = file.resolve().parent.parent.name
    return zlib.crc32(f"{key}{json.dumps(entry)}".encode())
