"""Results of tracked steps, with verified access to their files."""

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
"""Of a pipeline run: run ids of its steps' results by label, as JSON. What exceeds one tag
continues in `textmill.results.2` and so on."""
MAX_TAG_CHARS = 7000
"""Below 8,000, where MLflow truncates a tag with only a warning."""
METRICS = "metrics.json"
_OLD_TAG = "textmill.result."
"""Prefix of the tags of runs from before 2026-11-28, one per result."""


@dataclass(frozen=True)
class Result:
    """The result of a finished step; its methods verify files by the digests in its manifest."""

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
        """Step, configuration, inputs and code of the result, and the digests of its files.

        Raises:
            RunError: it is missing or damaged.
        """
        if self.manifest_digest is None:  # nothing to verify it by
            return dict(read_json(self.folder / MANIFEST))
        return self._manifest

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        return load_manifest(self.folder / MANIFEST, {MANIFEST_TAG: str(self.manifest_digest)})

    def files(self, pattern: str) -> Iterator[Path]:
        """Yield the files whose names match a pattern, sorted and verified.

        Raises:
            RunError: one is missing or damaged.
        """
        for name in sorted(self._digests or digest_folder(self.folder)):
            if name.count("/") == pattern.count("/") and fnmatchcase(name, pattern):
                yield self.file(name)

    @property
    def _digests(self) -> dict[str, str]:
        """The digests of its files; empty if the digest of the manifest was not recorded."""
        return {} if self.manifest_digest is None else dict(self.manifest["files"])

    def file(self, name: str) -> Path:
        """Return the path of a file, verified by its digest.

        Raises:
            RunError: it is missing or damaged.
        """
        if self.manifest_digest is None:
            return self.folder / name
        if name not in self._digests:
            raise RunError(f"The result of {self.label}, {self.folder}, has no file {name}.")
        return check_digest(self.folder / name, self._digests[name])

    def json(self, name: str) -> Any:
        """Return the value of a JSON file; errors as in `file`."""
        file = self.file(name)
        return parse_json(file.read_bytes(), file)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the objects of a JSON Lines file; errors as in `file`."""
        file = self.file(name)
        return parse_lines(file.read_bytes(), file)

    def metrics(self) -> dict[str, float]:
        """Return the metrics that the step computed; errors as in `file`."""
        has_metrics = METRICS in self._digests or (
            self.manifest_digest is None and (self.folder / METRICS).exists()
        )
        return dict(self.json(METRICS)) if has_metrics else {}


def find_result(store: Store, run_id: str) -> Result:
    """Return the result of the run of a finished step, of any pipeline.

    Raises:
        RunError: it is missing or damaged.
    """
    run = store.client.get_run(run_id)
    folder = output_folder(store, run_id)
    return result_of(store, run, folder, run.info.run_name, is_reused=True)


def result_of(store: Store, run: Run, folder: Path, label: str, *, is_reused: bool) -> Result:
    """Return the result of a finished run with the given output folder."""
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
    """Return the tags that record the results of a pipeline: run ids by label."""
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
    """Return the run ids of a pipeline's results, by label such as "finetune topic".

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
    """Return the run id of an input of a result, by input name."""
    return str(result.manifest["inputs"][name]["run_id"])
