"""What the tracked steps have come to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from textmill.errors import RunError
from textmill.files import (
    MANIFEST,
    check_digest,
    digest_folder,
    parse_json,
    parse_lines,
    read_json,
)
from textmill.steps.manifest import MANIFEST_TAG, load_manifest
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store

RESULTS_TAG = "textmill.results"
"""Of a pipeline's run: the runs of its steps' results by label, as JSON. What one tag cannot hold
follows in `textmill.results.2` and so on."""
MAX_TAG_CHARS = 7000
"""Of 8,000, at which MLflow cuts a tag with no more than a warning."""
METRICS = "metrics.json"
_OLD_TAG = "textmill.result."
"""Begins the tags, one for each result, of runs from before 2026-11-28."""


@dataclass(frozen=True)
class Result:
    """A finished step, whose files are read through it: checked by the digests in its manifest."""

    label: str
    """Name of the step, with its task."""
    key: str
    run_id: str
    url: str
    folder: Path
    digest: str
    """Digest of all files of the folder."""
    is_reused: bool
    manifest_digest: str | None = None
    """Digest of its manifest, if its run has recorded one."""

    @property
    def manifest(self) -> dict[str, Any]:
        """What it is, what it was made from and by, and the digests of its files.

        Raises:
            RunError: it is missing or damaged.
        """
        if self.manifest_digest is None:  # looked through when the result was found
            return dict(read_json(self.folder / MANIFEST))
        return self._manifest

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        return load_manifest(self.folder / MANIFEST, {MANIFEST_TAG: str(self.manifest_digest)})

    def files(self, pattern: str) -> Iterator[Path]:
        """Yield the files whose names fit a pattern in their order, each checked by its digest.

        Raises:
            RunError: one is missing or damaged.
        """
        for name in sorted(self._digests or digest_folder(self.folder)):
            if name.count("/") == pattern.count("/") and fnmatchcase(name, pattern):
                yield self.file(name)

    @property
    def _digests(self) -> dict[str, str]:
        """The digests of its files; none where not even that of the manifest was recorded."""
        return {} if self.manifest_digest is None else dict(self.manifest["files"])

    def file(self, name: str) -> Path:
        """Return a file by its name, checked by its digest.

        Raises:
            RunError: it is missing or damaged.
        """
        if self.manifest_digest is None:
            return self.folder / name
        if name not in self._digests:
            raise RunError(f"The result of {self.label}, {self.folder}, has no file {name}.")
        return check_digest(self.folder / name, self._digests[name])

    def json(self, name: str) -> Any:
        """Return the value of a JSON file; it raises what `file` raises."""
        file = self.file(name)
        return parse_json(file.read_bytes(), file)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of a JSON Lines file; it raises what `file` raises."""
        file = self.file(name)
        return parse_lines(file.read_bytes(), file)

    def metrics(self) -> dict[str, float]:
        """Return the numbers that the step computed; it raises what `file` raises."""
        has_metrics = METRICS in self._digests or (
            self.manifest_digest is None and (self.folder / METRICS).exists()
        )
        return dict(self.json(METRICS)) if has_metrics else {}


def find_result(store: Store, run_id: str) -> Result:
    """Return the result of a step that has finished, of whichever pipeline.

    Raises:
        RunError: it is missing or damaged.
    """
    run = store.client.get_run(run_id)
    folder = output_folder(store, run_id)
    return result_of(store, run, folder, run.info.run_name, is_reused=True)


def result_of(store: Store, run: Run, folder: Path, label: str, *, is_reused: bool) -> Result:
    """Return the result of a run that has finished and whose output lies in the folder."""
    manifest = load_manifest(folder / MANIFEST, run.data.tags)
    return Result(
        label=label,
        key=run.data.tags["textmill.key"].partition("-")[0],  # without the scope
        run_id=run.info.run_id,
        url=store.run_url(run.info.experiment_id, run.info.run_id),
        folder=folder,
        digest=manifest["digest"],
        is_reused=is_reused,
        manifest_digest=run.data.tags.get(MANIFEST_TAG),
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
    return str(result.manifest["inputs"][name]["run_id"])
