"""The artifacts of runs: published whole, and checked by their digests whenever they are read.

The database is what is trusted: it holds the digest of every result's manifest, and of each record
of a pipeline's run. A manifest holds the digests of all other files of its result.
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
"""Name of a step's output folder among its run's artifacts."""
RECORD_TAG = "textmill.sha256."
"""With the name of an artifact of a pipeline's run: the digest of its content."""
CONFIG = "config.yaml"
FIX = "restore it from a backup, or choose another run."


def publish(store: Store, run_id: str, out: Path) -> Path:
    """Make a finished output folder the run's artifact, whole; return where it can be read.

    Raises:
        StoreError: the store does not take it.
    """
    store.set_tags(run_id, {MANIFEST_TAG: digest_file(out / MANIFEST)})
    apply(store.permissions, out)
    sync_folder(out)
    place = _local_place(store.client.get_run(run_id))
    if place is None:
        store.client.log_artifacts(run_id, str(out), OUTPUT)
        return output_folder(store, run_id)
    if not store.holds(place.as_uri(), by_link=True):
        raise StoreError(f"{place} is outside of the store {store.home}: run again.")
    target = place / OUTPUT
    beside = place / f".{OUTPUT}"
    place.mkdir(parents=True, exist_ok=True)
    for leftover in (target, beside):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        shutil.move(out, beside)  # may cross file systems
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(target)
    return target


def local_file(store: Store, run_id: str, name: str) -> Path | None:
    """Return the path of an artifact on this machine, or None if the store is elsewhere."""
    place = _local_place(store.client.get_run(run_id))
    return None if place is None else place / name


def output_folder(store: Store, run: Run | str) -> Path:
    """Return a local folder with the output of a run, named by its id or given; files are checked.

    Raises:
        RunError: the artifacts are missing or damaged.
    """
    if isinstance(run, str):
        run = store.client.get_run(run)
    run_id, place = run.info.run_id, _local_place(run)
    folder = store.home / "cache" / run_id / OUTPUT if place is None else place / OUTPUT
    damage = _damage(run, folder)
    if damage is not None and place is None:
        with store.lock(f"{run_id}.lock"), store.as_store_errors():
            # Another process may have fetched it meanwhile.
            damage = _damage(run, folder)
            if damage is not None:
                _fetch_output(store, run_id, folder)
                damage = _damage(run, folder)
    if damage is not None:
        raise RunError(damage)
    return folder


def output_file(store: Store, run: Run, name: str) -> Path:
    """Return a local copy of one file of a run's output, checked by its digest.

    Raises:
        RunError: it is missing or damaged.
    """
    if name == MANIFEST:
        expected = run.data.tags.get(MANIFEST_TAG)
    else:
        expected = read_manifest(store, run)["files"].get(name)
        if expected is None:
            raise RunError(f"The result of the run {run.info.run_id} has no file {name}.")
    return _checked(store, run, f"{OUTPUT}/{name}", expected)


def artifact(store: Store, run: Run, name: str) -> Path:
    """Return a local copy of one artifact of a run, checked if its digest was recorded.

    Raises:
        RunError: it is missing or damaged.
    """
    return _checked(store, run, name, run.data.tags.get(f"{RECORD_TAG}{name}"))


def read_artifact(store: Store, run: Run, name: str) -> str:
    """Return the text of one artifact, without fetching others, checked as `artifact` does.

    Raises:
        RunError: it is missing or damaged.
    """
    file = artifact(store, run, name)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}): restore it from a backup.") from None


def log_record(store: Store, run_id: str, name: str, text: str) -> None:
    """Log a text as an artifact of a run, with its digest, which `artifact` checks.

    Raises:
        StoreError: the store does not take it.
    """
    store.set_tags(run_id, {f"{RECORD_TAG}{name}": digest_bytes(text.encode())})
    store.client.log_text(run_id, text, name)


def log_config(store: Store, run_id: str, values: dict[str, Any]) -> None:
    """Log the resolved configuration of a pipeline's run.

    Raises:
        StoreError: the store does not take it.
    """
    log_record(store, run_id, CONFIG, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def read_config(store: Store, run: Run) -> dict[str, Any]:
    """Return the configuration of a pipeline's run as it was recorded.

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
        raise RunError(f"{CONFIG} of {run.info.run_name} is damaged (it holds no settings): {FIX}")
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


def _local_place(run: Run) -> Path | None:
    """Return the folder of a run's artifacts, or None if the store is elsewhere."""
    return path_of(run.info.artifact_uri)


def _damage(run: Run, folder: Path) -> str | None:
    """Return what is wrong with a run's output in a folder, or None if it is what was written."""
    manifest = folder / MANIFEST
    if not manifest.exists():
        return f"{folder} is not whole: {MANIFEST} is missing."
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


def _checked(store: Store, run: Run, name: str, expected: str | None) -> Path:
    """Return a local copy of one artifact, of this digest if one is known."""
    file = _copy(store, run, name)
    if expected is None:
        return file
    try:
        return check_digest(file, expected)
    except RunError:
        if _local_place(run) is not None:
            raise
    _fetch(store, run.info.run_id, name, file)  # the copy may have been damaged since
    return check_digest(file, expected)


def _copy(store: Store, run: Run, name: str) -> Path:
    """Return a local copy of one artifact, fetched unless it is here."""
    run_id, place = run.info.run_id, _local_place(run)
    if place is not None:
        file = place / name
    else:
        file = store.home / "cache" / "files" / run_id / name
        if not file.exists():
            _fetch(store, run_id, name, file)
    if not file.is_file():
        raise RunError(f"The run {run_id} has lost its artifact {name}: {file} is missing.")
    return file


def _fetch(store: Store, run_id: str, name: str, file: Path) -> None:
    """Make a local copy of one artifact; it appears whole, in place of one that was there."""
    with store.as_store_errors():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as beside:
            copy = store.client.download_artifacts(run_id, name, beside)
            Path(copy).replace(file)


def _fetch_output(store: Store, run_id: str, folder: Path) -> None:
    """Make a local copy of a run's output; it appears whole."""
    beside = folder.parent / "download"
    for leftover in (beside, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    store.client.download_artifacts(run_id, OUTPUT, str(beside))
    (beside / OUTPUT).rename(folder)
