"""Pruning: finding and removing data that no registered model and no recent run needs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout
from mlflow.entities import LoggedModel, Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from textmill.errors import RunError
from textmill.files import MANIFEST
from textmill.registry.lineage import trace
from textmill.registry.versions import KEY_TAG, MODEL_RUN_TAG
from textmill.steps.document_cache import FOLDER as PREPARED
from textmill.steps.document_cache import PREPARED_TAG
from textmill.tracking.artifacts import OUTPUT
from textmill.tracking.database.client import is_missing
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.results import recorded_results
from textmill.tracking.store import MAX_RUNS, Store, StoreError
from textmill.tracking.tags import KIND_TAG, PARENT_TAG, TESTED_RUN_TAG, TRIAL_TAG

log = logging.getLogger(__name__)

RECORDS = {f"{OUTPUT}/{MANIFEST}", f"{OUTPUT}/metrics.json"}
"""Files kept of a removed result, for lineage and metrics."""


@dataclass(frozen=True)
class UnusedData:
    """Data that can be removed."""

    what: str
    """result, failed, work (abandoned work in progress), or cache (downloads, prepared
    documents)."""
    label: str
    """Label of the step, or name of the folder."""
    n_bytes: int
    run_id: str | None = None
    folder: Path | None = None


def find_unused(store: Store, n_kept: int) -> list[UnusedData]:
    """Return the data that neither the newest pipeline runs nor any registered model needs.

    A pipeline run needs the results of all its steps, whichever run computed them. A model needs
    all results in its lineage, and its evaluation.

    Args:
        store: the store to search.
        n_kept: number of newest pipeline runs whose results are kept.

    Raises:
        RunError: a pipeline is running, so that the results it needs are unknown.
    """
    close_dead_runs(store)
    _reject_while_running(store)
    recent = store.search(f"tags.`{KIND_TAG}`='pipeline'", n_kept) if n_kept else []
    recent_ids = {run.info.run_id for run in recent}
    needed = _needed(store, recent)
    found: list[UnusedData] = []
    prepared: set[str | None] = set()
    for run in store.search(f"tags.`{KIND_TAG}`='step'", MAX_RUNS):
        run_id, is_finished = run.info.run_id, run.info.status == "FINISHED"
        if is_finished and run_id in needed:
            prepared.add(run.data.tags.get(PREPARED_TAG))
            continue
        # Unfinished ones and the trials of a sweep, which the next run would resume.
        is_resumed = not is_finished or TRIAL_TAG in run.data.tags
        if is_resumed and run.data.tags.get(PARENT_TAG) in recent_ids:
            continue
        if outside := _outside(store, run):
            log.warning("%s is kept: %s is outside of the store.", run.info.run_name, outside)
            continue
        what = "result" if is_finished else "failed"
        found.append(UnusedData(what, run.info.run_name, _size_of_run(store, run), run_id))
    caches = [*_cache(store, needed), *_prepared(store, prepared)]
    return [*found, *_left_work(store, recent_ids), *caches]


def _reject_while_running(store: Store) -> None:
    # Only textmill's runs: others on the same server need nothing of this store.
    running = store.search(f"attributes.status='RUNNING' and tags.`{KIND_TAG}` LIKE '%'", 1)
    if running:
        raise RunError(f"{running[0].info.run_name} is running: prune when it has finished.")


def _needed(store: Store, recent: list[Run]) -> set[str]:
    results = {result for run in recent for result in recorded_results(run).values()}
    traced: set[str] = set()
    for version in store.client.search_model_versions():
        # The next challenger is compared with the model's predictions in its evaluation.
        runs = {version.run_id, version.tags.get(MODEL_RUN_TAG), version.tags.get(TESTED_RUN_TAG)}
        if version.model_id and (model := _found(store.client.get_logged_model, version.model_id)):
            runs.add(model.source_run_id)
        for run_id in {*filter(None, runs)} - traced:
            run = _found(store.client.get_run, run_id)
            if run is not None and run.data.tags.get(KIND_TAG) == "step":
                traced |= trace(store, run_id).nodes.keys()
    return results | traced


def _found(get: Callable[[str], Any], what: str) -> Any:
    """Return a run or a model, or None if it was deleted, as others' may be."""
    try:
        return get(what)
    except StoreError as error:
        if is_missing(error.__cause__):
            return None
        raise


def _left_work(store: Store, recent_ids: set[str]) -> Iterator[UnusedData]:
    """Yield abandoned work in progress that no process holds and no recent run would resume."""
    for folder in sorted(store.wip.iterdir()):
        if not folder.is_dir() or folder == store.locks or _is_locked(store, folder.name):
            continue
        # By its key, which is the name: the folder's content may be damaged.
        runs = [] if "'" in folder.name else store.search(f"tags.`{KEY_TAG}`='{folder.name}'", 1)
        if not any(run.data.tags.get(PARENT_TAG) in recent_ids for run in runs):
            yield UnusedData("work", folder.name, _size_of(folder), folder=folder)


def _is_locked(store: Store, name: str) -> bool:
    try:
        with store.lock(f"{name}.lock").acquire(timeout=0):
            return False
    except Timeout:
        return True


def _cache(store: Store, needed: set[str]) -> Iterator[UnusedData]:
    folder = store.home / "cache"
    # Complete results, and single files of others.
    for copy in sorted([*folder.glob("*"), *folder.glob("files/*")]):
        if copy.name not in needed and copy.name != "files":
            yield UnusedData("cache", copy.name, _size_of(copy), folder=copy)


def _prepared(store: Store, needed: set[str | None]) -> Iterator[UnusedData]:
    """Yield the prepared documents of corpora that are not kept."""
    for folder in sorted((store.home / PREPARED).glob("*")):
        if folder.name not in needed:
            yield UnusedData(
                "cache", f"prepared {folder.name[:12]}", _size_of(folder), folder=folder
            )


def remove(store: Store, unused: UnusedData) -> None:
    """Remove unused data; manifest and metrics of a result are kept for lineage.

    Its run is deleted in MLflow: searches no longer find it, but its id remains valid. No pipeline
    may start between `find_unused` and this call; the lock of the store ensures that on this
    machine, and a pipeline on another machine is detected here.

    Raises:
        RunError: it cannot be removed, or a pipeline has started.
    """
    try:
        with store.as_store_errors():
            _reject_while_running(store)
            if unused.folder is not None:
                shutil.rmtree(unused.folder)  # which follows no link
                return
            assert unused.run_id is not None
            run = store.client.get_run(unused.run_id)
            if outside := _outside(store, run):
                raise RunError(f"{unused.label} is kept: {outside} is outside of the store.")
            # The run last: while files are left, it is found again. Without some of its files it
            # is not used as a result.
            for repository, name, _ in _artifacts(store, run):
                repository.delete_artifacts(name)  # type: ignore[no-untyped-call]
            for model in _models(store, run):
                store.client.delete_logged_model(model.model_id)
            store.client.delete_run(unused.run_id)
    except OSError as error:
        raise RunError(f"{unused.label} could not be removed: {error}") from error


def _outside(store: Store, run: Run) -> str | None:
    """Return a location of a run's files outside of the store, which must not be removed."""
    return next((place for place in _places(store, run) if not store.holds(place)), None)


def _size_of_run(store: Store, run: Run) -> int:
    with store.as_store_errors():
        return sum(n_bytes for _, _, n_bytes in _artifacts(store, run))


def _artifacts(store: Store, run: Run) -> Iterator[tuple[ArtifactRepository, str, int]]:
    """Yield the files of a run and its logged models: repository, name, size in bytes."""
    for place in _places(store, run):
        repository = get_artifact_repository(place, tracking_uri=store.uri)
        for name, n_bytes in _files(repository, None):
            if name not in RECORDS:
                yield repository, name, n_bytes


def _places(store: Store, run: Run) -> list[str]:
    """Return the artifact locations of a run and its logged models."""
    return [run.info.artifact_uri, *(model.artifact_location for model in _models(store, run))]


def _files(repository: ArtifactRepository, folder: str | None) -> Iterator[tuple[str, int]]:
    for entry in repository.list_artifacts(folder):
        if entry.is_dir:
            yield from _files(repository, entry.path)
        else:
            yield entry.path, entry.file_size or 0


def _models(store: Store, run: Run) -> list[LoggedModel]:
    """Return the existing logged models of a run."""
    outputs = run.outputs.model_outputs if run.outputs else []
    found = (_found(store.client.get_logged_model, output.model_id) for output in outputs)
    return [model for model in found if model is not None]


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
