"""A pipeline run: the parent run in MLflow, and the tracked steps below it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from filelock import Timeout
from pydantic import BaseModel

from textmill import hardware
from textmill.config import Config, TaskConfig, flatten, key_values, open_sizes
from textmill.config.extensions import load
from textmill.errors import InputError
from textmill.secrets import redact, redact_values
from textmill.steps.process import Stopped, is_stopping
from textmill.steps.raw_sources import Source, data_digest
from textmill.steps.step import Step
from textmill.tracking import environment
from textmill.tracking.artifacts import log_config, log_record
from textmill.tracking.computing.attempt import Attempt
from textmill.tracking.computing.parent import ParentRun
from textmill.tracking.computing.request import Request, raw_dataset
from textmill.tracking.database.connection import PIPELINE_LOCK
from textmill.tracking.description import NOTE_TAG, describe
from textmill.tracking.experiment import CONFIG_TAG, PIPELINE_TAG, reject_other_pipeline
from textmill.tracking.liveness import end_run, lock_tags, no_pipeline_starts
from textmill.tracking.metrics.follow import Progress
from textmill.tracking.results import Result, results_tags
from textmill.tracking.store import Store, StoreError, artifact_url
from textmill.tracking.tags import DATA_TAG, KIND_TAG
from textmill.tracking.user_code import log_extensions

log = logging.getLogger(__name__)
_results_lock = threading.Lock()


@dataclass
class Pipeline(ParentRun):
    """A running pipeline: `run` computes a step or finds its result."""

    sources: list[Source] = field(default_factory=list)
    """The raw files that the steps have read so far, perhaps with duplicates."""
    results: dict[str, Result] = field(default_factory=dict)
    """Results of the steps so far, by label."""
    pages: list[str] = field(default_factory=list)
    """Names of its artifacts that are linked in its description."""
    scores: str = ""
    """The table of scores, in Markdown."""
    champions: list[str] = field(default_factory=list)
    """Outcome of the promotion of its models, one line per model."""

    def run(
        self,
        step: Step,
        config: BaseModel,
        inputs: Mapping[str, Result] | None = None,
        sources: tuple[Source, ...] = (),
        task: TaskConfig | None = None,
        threads: int | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        is_recorded: bool = True,
        only_reuse: bool = False,
    ) -> Result:
        """Return the result of a step: reused if its key is known, or computed.

        Args:
            step: the step.
            config: the step's own configuration.
            inputs: results of earlier steps, by input name.
            sources: raw files in the configuration.
            task: the task that the step belongs to, if any.
            threads: CPU threads for the step; None for all.
            on_progress: called with the progress of a training step.
            is_recorded: whether to record the result on the parent run; False for a result that
                is only used in a comparison.
            only_reuse: raise InputError instead of computing the step.

        Raises:
            InputError: the input of the step is invalid, or it has no stored result to reuse.
            RunError: the step failed or was stopped, or the tracking store failed.
        """
        request = Request(step, config, inputs or {}, sources, task)
        attempt = Attempt(self, request)
        with self._only_attempt(attempt):
            result = attempt.find()
            if result is None and only_reuse:
                raise InputError(
                    f"{request.label} has no stored result for this configuration: run it first. "
                    "`textmill status` shows what has changed."
                )
            result = result or attempt.compute(threads or hardware.n_cores(), on_progress)
        if is_recorded:
            self.sources.extend(sources)
            self.store.log_datasets(self.run_id, map(raw_dataset, sources))
            with _results_lock:
                # A new dict, as other threads may be iterating over this one.
                self.results = {**self.results, request.label: result}
                runs = {name: item.run_id for name, item in self.results.items()}
                self.store.set_tags(self.run_id, results_tags(runs))
        return result

    @contextmanager
    def _only_attempt(self, attempt: Attempt) -> Iterator[None]:
        """Hold the lock of an attempt; wait while another pipeline computes the same result."""
        label = attempt.request.label
        lock = self.store.lock(attempt.lock)
        with self.store.as_store_errors():
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("Another run is computing %s: waiting for its result.", label)
                try:
                    lock.acquire(cancel_check=is_stopping)
                except Timeout:
                    raise Stopped(f"{label} was not started: the run is being stopped.") from None
        try:
            yield
        finally:
            lock.release()

    def record_scores(self, metrics: Mapping[str, float], table: str) -> None:
        """Record the scores on the parent run: as metrics, and as a table in its description.

        Raises:
            StoreError: the tracking store failed.
        """
        self.store.log_metrics(self.run_id, metrics)
        self.store.client.log_text(self.run_id, table, "scores.md")
        self.scores = table
        self.describe("RUNNING")

    def log_sizes(self, names: Iterable[str], config: Config) -> None:
        """Log sizes chosen for the budget as parameters of the parent run.

        Args:
            names: the settings that were open.
            config: the configuration with the chosen sizes.

        Raises:
            StoreError: the tracking store failed.
        """
        values = flatten(key_values(config))
        self.store.log_params(self.run_id, {name: values[name] for name in names})

    def describe(self, status: str, failure: str | None = None) -> None:
        """Set the description of the parent run; arguments as in `description.describe`.

        Raises:
            StoreError: the tracking store failed.
        """
        # Relative URLs, as the server's address may change.
        urls = {
            name: "#" + artifact_url(self.url, name).partition("#")[2]
            for name in dict.fromkeys(self.pages)
        }
        text = describe(status, failure, urls, self.scores, self.champions, self.results.values())
        self.store.set_tags(self.run_id, {NOTE_TAG: text})


def _without_open_sizes(config: Config) -> dict[str, Any]:
    """Return the parameters of a configuration, except for sizes that are chosen later.

    MLflow does not allow to change a parameter.
    """
    chosen_later = open_sizes(config)
    return {k: v for k, v in flatten(key_values(config)).items() if k not in chosen_later}


@contextmanager
def open_pipeline(
    name: str,
    config: Config,
    config_name: str,
    tags: Mapping[str, str],
    scope: str | None = None,
) -> Iterator[Pipeline]:
    """Yield a pipeline with a new parent run, and set the final status of the run.

    Args:
        name: name of the flow, such as "pipeline" or "finetune".
        config: the whole configuration.
        config_name: the name or file that it was composed from.
        tags: further tags of the parent and its steps' runs, such as the Prefect flow run's id.
        scope: restricts reuse: results are shared only among pipelines with the same scope; None
            for all without one.

    Raises:
        InputError: the experiment contains runs of another pipeline.
        RunError: the tracking store does not respond, or its disk is full.
    """
    store = Store(config.tracking)
    store.reserve_space()
    experiment_id = store.experiment(config.experiment)
    if scope is None:  # a reproduction is never a champion, and starts no trigger
        reject_other_pipeline(store, experiment_id, config, config_name)
    shared = {
        CONFIG_TAG: config_name,
        environment.MACHINE_TAG: json.dumps(hardware.describe()),
        **tags,
    }
    if commit := environment.git_commit():
        shared["mlflow.source.git.commit"] = commit
    lock_name = f"{PIPELINE_LOCK}{time.time_ns()}.lock"
    with store.as_store_errors(), store.lock(lock_name):
        tags = {**shared, **lock_tags(store, lock_name), KIND_TAG: "pipeline"}
        label = f"{name} {time.strftime('%Y-%m-%d %H:%M:%S')}"
        with no_pipeline_starts(store):
            run_id = store.start_run(experiment_id, label, {**tags, PIPELINE_TAG: name})
        pipeline = Pipeline(
            store,
            experiment_id,
            run_id,
            config.tracking.system_metrics,
            shared,
            scope,
            config.cluster.max_trainings,
            # A reproduction recomputes everything, without the cache of prepared documents.
            config.tracking.prepared_gib if scope is None else 0,
        )
        status = "KILLED"  # if a signal stops this process
        failure: str | None = None
        try:
            values = redact_values(config.model_dump(mode="json"))
            store.log_params(run_id, _without_open_sizes(config))
            log_config(store, run_id, values)
            log_extensions(store, run_id, load(config.extensions))
            log_record(store, run_id, "environment.txt", environment.packages())
            yield pipeline
            store.set_tags(run_id, {DATA_TAG: data_digest(pipeline.sources)})
            status = "FINISHED"
        except Stopped:
            raise
        except Exception as error:
            status, failure = "FAILED", redact(str(error))
            raise
        finally:
            try:
                pipeline.describe(status, failure)
            except StoreError as problem:
                log.warning("The run %s could not be described. %s", run_id, problem)
            end_run(store, run_id, status, failure)
