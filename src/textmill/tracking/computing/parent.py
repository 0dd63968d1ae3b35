"""The parent MLflow run of a pipeline's steps, and how its steps are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from textmill.steps.process import Job
from textmill.tracking.store import Store


@dataclass
class ParentRun:
    """The run of a pipeline, with the settings that its steps need."""

    store: Store
    experiment_id: str
    run_id: str
    system_metrics: bool
    """Whether to log MLflow's system metrics while a step is computed."""
    tags: Mapping[str, str]
    """Tags that the steps' runs share with the parent."""
    scope: str | None = None
    """Results are shared only among pipelines with the same scope; None: all without one."""
    max_trainings: int | None = None
    """Maximum number of concurrent trainings on this machine; None sets no limit."""
    prepared_gib: float = 0
    """Maximum disk space of the cache of prepared documents; 0 disables the cache."""
    cluster: str | None = None
    """Address of a Ray cluster for the workers of steps that use workers."""
    compute: Callable[[Job, Callable[[], None]], None] | None = None
    """Computes a job on another machine, in place of `run_job`; None: on this machine."""
    write_filters: Callable[[Path], None] | None = None
    """Writes the content filters of models that write texts, which travel with MLflow's copies."""

    @property
    def url(self) -> str:
        """URL of the run's page."""
        return self.store.run_url(self.experiment_id, self.run_id)
