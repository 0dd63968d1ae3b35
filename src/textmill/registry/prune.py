"""House-keeping: what no registered model and no recent run needs, and its removal."""

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
from textmill.steps.prepared import FOLDER as PREPARED
from textmill.steps.prepared import PREPARED_TAG
from textmill.tracking.artifacts import OUTPUT
from textmill.tracking.database.client import is_missing
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.lookup import KIND
from textmill.tracking.results import recorded_results
from textmill.tracking.store import MAX_RUNS, Store, StoreError
from textmill.tracking.tags import TESTED_RUN_TAG

log = logging.getLogger(__name__)

RECORDS = {f"{OUTPUT}/{MANIFEST}", f"{OUTPUT}/metrics.json"}
"""Kept of a result that is removed: they say what it was made from, and what came out."""


@dataclass(frozen=True)
class Waste:
    """Something that can be removed."""

    what: str
    """result, failed, work (in progress, and left), or cache (downloaded, or prepared)."""
    label: str
    """The step, or the folder."""
    n_bytes: int
    run_id: str | None = None
    folder: Path | None = None


def find_waste(store: Store, n_kept: int) -> list[Waste]:
    """Return what none of the newest pipeline runs needs, nor any registered model version.

    A pipeline run needs the result of each of its steps, whichever run computed it. A model needs
    all that it was made from, and its evaluation.

    Args:
        store: where to look.
        n_kept: newest pipeline runs whose results stay.

    Raises:
        RunError: a pipeline is running, and so what it needs is not known yet.
    """
    close_dead_runs(store)
    _refuse_while_running(store)
    recent = store.search(f"tags.`{KIND}`='pipeline'", n_kept) if n_kept else []
    recent_ids = {run.info.run_id for run in recent}
    needed = _needed(store, recent)
    found: list[Waste] = []
    prepared: set[str | None] = set()
    for run in store.search(f"tags.`{KIND}`='step'", MAX_RUNS):
        run_id, is_finished = run.info.run_id, run.info.status == "FINISHED"
        if is_finished and run_id in needed:
            prepared.add(run.data.tags.get(PREPARED_TAG))
            continue
        if not is_finished and run.data.tags.get("mlflow.parentRunId") in recent_ids:
            continue
        if outside := _outside(store, run):
            log.warning("%s stays: %s is outside of the store.", run.info.run_name, outside)
            continue
        what = "result" if is_finished else "failed"
        found.append(Waste(what, run.info.run_name, _size_of_run(store, run), run_id))
    caches = [*_cache(store, needed), *_prepared(store, prepared)]
    return [*found, *_left_work(store, recent_ids), *caches]


def _refuse_while_running(store: Store) -> None:
    # Of runs that textmill made: others, of whoever uses the same server, need nothing here.
    running = store.search(f"attributes.status='RUNNING' and tags.`{KIND}` LIKE '%'", 1)
    if running:
        raise RunError(f"{running[0].info.run_name} is running: prune when it has ended.")


def _needed(store: Store, recent: list[Run]) -> set[str]:
    results = {result for run in recent for result in recorded_results(run).values()}
    traced: set[str] = set()
    for version in store.client.search_model_versions():
        # The next challenger is compared with the answers that the model gave in its evaluation.
        runs = {version.run_id, version.tags.get(MODEL_RUN_TAG), version.tags.get(TESTED_RUN_TAG)}
        if version.model_id and (model := _found(store.client.get_logged_model, version.model_id)):
            runs.add(model.source_run_id)
        for run_id in {*filter(None, runs)} - traced:
            run = _found(store.client.get_run, run_id)
            if run is not None and run.data.tags.get(KIND) == "step":
                traced |= trace(store, run_id).nodes.keys()
    return results | traced


def _found(get: Callable[[str], Any], what: str) -> Any:
    """Return a run or a model, or None where it is gone, as those of other people may be."""
    try:
        return get(what)
    except StoreError as error:
        if is_missing(error.__cause__):
            return None
        raise


def _left_work(store: Store, recent_ids: set[str]) -> Iterator[Waste]:
    """Yield work in progress that no process is at, and no recent run would go on with."""
    for folder in sorted(store.wip.iterdir()):
        if not folder.is_dir() or folder == store.locks or _is_locked(store, folder.name):
            continue
        # By its key, which is the name: what the folder itself says may be damaged.
        runs = [] if "'" in folder.name else store.search(f"tags.`{KEY_TAG}`='{folder.name}'", 1)
        if not any(run.data.tags.get("mlflow.parentRunId") in recent_ids for run in runs):
            yield Waste("work", folder.name, _size_of(folder), folder=folder)


def _is_locked(store: Store, name: str) -> bool:
    try:
        with store.lock(f"{name}.lock").acquire(timeout=0):
            return False
    except Timeout:
        return True


def _cache(store: Store, needed: set[str]) -> Iterator[Waste]:
    folder = store.home / "cache"
    # Whole results, and single files of others.
    for copy in sorted([*folder.glob("*"), *folder.glob("files/*")]):
        if copy.name not in needed and copy.name != "files":
            yield Waste("cache", copy.name, _size_of(copy), folder=copy)


def _prepared(store: Store, needed: set[str | None]) -> Iterator[Waste]:
    """Yield the prepared documents that no corpus which stays was made from."""
    for folder in sorted((store.home / PREPARED).glob("*")):
        if folder.name not in needed:
            yield Waste("cache", f"prepared {folder.name[:12]}", _size_of(folder), folder=folder)


def remove(store: Store, waste: Waste) -> None:
    """Remove it; of a result, the manifest and the metrics stay, so that lineage does too.

    Its run is deleted as MLflow does it: no search finds it any more, and its id still leads there.
    Call this, and `find_waste` before it, while no pipeline starts; one of another machine, which
    the lock does not reach, is noticed here.

    Raises:
        RunError: it cannot be removed, or a pipeline has started since it was found.
    """
    try:
        with store.as_store_errors():
            _refuse_while_running(store)
            if waste.folder is not None:
                shutil.rmtree(waste.folder)  # which follows no link
                return
            assert waste.run_id is not None
            run = store.client.get_run(waste.run_id)
            if outside := _outside(store, run):
                raise RunError(f"{waste.label} stays: {outside} is outside of the store.")
            # The run last: as long as files are left, it is found again. Without some of its files
            # nobody takes it for a result.
            for repository, name, _ in _artifacts(store, run):
                repository.delete_artifacts(name)  # type: ignore[no-untyped-call]
            for model in _models(store, run):
                store.client.delete_logged_model(model.model_id)
            store.client.delete_run(waste.run_id)
    except OSError as error:
        raise RunError(f"{waste.label} could not be removed: {error}") from error


def _outside(store: Store, run: Run) -> str | None:
    """Return a place of a run's files that is not in the store, and so not ours to empty."""
    return next((place for place in _places(store, run) if not store.holds(place)), None)


def _size_of_run(store: Store, run: Run) -> int:
    with store.as_store_errors():
        return sum(n_bytes for _, _, n_bytes in _artifacts(store, run))


def _artifacts(store: Store, run: Run) -> Iterator[tuple[ArtifactRepository, str, int]]:
    """Yield the files of a run and of the models logged from it: where, name, size in bytes."""
    for place in _places(store, run):
        repository = get_artifact_repository(place, tracking_uri=store.uri)
        for name, n_bytes in _files(repository, None):
            if name not in RECORDS:
                yield repository, name, n_bytes


def _places(store: Store, run: Run) -> list[str]:
    """Return where the files of a run lie, and those of the models logged from it."""
    return [run.info.artifact_uri, *(model.artifact_location for model in _models(store, run))]


def _files(repository: ArtifactRepository, folder: str | None) -> Iterator[tuple[str, int]]:
    for entry in repository.list_artifacts(folder):
        if entry.is_dir:
            yield from _files(repository, entry.path)
        else:
            yield entry.path, entry.file_size or 0


def _models(store: Store, run: Run) -> list[LoggedModel]:
    """Return the models logged from a run; an earlier removal may have deleted some."""
    outputs = run.outputs.model_outputs if run.outputs else []
    found = (_found(store.client.get_logged_model, output.model_id) for output in outputs)
    return [model for model in found if model is not None]


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
