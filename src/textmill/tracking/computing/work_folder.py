"""The folder of work in progress: an output that grows, what training resumes from, and a note."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from textmill.errors import RunError
from textmill.files import MANIFEST, digest_file, digest_folder, read_json, write_json

NOTE = "run.json"
"""The run that the work belongs to, and the digest of a manifest that waits to be published."""

log = logging.getLogger(__name__)


class WorkFolder:
    """Work in progress on one step; it outlives the process, and the next attempt resumes it.

    Args:
        folder: of this step alone; made by the first note.
        label: of the step, for messages.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self.folder = folder
        self.label = label
        self.out = folder / "out"
        """The output, complete when its manifest is there."""
        self.work = folder / "work"
        """Log, metrics and checkpoints."""
        self._note = self._read_note()

    def _read_note(self) -> dict[str, Any]:
        """Return what is noted; nothing where the note is damaged."""
        file = self.folder / NOTE
        try:
            values = read_json(file) if file.exists() else {}
        except (OSError, RunError) as error:
            log.warning("%s begins a new run: %s cannot be read (%s).", self.label, file, error)
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def run_id(self) -> str | None:
        """The MLflow run that the work belongs to, where one is noted."""
        noted = self._note.get("run_id")
        return noted if isinstance(noted, str) else None

    def note_run(self, run_id: str) -> None:
        """Note the MLflow run that the work belongs to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._note |= {"run_id": run_id}
        write_json(self.folder / NOTE, self._note)

    def begin_output(self) -> None:
        """Make an empty output folder, and the folder beside it that is kept."""
        self.discard_output()
        self.out.mkdir(parents=True)
        self.work.mkdir(exist_ok=True)

    def complete_output(self, manifest: dict[str, Any]) -> None:
        """Write the manifest of a finished output, and note its digest.

        What waits here for a store that fails is to be the same when it is published.
        """
        write_json(self.out / MANIFEST, manifest)
        self._note |= {"manifest": digest_file(self.out / MANIFEST)}
        write_json(self.folder / NOTE, self._note)

    def is_complete(self) -> bool:
        """Return whether the output is whole: it waits here if publishing it failed."""
        manifest = self.out / MANIFEST
        try:
            if digest_file(manifest) != self._note.get("manifest"):
                return False
            files: dict[str, str] = read_json(manifest)["files"]
            return digest_folder(self.out) == files
        except OSError:
            return False

    def discard_output(self) -> None:
        """Remove what there is of an output."""
        shutil.rmtree(self.out, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
