"""What is read back from a store: checked by its digest before anybody believes it.

The database is what is trusted: it holds the digest of every result's manifest, and of each record
of a pipeline's run. A manifest holds the digests of all other files of its result.
"""

from __future__ import annotations

from typing import Any

import yaml
from mlflow.entities import Run

from textmill.errors import RunError
from textmill.files import MANIFEST, digest_bytes, parse_json, parse_lines
from textmill.steps.manifest import load_manifest
from textmill.tracking.store import RECORD_TAG, Store

CONFIG = "config.yaml"
FIX = "restore it from a backup, or choose another run."


def log_record(store: Store, run_id: str, name: str, text: str) -> None:
    """Log a text as an artifact of a run, with its digest, which `Store.artifact` checks.

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
    text = store.read_artifact(run, CONFIG)
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
    return load_manifest(store.output_file(run, MANIFEST), run.data.tags)


def read_output_json(store: Store, run: Run, name: str) -> Any:
    """Return the value of a JSON file of a step's result.

    Raises:
        RunError: it is missing or damaged.
    """
    file = store.output_file(run, name)
    return parse_json(file.read_bytes(), file)


def read_output_lines(store: Store, run: Run, name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file of a step's result.

    Raises:
        RunError: it is missing or damaged.
    """
    file = store.output_file(run, name)
    return parse_lines(file.read_bytes(), file)
