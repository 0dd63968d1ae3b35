"""The MLflow store: the one place where results live."""

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
from textmill.tracking.database.relocation import present_place

MAX_PER_BATCH = 100  # params and tags that MLflow takes in one call
MAX_METRICS = 1000
MAX_PARAM_CHARS = 6000
LONG_PARAMS = "long_params.json"
CUT_MARK = f" … (cut; whole in {LONG_PARAMS})"
MAX_RUNS = 50_000  # that MLflow gives in one answer
FOREIGN = re.compile(r"[^/\w.\- :]")
"""What the name of a metric may not hold."""
KIND_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Tells MLflow that an experiment holds training runs, and no traces of chats."""
TRAINING_VIEW = "?workflowType=machine_learning"
"""At the end of a page's address: MLflow 3.17 shows its pages for generative AI otherwise, where
the kind of the experiment is not asked for."""
RESERVE_BYTES = 1 << 20

log = logging.getLogger(__name__)


class Store(Connection):
    """An MLflow tracking store: its runs with what they log, and their results.

    Every method, and every method of its client, raises a StoreError when the store fails.
    """

    def reserve_space(self) -> None:
        """Reserve some disk space, so that runs can be closed even when the disk is full.

        Raises:
            RunError: the store is read-only.
            StoreError: the disk has no space for it.
        """
        self.check_writable()
        with self.as_store_errors():
            if not self.reserve.exists():
                # Not zeros: some file systems take no room for them.
                write_atomic(self.reserve, os.urandom(RESERVE_BYTES))

    def experiment(self, name: str) -> str:
        """Return the id of the experiment of that name, made if need be.

        Raises:
            InputError: the experiment was deleted, or keeps its files outside of the store.
        """
        with self.lock("open.lock"):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                return str(self.client.create_experiment(name, self.artifact_root, tags=KIND_TAGS))
        place = found.artifact_location
        if not self.holds(place, by_link=True):
            raise InputError(
                f"The MLflow experiment {name!r} keeps its files in {place}, outside of the store "
                f"{self.home}: set experiment=NAME for another one."
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
        """Return the id of the experiment of that name, or None if there is none."""
        found = self.client.get_experiment_by_name(name)
        return None if found is None else str(found.experiment_id)

    def holds(self, place: str, by_link: bool = False) -> bool:
        """Return whether a place that MLflow names lies in the store, whose files are ours.

        Args:
            place: its URI; one of another machine, or of a store that is no folder, is ours.
            by_link: whether it may lie elsewhere, where a link in the store leads to it.
        """
        path = path_of(place)
        if self.artifact_root is None or path is None:
            return True
        is_below = by_link and path.is_relative_to(self.home)
        return is_below or path.resolve().is_relative_to(self.home.resolve())

    def present_place(self, place: str) -> str:
        """Return where something lies now that a record says to be in this store, or anywhere."""
        return place if self.artifact_root is None else present_place(place, self.home)

    def start_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Return the id of a new run."""
        start = {START_TAG: uuid.uuid4().hex}
        run = self.client.create_run(experiment_id, run_name=name, tags={**tags, **start})
        return str(run.info.run_id)

    def end_run(self, run_id: str, status: str, failure: str | None = None) -> None:
        """Set the final status of a run: FINISHED, FAILED or KILLED; and why it failed."""

        def end() -> None:
            self.client.set_terminated(run_id, status)
            if failure is not None:
                self.set_tags(run_id, {"textmill.failure": redact(failure)[:5000]})

        try:
            end()
        except StoreError:
            self.reserve.unlink(missing_ok=True)  # the disk may be full: this makes room
            end()

    def search(
        self, condition: str, max_runs: int = 1000, experiment_id: str | None = None
    ) -> list[Run]:
        """Return the runs for which the condition holds, the newest first.

        Args:
            condition: in MLflow's language.
            max_runs: how many at most.
            experiment_id: whose runs; None: those of all experiments.
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

        What is too long for MLflow, which cuts it with no more than a warning, is marked as cut,
        and kept whole as an artifact.
        """
        texts = {key: str(value) for key, value in flatten(redact_values(values)).items()}
        long = {key: text for key, text in texts.items() if len(text) > MAX_PARAM_CHARS}
        if long:
            self.client.log_dict(run_id, long, LONG_PARAMS)
            kept = MAX_PARAM_CHARS - len(CUT_MARK)
            texts |= {key: f"{text[:kept]}{CUT_MARK}" for key, text in long.items()}
        params = [Param(key, text) for key, text in texts.items()]
        for start in range(0, len(params), MAX_PER_BATCH):
            self.client.log_batch(run_id, params=params[start : start + MAX_PER_BATCH])

    def log_metrics(
        self, run_id: str, values: Mapping[str, float], time_ms: int | None = None
    ) -> None:
        """Log numbers under their names; those with the same time, logged again, count once."""
        if time_ms is None:
            time_ms = int(time.time() * 1000)
        self.log_points(run_id, [Metric(k, float(v), time_ms, 0) for k, v in values.items()])

    def log_points(self, run_id: str, points: list[Metric], is_patient: bool = True) -> None:
        """Log points of metrics over time; points sent twice count once.

        Characters that MLflow takes for no part of a metric's name are written as their code.
        """
        client = self.client if is_patient else self.at_once()
        points = [Metric(metric_name(p.key), p.value, p.timestamp, p.step) for p in points]
        for start in range(0, len(points), MAX_METRICS):
            client.log_batch(run_id, metrics=points[start : start + MAX_METRICS])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_datasets(self, run_id: str, inputs: Iterable[Dataset]) -> None:
        """Record what data a run read, with its digest."""
        entries = []
        for name, place, digest, context in inputs:
            from mlflow.data.meta_dataset import MetaDataset

            source = mlflow.data.dataset_source_registry.resolve_dataset_source(place)
            dataset = MetaDataset(source, name=name, digest=digest[:36])  # type: ignore[abstract]
            tags = [InputTag("mlflow.data.context", context)]
            entries.append(DatasetInput(dataset._to_mlflow_entity(), tags))
        if entries:
            # MLflow looks for a data set and then adds it: of two runs that log the same one at the
            # same time, one would fail (seen on SQLite, "UNIQUE constraint failed: datasets").
            with self.lock("datasets.lock"):
                self.client.log_inputs(run_id, entries)

    def run_url(self, experiment_id: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}{TRAINING_VIEW}"

    def experiment_url(self, name: str) -> str | None:
        """Return the address of an experiment's training runs, or None where it has none yet."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return None
        return f"{self.ui_url}/#/experiments/{found.experiment_id}/runs{TRAINING_VIEW}"


Dataset = tuple[str, str, str, str]
"""Name, place, digest, and what the data is for (such as "training")."""


def path_of(uri: str) -> Path | None:
    """Return the path of a place that MLflow names, or None if it is on another machine."""
    is_local = is_local_uri(uri)  # type: ignore[no-untyped-call]
    return Path(local_file_uri_to_path(uri)) if is_local else None  # type: ignore[no-untyped-call]


def artifact_url(run_url: str, name: str) -> str:
    """Return the page of a run's artifact."""
    page, _, view = run_url.partition("?")
    return f"{page}/artifacts/{name}?{view}"


def metric_name(name: str) -> str:
    """Return a name as MLflow accepts it: labels may hold any character, as in R&D or C++."""
    spelt = FOREIGN.sub(lambda match: f":{ord(match.group()):x}:", name)
    # A part of nothing, or of dots, would be taken for another place in the tree of names.
    parts = spelt.split("/")
    return "/".join(part if part.strip(".") else f":{part.replace('.', '2e:')}" for part in parts)
