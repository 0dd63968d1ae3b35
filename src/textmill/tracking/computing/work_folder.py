"""The folder of work in progress on a step: output, checkpoints and a state file."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from textmill.errors import RunError
from textmill.files import MANIFEST, digest_file, digest_folder, read_json, write_json

STATE = "run.json"
"""The state file: the MLflow run, and the digest of the manifest of an unpublished output."""

log = logging.getLogger(__name__)


class WorkFolder:
    """Work in progress on one step, which the next attempt resumes if the process is killed.

    Args:
        folder: of this step only; created by `set_run`.
        label: of the step, for messages.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.label = label
        self.out = folder / "out"
        """The output, complete if it has a manifest."""
        self.work = folder / "work"
        """Log, metrics and checkpoints."""
        self._state = self._read_state()

    def _read_state(self) -> dict[str, Any]:
        """Return the content of the state file, or an empty dict if it is missing or damaged."""
        file = self.folder / STATE
        try:
            values = read_json(file) if file.exists() else {}
        except (OSError, RunError) as error:
            log.warning("%s starts a new run: %s cannot be read (%s).", self.label, file, error)
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def run_id(self) -> str | None:
        """Id of the MLflow run that the work belongs to, or None if unknown."""
        run_id = self._state.get("run_id")
        return run_id if isinstance(run_id, str) else None

    def set_run(self, run_id: str) -> None:
        """Record the MLflow run that the work belongs to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state |= {"run_id": run_id}
        write_json(self.folder / STATE, self._state)

    def begin_output(self) -> None:
        """Create an empty output folder, and the work folder unless it exists."""
        self.discard_output()
        self.out.mkdir(parents=True)
        self.work.mkdir(exist_ok=True)

    def complete_output(self, manifest: dict[str, Any]) -> None:
        """Write the manifest of a finished output, and record its digest.

        The digest verifies an output that is published later because the store failed.
        """
        write_json(self.out / MANIFEST, manifest)
        self._state |= {"manifest": digest_file(self.out / MANIFEST)}
        write_json(self.folder / STATE, self._state)

    def is_complete(self) -> bool:
        """Return whether the output is complete and intact, but not yet published."""
        manifest = self.out / MANIFEST
        try:
            if digest_file(manifest) != self._state.get("manifest"):
                return False
            files: dict[str, str] = read_json(manifest)["files"]
            return digest_folder(self.out) == files
        except OSError:
            return False

    def discard_output(self) -> None:
        """Remove the output."""
        shutil.rmtree(self.out, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
