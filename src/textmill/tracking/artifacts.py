"""The artifacts of runs: published atomically, and verified by their digests when they are read.

The database is the root of trust: it holds the digest of every result's manifest, and of each
record of a pipeline run. A manifest holds the digests of all other files of its result.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run

from textmill.errors import RunError
from textmill.files import (
    MANIFEST,
    check_digest,
    digest_bytes,
    digest_file,
    digest_folder,
    digest_mismatch,
    parse_json,
    parse_lines,
    sync_folder,
)
from textmill.steps.access import apply
from textmill.steps.manifest import MANIFEST_TAG, load_manifest
from textmill.tracking.store import Store, StoreError, path_of

OUTPUT = "output"
"""Name of a step's output folder in the artifacts of its run."""
RECORD_TAG = "textmill.sha256."
"""Prefix of tags of a pipeline run with the digests of its artifacts, by name."""
CONFIG = "config.yaml"
FIX = "restore it from a backup, or choose another run."


def publish(store: Store, run_id: str, out: Path) -> Path:
    """Publish a finished output folder atomically as an artifact; return a local folder of it.

    Raises:
        StoreError: the store failed.
    """
    store.set_tags(run_id, {MANIFEST_TAG: digest_file(out / MANIFEST)})
    apply(store.permissions, out)
    sync_folder(out)
    place = _artifact_folder(store.client.get_run(run_id))
    if place is None:
        store.client.log_artifacts(run_id, str(out), OUTPUT)
        return output_folder(store, run_id)
    if not store.holds(place.as_uri(), by_link=True):
        raise StoreError(f"{place} is outside of the store {store.home}: run again.")
    target = place / OUTPUT
    staging = place / f".{OUTPUT}"
    place.mkdir(parents=True, exist_ok=True)
    for leftover in (target, staging):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        shutil.move(out, staging)  # may cross file systems, which is not atomic
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    staging.rename(target)
    return target


def local_file(store: Store, run_id: str, name: str) -> Path | None:
    """Return the local path of an artifact, or None if the artifact store is remote."""
    place = _artifact_folder(store.client.get_run(run_id))
    return None if place is None else place / name


def output_folder(store: Store, run: Run | str) -> Path:
    """Return a local folder with the verified output of a run, downloaded if necessary.

    Raises:
        RunError: the artifacts are missing or damaged.
    """
    if isinstance(run, str):
        run = store.client.get_run(run)
    run_id, place = run.info.run_id, _artifact_folder(run)
    folder = store.home / "cache" / run_id / OUTPUT if place is None else place / OUTPUT
    damage = _find_damage(run, folder)
    if damage is not None and place is None:
        with store.lock(f"{run_id}.lock"), store.as_store_errors():
            # Another process may have downloaded it since.
            damage = _find_damage(run, folder)
            if damage is not None:
                _fetch_output(store, run_id, folder)
                damage = _find_damage(run, folder)
    if damage is not None:
        raise RunError(damage)
    return folder


def output_file(store: Store, run: Run, name: str) -> Path:
    """Return the verified local path of one file of a run's output.

    Raises:
        RunError: it is missing or damaged.
    """
    if name == MANIFEST:
        expected = run.data.tags.get(MANIFEST_TAG)
    else:
        expected = read_manifest(store, run)["files"].get(name)
        if expected is None:
            raise RunError(f"The result of the run {run.info.run_id} has no file {name}.")
    return _verified(store, run, f"{OUTPUT}/{name}", expected)


def artifact(store: Store, run: Run, name: str) -> Path:
    """Return the local path of an artifact of a run, verified if its digest was recorded.

    Raises:
        RunError: it is missing or damaged.
    """
    return _verified(store, run, name, run.data.tags.get(f"{RECORD_TAG}{name}"))


def read_artifact(store: Store, run: Run, name: str) -> str:
    """Return the text of an artifact, verified if its digest was recorded.

    Raises:
        RunError: it is missing or damaged.
    """
    file = artifact(store, run, name)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}): restore it from a backup.") from None


def log_record(store: Store, run_id: str, name: str, text: str) -> None:
    """Log a text as an artifact of a run, with its digest.

    Raises:
        StoreError: the store failed.
    """
    store.set_tags(run_id, {f"{RECORD_TAG}{name}": digest_bytes(text.encode())})
    store.client.log_text(run_id, text, name)


def log_config(store: Store, run_id: str, values: dict[str, Any]) -> None:
    """Log the resolved configuration of a pipeline run.

    Raises:
        StoreError: the store failed.
    """
    log_record(store, run_id, CONFIG, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def read_config(store: Store, run: Run) -> dict[str, Any]:
    """Return the recorded configuration of a pipeline run.

    Raises:
        RunError: it is missing or damaged.
    """
    text = read_artifact(store, run, CONFIG)
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{CONFIG} of {run.info.run_name} is damaged ({reason}): {FIX}") from None
    if not isinstance(values, dict):
        raise RunError(f"{CONFIG} of {run.info.run_name} is damaged (it is not a mapping): {FIX}")
    return values


def read_manifest(store: Store, run: Run) -> dict[str, Any]:
    """Return the manifest of a step's result.

    Raises:
        RunError: it is missing or damaged.
    """
    return load_manifest(output_file(store, run, MANIFEST), run.data.tags)


def read_output_json(store: Store, run: Run, name: str) -> Any:
    """Return the value of a JSON file of a step's result.

    Raises:
        RunError: it is missing or damaged.
    """
    file = output_file(store, run, name)
    return parse_json(file.read_bytes(), file)


def read_output_lines(store: Store, run: Run, name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file of a step's result.

    Raises:
        RunError: it is missing or damaged.
    """
    file = output_file(store, run, name)
    return parse_lines(file.read_bytes(), file)


def _artifact_folder(run: Run) -> Path | None:
    """Return the local folder of a run's artifacts, or None if the artifact store is remote."""
    return path_of(run.info.artifact_uri)


def _find_damage(run: Run, folder: Path) -> str | None:
    """Return what is missing or damaged in a folder with a run's output, or None."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return f"{folder} is incomplete: {MANIFEST} is missing."
    try:
        expected = load_manifest(manifest, run.data.tags)["files"]
        present = digest_folder(folder)
    except RunError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}."
    for name in sorted(expected.keys() | present.keys()):
        if expected.get(name) != present.get(name):
            return digest_mismatch(folder / name)
    return None


def _verified(store: Store, run: Run, name: str, expected: str | None) -> Path:
    """Return the local path of an artifact, verified if its digest is given."""
    file = _local_copy(store, run, name)
    if expected is None:
        return file
    try:
        return check_digest(file, expected)
    except RunError:
        if _artifact_folder(run) is not None:
            raise
    _fetch(store, run.info.run_id, name, file)  # the cached copy may be damaged
    return check_digest(file, expected)


def _local_copy(store: Store, run: Run, name: str) -> Path:
    """Return the local path of an artifact, downloaded unless it is cached."""
    run_id, place = run.info.run_id, _artifact_folder(run)
    if place is not None:
        file = place / name
    else:
        file = store.home / "cache" / "files" / run_id / name
        if not file.exists():
            _fetch(store, run_id, name, file)
    if not file.is_file():
        raise RunError(f"The artifact {name} of the run {run_id} is lost: {file} is missing.")
    return file


def _fetch(store: Store, run_id: str, name: str, file: Path) -> None:
    """Download an artifact; an existing copy is replaced atomically."""
    with store.as_store_errors():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as staging:
            copy = store.client.download_artifacts(run_id, name, staging)
            Path(copy).replace(file)


def _fetch_output(store: Store, run_id: str, folder: Path) -> None:
    """Download a run's output; its folder appears atomically."""
    staging = folder.parent / "download"
    for leftover in (staging, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    staging.mkdir(parents=True)
    store.client.download_artifacts(run_id, OUTPUT, str(staging))
    (staging / OUTPUT).rename(folder)
