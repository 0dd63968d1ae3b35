"""Trials of a sweep in MLflow: children of the sweep's run with their settings and scores.

The training of a trial is the step `finetune` like any other, and its result is in that step's run.
The run of a trial only records it, also if the step is an earlier one's, so that the children of a
sweep can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlflow.entities import Metric
from pydantic import BaseModel

from textmill.config import TaskConfig
from textmill.steps.graph import FINETUNE
from textmill.steps.raw_sources import Source
from textmill.tracking.computing.request import Request
from textmill.tracking.computing.step_run import KEY_TAG
from textmill.tracking.description import NOTE_TAG
from textmill.tracking.liveness import LOCK_TAG, LOCKS_TAG
from textmill.tracking.lookup import points_of
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store
from textmill.tracking.tags import KIND_TAG, PARENT_TAG, PRUNED_TAG, TRIAL_TAG

OUTCOME_TAG = "textmill.outcome"
STEP_RUN_TAG = "textmill.run.finetune"


@dataclass(frozen=True)
class Training:
    """The recorded course of a training, whether finished or pruned."""

    run_id: str
    url: str
    seconds: float
    points: list[tuple[int, float]]
    """Optimizer steps and validation scores."""


def key_of_training(
    config: BaseModel, inputs: Mapping[str, Result], sources: tuple[Source, ...], task: TaskConfig
) -> str:
    """Return the key of the step `finetune`; arguments as of `Pipeline.run`."""
    return Request(FINETUNE, config, inputs, sources, task).key


def find_training(store: Store, key: str, metric: str) -> Training | None:
    """Return the newest finished or pruned training with a key, or None.

    Args:
        store: to search.
        key: of the step.
        metric: name of the validation score.
    """
    for run in store.search(f"tags.`{KEY_TAG}`='{key}'"):
        if run.info.status == "FINISHED" or PRUNED_TAG in run.data.tags:
            run_id = run.info.run_id
            return Training(
                run_id,
                store.run_url(run.info.experiment_id, run_id),
                run.data.metrics.get("seconds", 0.0),
                points_of(store, run_id, metric),
            )
    return None


def pipeline_of_trial(pipeline: Pipeline, number: int) -> Pipeline:
    """Return the pipeline of a sweep, whose steps are marked as those of a trial."""
    return replace(pipeline, tags={**pipeline.tags, TRIAL_TAG: str(number)})


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended."""

    number: int
    """Counted from 1; 0: the settings as they are."""
    settings: Mapping[str, Any]
    outcome: str
    """computed, reused, pruned or failed."""
    score: float | None
    """The best validation score so far; None: there is none."""
    points: Sequence[tuple[int, float]]
    """Optimizer steps and scores of its validations."""
    training: Training | None
    """None: it has failed."""
    failure: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether its training came to its end."""
        return self.outcome in ("computed", "reused")

    @property
    def seconds(self) -> float:
        """The time of its training."""
        return self.training.seconds if self.training else 0.0


def log_trial(pipeline: Pipeline, task: str, metric: str, trial: TrialRecord) -> None:
    """Log a trial that has ended as a child of the run of its sweep.

    Args:
        pipeline: of the sweep.
        task: name of the task.
        metric: name of the validation score.
        trial: to log.

    Raises:
        StoreError: the store failed.
    """
    store = pipeline.store
    sweep = store.client.get_run(pipeline.run_id).data.tags
    tags = {
        **pipeline.tags,
        # If this process is killed meanwhile, the run is closed with that of the sweep.
        **{tag: sweep[tag] for tag in (LOCKS_TAG, LOCK_TAG)},
        PARENT_TAG: pipeline.run_id,
        KIND_TAG: "trial",
        "textmill.task": task,
        TRIAL_TAG: str(trial.number),
        OUTCOME_TAG: trial.outcome,
    }
    if trial.training is not None:
        page = f"#{trial.training.url.partition('#')[2]}"
        tags |= {STEP_RUN_TAG: trial.training.run_id, NOTE_TAG: f"[finetune {task}]({page})"}
    run_id = store.start_run(pipeline.experiment_id, f"trial {trial.number}", tags)
    store.log_params(run_id, trial.settings)
    time_ms = int(time.time() * 1000)
    points = [Metric(f"validation/{metric}", value, time_ms, step) for step, value in trial.points]
    store.log_points(run_id, points)
    scores = {} if trial.score is None else {f"best_validation_{metric}": trial.score}
    store.log_metrics(run_id, {**scores, "seconds": trial.seconds}, time_ms)
    store.end_run(run_id, "FAILED" if trial.failure else "FINISHED", trial.failure)
