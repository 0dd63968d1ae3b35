"""Earlier pipeline runs, for the triggers of retraining."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.steps.graph import SAMPLE
from textmill.steps.key import describe_step, key_of
from textmill.tracking.artifacts import output_folder
from textmill.tracking.results import Result, find_result, recorded_results
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import DATA_TAG

log = logging.getLogger(__name__)

EVENT_TAG = "textmill.event"
"""Trigger and data digest that a run was started for; a finished run is not repeated."""


@dataclass(frozen=True)
class PastRun:
    """An earlier pipeline run of the experiment."""

    run_id: str
    url: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED or KILLED."""
    data: str | None
    """Digest of the raw files that it read, if it has finished."""
    results: dict[str, str]
    """Run ids of its steps, by label."""


def last_finished(store: Store, config: Config) -> PastRun | None:
    """Return the newest finished run of the whole pipeline in the experiment, or None."""
    condition = "attributes.status='FINISHED' and tags.`textmill.pipeline`='pipeline'"
    return next(iter(_search(store, config, condition, 1)), None)


def runs_for(store: Store, config: Config, event: str) -> list[PastRun]:
    """Return the runs that were started for an event in the experiment, newest first."""
    condition = f"tags.`textmill.kind`='pipeline' and tags.`{EVENT_TAG}`='{event}'"
    return _search(store, config, condition, 1000)


def result_of(store: Store, past: PastRun, label: str) -> Result | None:
    """Return the result of a step of an earlier run, or None if it had no such step.

    Raises:
        RunError: its artifacts are missing or damaged.
    """
    run_id = past.results.get(label)
    return None if run_id is None else find_result(store, run_id)


def find_sample(store: Store, config: SampleConfig) -> Path | None:
    """Return the folder of sample data that was generated before and is intact, or None."""
    key = key_of(describe_step(SAMPLE, config, {}))
    for run in store.search(f"attributes.status='FINISHED' and tags.`textmill.key`='{key}'"):
        try:
            return output_folder(store, run)
        except StoreError:
            raise
        except RunError as error:
            # An older result may be intact; otherwise the pipeline generates the data again.
            log.warning("Sample data cannot be used: %s", error)
    return None


def _search(store: Store, config: Config, condition: str, max_runs: int) -> list[PastRun]:
    found = store.search(condition, max_runs, store.experiment(config.experiment))
    return [
        PastRun(
            run_id=run.info.run_id,
            url=store.run_url(run.info.experiment_id, run.info.run_id),
            status=run.info.status,
            data=run.data.tags.get(DATA_TAG),
            results=recorded_results(run),
        )
        for run in found
    ]
