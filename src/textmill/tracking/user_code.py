"""The code of a pipeline run's extensions, recorded with the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlflow.entities import Run

from textmill.config.extensions import Extension, files_of, find
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.tracking.artifacts import RECORD_TAG, log_record, read_artifact
from textmill.tracking.store import Store

FOLDER = "extensions"


def log_extensions(store: Store, run_id: str, extensions: Iterable[Extension]) -> None:
    """Log the Python files of extensions as artifacts of a pipeline run.

    Raises:
        StoreError: the store failed.
    """
    for extension in extensions:
        for name, file in files_of(extension.place).items():
            log_record(store, run_id, f"{FOLDER}/{name}", file.read_bytes().decode())


def recorded_extensions(
    store: Store, run: Run, entries: Iterable[str], use_recorded: bool
) -> tuple[str, ...]:
    """Return where to load a run's extensions from: the original locations, if unchanged.

    Args:
        store: the store of the run.
        run: the run of a pipeline.
        entries: its recorded `extensions` setting.
        use_recorded: whether to load missing or changed extensions from the recorded code.

    Raises:
        InputError: an extension is missing or has changed, and `use_recorded` is False.
        RunError: recorded code is missing or damaged.
    """
    prefix = f"{RECORD_TAG}{FOLDER}/"
    digests = {
        tag.removeprefix(prefix): d for tag, d in run.data.tags.items() if tag.startswith(prefix)
    }
    return tuple(_place(store, run, entry, digests, use_recorded) for entry in entries)


def _place(store: Store, run: Run, entry: str, digests: dict[str, str], use_recorded: bool) -> str:
    place = find(entry)
    name = Path(entry).name if place is None else place.name
    own = {
        n: d
        for n, d in digests.items()
        if name in (n, n.partition("/")[0]) and ".." not in n.split("/")
    }
    if place is not None and own == {n: digest_file(f) for n, f in files_of(place).items()}:
        return entry
    if not use_recorded:
        raise InputError(
            f"extensions: {entry} is missing, or has changed since the run. Restore it; or review "
            f"the recorded code, in the artifacts {FOLDER}/{name} of the run, and if you trust it, "
            "add --recorded-extensions."
        )
    folder = store.home / "cache" / FOLDER / str(run.info.run_id)
    for file in own:
        copy = folder / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(read_artifact(store, run, f"{FOLDER}/{file}"), encoding="utf-8")
    return str(folder / name)
