"""The use of processor, memory, disk, network and GPUs while a step runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from textmill.tracking.metrics.follow import Follower

EVERY_S = 5


class SystemMonitor(SystemMetricsMonitor):
    """MLflow's monitor, whose points a follower ships.

    MLflow's own way of sending them ends for good at the first call that a server does not answer.
    """

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        super().__init__(  # type: ignore[no-untyped-call]
            follower.run_id, EVERY_S, resume_logging=True, tracking_uri=follower.store.uri
        )

    def monitor(self) -> None:
        """Measure in intervals until `finish`; runs in a thread of its own."""
        while True:
            self.collect_metrics()  # type: ignore[no-untyped-call]
            if self._shutdown_event.wait(self.sampling_interval):
                return
            metrics = self.aggregate_metrics()  # type: ignore[no-untyped-call]
            self.publish_metrics(metrics)

    def publish_metrics(self, metrics: dict[str, float]) -> None:
        """Hand the numbers of one interval to the follower."""
        now, step = int(time.time() * 1000), self._logging_step
        prefix = self._metrics_prefix
        self._follower.add([Metric(prefix + k, float(v), now, step) for k, v in metrics.items()])
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()  # type: ignore[no-untyped-call]


@contextmanager
def watch_system(follower: Follower, is_wanted: bool) -> Iterator[None]:
    """Measure as long as the block runs, if that is wanted."""
    if not is_wanted:
        yield
        return
    monitor = SystemMonitor(follower)
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]
