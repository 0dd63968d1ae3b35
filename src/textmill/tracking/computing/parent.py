"""The MLflow run that the runs of a pipeline's steps belong to, and how its steps are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textmill.steps.process import Job
from textmill.tracking.store import Store


@dataclass
class ParentRun:
    """The run of a pipeline, as far as its steps need to know."""

    store: Store
    experiment_id: str
    run_id: str
    system_metrics: bool
    """Whether the use of the machine is measured while a step is computed."""
    tags: Mapping[str, str]
    """Tags that the steps' runs share with the parent."""
    scope: str | None = None
    """None shares results with all pipelines; else they are shared under this name alone."""
    max_trainings: int | None = None
    """Trainings that run at once on this machine; None sets no limit."""
    prepared_gib: float = 0
    """Maximum disk space for prepared documents; 0 keeps and uses none."""
    cluster: str | None = None
    """Address of a Ray cluster for the workers of steps that have some."""
    compute: Callable[[Job, Callable[[], None]], None] | None = None
    """Computes a job elsewhere, as `run_job` does here; None: here."""

    @property
    def url(self) -> str:
        """The page of the run."""
        return self.store.run_url(self.experiment_id, self.run_id)
