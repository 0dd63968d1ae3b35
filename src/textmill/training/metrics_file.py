"""Metrics over time as lines of JSON: all that a training step knows of tracking."""

from __future__ import annotations

import json
import time
import weakref
from pathlib import Path

NAME = "metrics.jsonl"


class MetricsFile:
    """Appends points to metrics.jsonl in a work folder.

    A step that goes on after a kill repeats some of its steps: points at or below the newest
    written step of their metric are there already and are not written again.

    Args:
        work: the folder.
        total_steps: where the step will end, so that a reader can tell how far it is.
        is_writer: whether it appends; of the processes of one training, all know the points and one
            writes them.
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
            self._append({"step": step, "time_ms": int(time.time() * 1000), "metrics": new})
        self._note(step, new)

    def _restore(self) -> None:
        """Read what is there, and cut off a line that a kill left half-written."""
        if not self.file.exists():
            return
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content) and self.is_writer:
            with self.file.open("r+b") as stream:
                stream.truncate(len(whole))
        for line in whole.splitlines():
            entry = json.loads(line)
            self._note(entry.get("step", -1), entry.get("metrics", {}))

    def _note(self, step: int, metrics: dict[str, float]) -> None:
        self._newest |= dict.fromkeys(metrics, step)
        for name, value in metrics.items():
            self.lowest[name] = min(value, self.lowest.get(name, value))

    def _append(self, entry: dict[str, object]) -> None:
        self._stream.write(json.dumps(entry).encode() + b"\n")
        self._stream.flush()
