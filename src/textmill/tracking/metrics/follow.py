"""Shipping the metrics that a training step appends to its work folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Metric

from textmill.tracking.store import Store, StoreError
from textmill.training.metrics_file import read_entries

SHIP_EVERY_S = 2.0
LAST_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a training step has come."""

    step: int
    total_steps: int
    metrics: dict[str, float]
    """The newest value of every metric."""


@dataclass
class Follower:
    """Follows a growing metrics.jsonl, and ships its points to a run in batches.

    A server that does not answer delays the points and loses none: they wait for the next try.
    """

    store: Store
    run_id: str
    file: Path
    on_progress: Callable[[Progress], None]
    points: list[Metric] = field(default_factory=list)
    """All points read so far."""
    _waiting: list[Metric] = field(default_factory=list)
    _offset: int = 0
    _next_ship_s: float = 0.0
    _is_late: bool = False
    _total_steps: int = 0
    _newest: dict[str, float] = field(default_factory=dict)

    def poll(self) -> None:
        """Read what is new; ship it if the last time is long enough ago."""
        self._read()
        if time.monotonic() >= self._next_ship_s:
            self._next_ship_s = time.monotonic() + SHIP_EVERY_S
            try:
                self._ship(is_patient=False)
                self._is_late = False
            except StoreError as error:
                if not self._is_late:  # an outage is reported once
                    log.warning("Metrics wait to be sent. %s", error)
                self._is_late = True

    def add(self, points: list[Metric]) -> None:
        """Take points from elsewhere, to be shipped with the others; from any thread."""
        self._waiting += points

    def finish(self) -> None:
        """Ship all that is left.

        Raises:
            StoreError: the store does not take the points after several tries.
        """
        self._read()
        for attempt in range(LAST_TRIES):
            try:
                return self._ship()
            except StoreError:
                if attempt == LAST_TRIES - 1:
                    raise
                time.sleep(2**attempt)

    def _read(self) -> None:
        if not self.file.exists():
            return
        with self.file.open("rb") as stream:
            stream.seek(self._offset)
            content = stream.read()
        entries, size = read_entries(content, self.file)  # the last line may be half-written
        self._offset += size
        for entry in entries:
            self._take(entry)

    def _take(self, entry: dict[str, object]) -> None:
        if "total_steps" in entry:
            self._total_steps = int(str(entry["total_steps"]))
            return
        step, time_ms, metrics = entry["step"], entry["time_ms"], entry["metrics"]
        assert isinstance(step, int)
        assert isinstance(time_ms, int)
        assert isinstance(metrics, dict)
        points = [Metric(name, value, time_ms, step) for name, value in metrics.items()]
        self.points += points
        self._waiting += points
        self._newest |= metrics
        self.on_progress(Progress(step, self._total_steps, dict(self._newest)))

    def _ship(self, is_patient: bool = True) -> None:
        waiting = self._waiting[:]
        if waiting:
            self.store.log_points(self.run_id, waiting, is_patient)
            del self._waiting[: len(waiting)]
