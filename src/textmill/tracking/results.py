"""What the tracked steps have come to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run

from textmill.errors import RunError
from textmill.files import MANIFEST, read_json
from textmill.tracking.store import Store

RESULTS_TAG = "textmill.results"
"""Of a pipeline's run: the runs of its steps' results by label, as JSON. What one tag cannot hold
follows in `textmill.results.2` and so on."""
MAX_TAG_CHARS = 7000
"""Of 8,000, at which MLflow cuts a tag with no more than a warning."""
_OLD_TAG = "textmill.result."
"""Begins the tags, one for each result, of runs from before 2026-11-28."""


@dataclass(frozen=True)
class Result:
    """A finished step."""

    label: str
    """Name of the step, with its task."""
    key: str
    run_id: str
    url: str
    folder: Path
    digest: str
    """Digest of all files of the folder."""
    is_reused: bool

    def metrics(self) -> dict[str, float]:
        """Return the numbers that the step computed."""
        file = self.folder / "metrics.json"
        return dict(read_json(file)) if file.exists() else {}


def find_result(store: Store, run_id: str) -> Result:
    """Return the result of a step that has finished, of whichever pipeline.

    Raises:
        RunError: it is missing or damaged.
    """
    run = store.client.get_run(run_id)
    folder = store.output_folder(run_id)
    return result_of(store, run, folder, run.info.run_name, is_reused=True)


def result_of(store: Store, run: Run, folder: Path, label: str, *, is_reused: bool) -> Result:
    """Return the result of a run that has finished and whose output lies in the folder."""
    return Result(
        label=label,
        key=run.data.tags["textmill.key"].partition("-")[0],  # without the scope
        run_id=run.info.run_id,
        url=store.run_url(run.info.experiment_id, run.info.run_id),
        folder=folder,
        digest=read_json(folder / MANIFEST)["digest"],
        is_reused=is_reused,
    )


def results_tags(runs: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that record the runs of a pipeline's results.

    Args:
        runs: id of the run of each result, by label.
    """
    parts: list[dict[str, str]] = [{}]
    for label, run_id in runs.items():
        if len(json.dumps({**parts[-1], label: run_id})) > MAX_TAG_CHARS:
            parts.append({})
        parts[-1][label] = run_id
    return {
        RESULTS_TAG if number == 1 else f"{RESULTS_TAG}.{number}": json.dumps(part)
        for number, part in enumerate(parts, 1)
    }


def recorded_results(run: Run) -> dict[str, str]:
    """Return the ids of the runs of a pipeline's results, by label such as "finetune topic".

    Raises:
        RunError: the tag is damaged.
    """
    found: dict[str, str] = {}
    for tag, value in run.data.tags.items():
        if tag.startswith(_OLD_TAG):
            found[tag.removeprefix(_OLD_TAG).replace(".", " ", 1)] = value
        elif tag == RESULTS_TAG or tag.startswith(f"{RESULTS_TAG}."):
            try:
                found |= json.loads(value)
            except (ValueError, TypeError):
                raise RunError(f"The tag {tag} of the run {run.info.run_id} is damaged.") from None
    return found


def input_of(result: Result, name: str) -> str:
    """Return the run whose result was an input of another one, by the name that it had there."""
    return str(read_json(result.folder / MANIFEST)["inputs"][name]["run_id"])
