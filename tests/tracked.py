"""Steps run in pipelines of their own, and the runs that they leave, for tests of tracking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from textmill.config import Config, SampleConfig
from textmill.files import MANIFEST, digest_file, digest_folder, digest_values, write_json
from textmill.steps.step import Step
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

Probe = Callable[[str], Step]
Calls = Callable[[], int]


def write_manifest(folder: Path, **fields: Any) -> str:
    """Complete a folder of files to a result as steps leave it; return the manifest's digest."""
    files = digest_folder(folder)
    made = {"step": "test", "key": "k" * 64, "digest": digest_values(files), "files": files}
    made |= {name: {} for name in ("config", "code", "packages", "inputs", "sources")}
    write_json(folder / MANIFEST, made | fields)
    return digest_file(folder / MANIFEST)


def run_once(config: Config, step: Step, settings: SampleConfig, **further: Any) -> Result:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        return pipeline.run(step, settings, **further)


def key_runs(store: Store, step: str, seed: int) -> list[Run]:
    """All step runs of a probe with this seed, whatever their status."""
    return store.search(f"tags.`textmill.step`='{step}' and params.seed='{seed}'")


def newest_parent(store: Store) -> Run:
    return store.search("tags.`textmill.kind`='pipeline'")[0]


def running(store: Store) -> list[Run]:
    return store.search("attributes.status='RUNNING'")
