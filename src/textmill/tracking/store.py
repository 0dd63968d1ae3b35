"""The MLflow store, which contains all results."""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import DatasetInput, InputTag, Metric, Param, Run, RunTag, ViewType
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from textmill.config import flatten
from textmill.errors import InputError
from textmill.files import (
    write_atomic,
)
from textmill.secrets import redact, redact_values
from textmill.tracking.database.client import START_TAG
from textmill.tracking.database.connection import Connection
from textmill.tracking.database.connection import (
    StoreError as StoreError,  # raised by all methods here
)
from textmill.tracking.database.relocation import current_path

MAX_PER_BATCH = 100  # MLflow's limit of params and tags per call
MAX_METRICS = 1000  # MLflow's limit per call
MAX_PARAM_CHARS = 6000
LONG_PARAMS = "long_params.json"
TRUNCATED_SUFFIX = f" … (cut; whole in {LONG_PARAMS})"
MAX_RUNS = 50_000  # MLflow's limit per search
INVALID_METRIC_CHARS = re.compile(r"[^/\w.\- :]")
"""Characters that MLflow does not allow in the name of a metric."""
KIND_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Tags that mark an experiment as one of training runs, not of traces of generative AI."""
TRAINING_VIEW = "?workflowType=machine_learning"
"""Query of a page's URL, without which MLflow 3.17 shows its pages for generative AI, whatever the
kind of the experiment."""
RESERVE_BYTES = 1 << 20

log = logging.getLogger(__name__)


class Store(Connection):
    """An MLflow tracking store: runs with params, metrics, tags and artifacts.

    Every method, and every method of its client, raises StoreError if the store fails.
    """

    def reserve_space(self) -> None:
        """Reserve some disk space, so that runs can be closed even when the disk is full.

        Raises:
            RunError: the store is read-only.
            StoreError: the disk is full.
        """
        self.check_writable()
        with self.as_store_errors():
            if not self.reserve.exists():
                # Random bytes, as some file systems allocate no blocks for zeros.
                write_atomic(self.reserve, os.urandom(RESERVE_BYTES))

    def experiment(self, name: str) -> str:
        """Return the id of an experiment by name, created if necessary.

        Raises:
            InputError: the experiment was deleted, or stores its artifacts outside of the store.
        """
        with self.lock("open.lock"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                return str(self.client.create_experiment(name, self.artifact_root, tags=KIND_TAGS))
        place = found.artifact_location
        if not self.holds(place, by_link=True):
            raise InputError(
                f"The MLflow experiment {name!r} stores its artifacts in {place}, outside of the "
                f"store {self.home}: set experiment=NAME for another one."
            )
        if found.lifecycle_stage != "active":
            raise InputError(
                f"The MLflow experiment {name!r} was deleted: restore it, or set experiment=NAME."
            )
        if not KIND_TAGS.keys() & found.tags.keys():
            for tag, value in KIND_TAGS.items():
                self.client.set_experiment_tag(found.experiment_id, tag, value)
        return str(found.experiment_id)

    def find_experiment(self, name: str) -> str | None:
        """Return the id of an experiment by name, or None if it does not exist."""
        found = self.client.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def holds(self, place: str, by_link: bool = False) -> bool:
        """Return whether an artifact location is inside the store.

        Args:
            place: its URI; always inside if it is remote, or the store is not a folder.
            by_link: whether a location that is only reached by a symbolic link is inside.
        """
        path = path_of(place)
        if self.artifact_root is None or path is None:
            return True
        is_below = by_link and path.is_relative_to(self.home)
        return is_below or path.resolve().is_relative_to(self.home.resolve())

    def current_path(self, place: str) -> str:
        """Return the current path of a recorded path; it differs if the store was moved."""
        return place if self.artifact_root is None else current_path(place, self.home)

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Create a run and return its id."""
        start = {START_TAG: uuid.uuid4().hex}
        run = self.client.create_run(experiment_id, run_name=name, tags={**tags, **start})
        return str(run.info.run_id)

    def end_run(self, run_id: str, status: str, failure: str | None = None) -> None:
        """Set the final status of a run (FINISHED, FAILED or KILLED) and its error message."""

        def end() -> None:
            self.client.set_terminated(run_id, status)
            if failure is not None:
                self.set_tags(run_id, {"textmill.failure": redact(failure)[:5000]})

        try:
            end()
        except StoreError:
            self.reserve.unlink(missing_ok=True)  # the disk may be full: free the reserved space
            end()

    def search(
        self, condition: str, max_runs: int = 1000, experiment_id: str | None = None
    ) -> list[Run]:
        """Return the runs that match a condition, newest first.

        Args:
            condition: in MLflow's search syntax.
            max_runs: maximum number of runs.
            experiment_id: the experiment to search; None for all.
        """
        experiments = [experiment_id] if experiment_id else self._experiment_ids()
        order = ["attributes.start_time DESC"]
        return list(
            self.client.search_runs(experiments, condition, ViewType.ACTIVE_ONLY, max_runs, order)
        )

    def _experiment_ids(self) -> list[str]:
        return [experiment.experiment_id for experiment in self.client.search_experiments()]

    def log_params(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Log a nested configuration as params with dotted names.

        Values that exceed MLflow's limit, where it would truncate them with only a warning, are
        marked as truncated, and logged in full as an artifact.
        """
        texts = {key: str(value) for key, value in flatten(redact_values(values)).items()}
        long = {key: text for key, text in texts.items() if len(text) > MAX_PARAM_CHARS}
        if long:
            self.client.log_dict(run_id, long, LONG_PARAMS)
            kept = MAX_PARAM_CHARS - len(TRUNCATED_SUFFIX)
            texts |= {key: f"{text[:kept]}{TRUNCATED_SUFFIX}" for key, text in long.items()}
        params = [Param(key, text) for key, text in texts.items()]
        for start in range(0, len(params), MAX_PER_BATCH):
            self.client.log_batch(run_id, params=params[start : start + MAX_PER_BATCH])

    def log_metrics(
        self, run_id: str, values: Mapping[str, float], time_ms: int | None = None
    ) -> None:
        """Log metrics by name; logging them again with the same time has no effect."""
        if time_ms is None:
            time_ms = int(time.time() * 1000)
        self.log_points(run_id, [Metric(k, float(v), time_ms, 0) for k, v in values.items()])

    def log_points(self, run_id: str, points: list[Metric], retry: bool = True) -> None:
        """Log points of metrics over time; logging a point again has no effect.

        Characters that MLflow does not allow in names are escaped (see `metric_name`).
        """
        client = self.client if retry else self.client_without_retries()
        points = [Metric(metric_name(p.key), p.value, p.timestamp, p.step) for p in points]
        for start in range(0, len(points), MAX_METRICS):
            client.log_batch(run_id, metrics=points[start : start + MAX_METRICS])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_datasets(self, run_id: str, inputs: Iterable[Dataset]) -> None:
        """Log the datasets that a run read, with their digests."""
        entries = []
        for name, place, digest, context in inputs:
            from mlflow.data.meta_dataset import MetaDataset

            source = mlflow.data.dataset_source_registry.resolve_dataset_source(place)
            dataset = MetaDataset(source, name=name, digest=digest[:36])  # type: ignore[abstract]
            tags = [InputTag("mlflow.data.context", context)]
            entries.append(DatasetInput(dataset._to_mlflow_entity(), tags))
        if entries:
            # MLflow searches for a dataset, then inserts it: if two runs log the same one at the
            # same time, one fails (seen on SQLite, "UNIQUE constraint failed: datasets").
            with self.lock("datasets.lock"):
                self.client.log_inputs(run_id, entries)

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Return the URL of a run's page."""
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}{TRAINING_VIEW}"

    def experiment_url(self, name: str) -> str | None:
        """Return the URL of an experiment's runs, or None if the experiment does not exist."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return None
        return f"{self.ui_url}/#/experiments/{found.experiment_id}/runs{TRAINING_VIEW}"


Dataset = tuple[str, str, str, str]
"""Name, location, digest, and purpose of the data (such as "training")."""


def path_of(uri: str) -> Path | None:
    """Return the path of an artifact location, or None if it is remote."""
    is_local = is_local_uri(uri)  # type: ignore[no-untyped-call]
    return Path(local_file_uri_to_path(uri)) if is_local else None  # type: ignore[no-untyped-call]


def artifact_url(run_url: str, name: str) -> str:
    """Return the URL of an artifact's page."""
    page, _, view = run_url.partition("?")
    return f"{page}/artifacts/{name}?{view}"


def metric_name(name: str) -> str:
    """Return a metric's name with the characters escaped that MLflow does not allow.

    Names contain labels, which may contain any character, as in R&D or C++.
    """
    escaped = INVALID_METRIC_CHARS.sub(lambda match: f":{ord(match.group()):x}:", name)
    # MLflow reads names as paths, and rejects empty, "." and ".." components.
    parts = escaped.split("/")
    return "/".join(part if part.strip(".") else f":{part.replace('.', '2e:')}" for part in parts)
