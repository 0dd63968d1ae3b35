"""What the tracked steps have come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run

from textmill.files import MANIFEST, read_json
from textmill.tracking.store import Store


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


def input_of(result: Result, name: str) -> str:
    """Return the run whose result was an input of another one, by the name that it had there."""
    return str(read_json(result.folder / MANIFEST)["inputs"][name]["run_id"])
