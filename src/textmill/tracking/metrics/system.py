"""System metrics (CPU, memory, disk, network, GPUs) while a step runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from textmill.tracking.metrics.follow import Follower

SAMPLING_INTERVAL_S = 5


class SystemMonitor(SystemMetricsMonitor):
    """MLflow's system metrics monitor, whose points a follower logs.

    MLflow's own monitor stops for good at the first call that fails.
    """

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        super().__init__(  # type: ignore[no-untyped-call]
            follower.run_id,
            SAMPLING_INTERVAL_S,
            resume_logging=True,
            tracking_uri=follower.store.uri,
        )

    def monitor(self) -> None:
        """Sample metrics until `finish`; runs in its own thread."""
        while True:
            self.collect_metrics()  # type: ignore[no-untyped-call]
            if self._shutdown_event.wait(self.sampling_interval):
                return
            metrics = self.aggregate_metrics()  # type: ignore[no-untyped-call]
            self.publish_metrics(metrics)

    def publish_metrics(self, metrics: dict[str, float]) -> None:
        """Pass the metrics of one interval to the follower."""
        now, step = int(time.time() * 1000), self._logging_step
        prefix = self._metrics_prefix
        self._follower.add([Metric(prefix + k, float(v), now, step) for k, v in metrics.items()])
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()  # type: ignore[no-untyped-call]


@contextmanager
def log_system_metrics(follower: Follower, is_enabled: bool) -> Iterator[None]:
    """Log system metrics while the block runs, if enabled."""
    if not is_enabled:
        yield
        return
    monitor = SystemMonitor(follower)
    monitor.start()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]
