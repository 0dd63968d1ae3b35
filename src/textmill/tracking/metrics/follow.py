"""Logging of the metrics that a training step appends to a file in its work folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Metric
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from textmill.tracking.store import Store, StoreError
from textmill.training.metrics_file import read_entries

LOG_INTERVAL_S = 2.0
MAX_FINAL_ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Progress of a training step."""

    step: int
    total_steps: int
    metrics: dict[str, float]
    """The latest value of every metric."""
    point: dict[str, float]
    """The values at this step."""


@dataclass
class Follower:
    """Follows a growing metrics.jsonl, and logs its points to a run in batches.

    If a server does not respond, the points are kept for the next attempt.
    """

    store: Store
    run_id: str
    file: Path
    on_progress: Callable[[Progress], None]
    points: list[Metric] = field(default_factory=list)
    """All points read so far."""
    _pending: list[Metric] = field(default_factory=list)
    _offset: int = 0
    _next_log_s: float = 0.0
    _has_failed: bool = False
    _total_steps: int = 0
    _newest: dict[str, float] = field(default_factory=dict)

    def poll(self) -> None:
        """Read new points, and log them if `LOG_INTERVAL_S` has passed since the last time."""
        self._read()
        if time.monotonic() >= self._next_log_s:
            self._next_log_s = time.monotonic() + LOG_INTERVAL_S
            try:
                self._log_pending(retry=False)
                self._has_failed = False
            except StoreError as error:
                if not self._has_failed:  # an outage is reported once
                    log.warning("Metrics could not be logged yet. %s", error)
                self._has_failed = True

    def add(self, points: list[Metric]) -> None:
        """Add points from another source, to be logged with the others; thread-safe."""
        self._pending += points

    def finish(self) -> None:
        """Log all remaining points.

        Raises:
            StoreError: the store still failed after several attempts.
        """
        self._read()
        self.flush()

    def flush(self) -> None:
        """Log the points read so far; errors as in `finish`."""
        Retrying(
            retry=retry_if_exception_type(StoreError),
            wait=wait_exponential(),
            stop=stop_after_attempt(MAX_FINAL_ATTEMPTS),
            reraise=True,
        )(self._log_pending)

    def _read(self) -> None:
        if not self.file.exists():
            return
        with self.file.open("rb") as stream:
            stream.seek(self._offset)
            content = stream.read()
        entries, size = read_entries(content, self.file)  # the last line may be incomplete
        self._offset += size
        for entry in entries:
            self._process(entry)

    def _process(self, entry: dict[str, object]) -> None:
        if "total_steps" in entry:
            self._total_steps = int(str(entry["total_steps"]))
            return
        step, time_ms, metrics = entry["step"], entry["time_ms"], entry["metrics"]
        assert isinstance(step, int)
        assert isinstance(time_ms, int)
        assert isinstance(metrics, dict)
        points = [Metric(name, value, time_ms, step) for name, value in metrics.items()]
        self.points += points
        self._pending += points
        self._newest |= metrics
        self.on_progress(Progress(step, self._total_steps, dict(self._newest), metrics))

    def _log_pending(self, retry: bool = True) -> None:
        pending = self._pending[:]
        if pending:
            self.store.log_points(self.run_id, pending, retry)
            del self._pending[: len(pending)]
