"""Lookup of runs by id or name, and of their recorded commands and metrics."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable

from mlflow.entities import Run

from textmill.compose import redact_override
from textmill.errors import InputError, listed
from textmill.tracking.store import Store
from textmill.tracking.tags import COMMAND_TAG, KIND_TAG, PARENT_TAG

MAX_PER_QUERY = 500
MAX_SUGGESTIONS = 5
MEMORY = "system/system_memory_usage_megabytes"


def find_run(store: Store, words: str, kinds: Collection[str] = ("pipeline",)) -> Run:
    """Return the run with an id or name.

    Args:
        store: to search.
        words: the run's id, an unambiguous prefix of it, or its name.
        kinds: allowed kinds of run: pipeline, step, or both.

    Raises:
        InputError: no run matches, several do, or it is another kind of run.
    """
    found: list[Run] = []
    if re.fullmatch("[0-9a-f]{1,32}", words):
        found = store.search(f"attributes.run_id LIKE '{words}%'")
    if not found and words and not {'"', "`"} & set(words):
        found = store.search(f'attributes.run_name = "{words}"')
    matching = [run for run in found if run.data.tags.get(KIND_TAG) in kinds]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise InputError(
            f"{words!r} is ambiguous: it matches {_listed(matching)}. Enter more of the run's id."
        )
    if not found:
        newest = store.search(f"tags.`{KIND_TAG}`='pipeline'", MAX_SUGGESTIONS)
        hint = f" The newest are {_listed(newest)}." if newest else ""
        raise InputError(f"There is no run {words!r} in {store.name}.{hint}")
    other = found[0]
    if KIND_TAG not in other.data.tags:
        raise InputError(f"The run {words!r} ({other.info.run_name}) was not made by textmill.")
    parent = other.data.tags.get(PARENT_TAG, "")
    raise InputError(
        f"{words!r} is the run of a step, {other.info.run_name}: use the run of its pipeline, "
        f"{parent}."
    )


def read_runs(store: Store, run_ids: Iterable[str]) -> dict[str, Run]:
    """Return runs by id, read by one query where the tracking store allows.

    Raises:
        StoreError: there is no such run, or the store cannot be read.
    """
    ids = list(dict.fromkeys(run_ids))
    chunks = (ids[start : start + MAX_PER_QUERY] for start in range(0, len(ids), MAX_PER_QUERY))
    found = {
        run.info.run_id: run
        for chunk in chunks
        for run in store.search(f"attributes.run_id IN ({', '.join(map(repr, chunk))})")
    }
    # Searches leave out deleted runs.
    return {run_id: found.get(run_id) or store.client.get_run(run_id) for run_id in ids}


def _listed(runs: list[Run]) -> str:
    return listed(f"{run.info.run_id} ({run.info.run_name})" for run in runs)


def command_of(run: Run) -> str:
    """Return the command line of a run, or "" if none is recorded.

    Credentials are removed: early versions recorded them.
    """
    words = shlex.split(run.data.tags.get(COMMAND_TAG, ""))
    return shlex.join(redact_override(word) if "=" in word else word for word in words)


def points_of(store: Store, run_id: str, key: str) -> list[tuple[int, float]]:
    """Return the steps and values of a metric of a run, in order."""
    history = store.client.get_metric_history(run_id, key)
    return sorted({point.step: point.value for point in history}.items())


def history_of(store: Store, run: Run, key: str) -> list[float]:
    """Return all values of a metric of a run, in order."""
    if key not in run.data.metrics:
        return []
    return [point.value for point in store.client.get_metric_history(run.info.run_id, key)]


def peak_memory_mib(store: Store, run: Run) -> float | None:
    """Return the peak memory use of the machine while a step ran, or None if not recorded."""
    return max(history_of(store, run, MEMORY), default=None)
