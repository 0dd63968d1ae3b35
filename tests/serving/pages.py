"""Servers with the playground, and registered versions of models: fixtures."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import LoggedModelStatus
from starlette.testclient import TestClient

from tests.serving.conftest import HOST, wait_until_loaded
from tests.tracked import write_manifest
from textmill.config import Config
from textmill.registry.versions import MODEL_RUN_TAG, Registry
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving.app import create_app
from textmill.serving.playground.assembly import Playground
from textmill.serving.playground.child_run import RunCommand
from textmill.serving.served_models import Models
from textmill.steps.graph import FINETUNE
from textmill.tracking.artifacts import publish
from textmill.tracking.store import Store
from textmill.tracking.tags import KIND_TAG, STEP_TAG

__all__ = ["page_config", "register", "serve_page"]

_numbers = itertools.count(1)
Register = Callable[[str, str, Mapping[str, str]], str]
ServePage = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def page_config(config: Config) -> Config:
    """A configuration in an experiment of its own, so with a registry of its own."""
    return config.model_copy(update={"experiment": f"playground {next(_numbers)}"})


@pytest.fixture
def register(
    store: Store, page_config: Config, model_folder: Callable[[str], Path], tmp_path: Path
) -> Register:
    """Returns a function that registers a model of a kind as a task's newest version.

    It returns the id of the MLflow run.
    """
    client: Any = store.client

    def make(task: str, kind: str, tags: Mapping[str, str]) -> str:
        experiment = store.experiment(page_config.experiment)
        own = {KIND_TAG: "step", STEP_TAG: FINETUNE.name, "textmill.key": f"key {next(_numbers)}"}
        run_id = store.start_run(experiment, f"finetune {task}", own)
        out = tmp_path / run_id
        shutil.copytree(model_folder(kind), out)
        write_manifest(out, step=FINETUNE.name)
        publish(store, run_id, out)
        store.end_run(run_id, "FINISHED")
        logged = client.create_logged_model(experiment, task, source_run_id=run_id)
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        found = client.get_logged_model(logged.model_id)
        registry = Registry(store, page_config.experiment)
        registry.register(task, found, run_id, {MODEL_RUN_TAG: run_id, **tags})
        return run_id

    return make


@pytest.fixture
def serve_page(page_config: Config, models: Models, store: Store) -> ServePage:
    """Returns a client of a server with the playground; all models are loaded."""

    @contextmanager
    def start(token: str | None = None, **settings: Any) -> Iterator[TestClient]:
        limits = page_config.serve.model_copy(update=settings)
        changed = page_config.model_copy(update={"serve": limits})
        command = RunCommand((sys.executable, "-c", "print('a run')"), "textmill run")
        playground = Playground(changed, store, models.kinds, command)
        app = create_app(
            changed, models, ContentFilter([]), None, [HOST], token, playground=playground
        )
        with TestClient(app, raise_server_exceptions=False) as client:  # type: ignore[arg-type]
            wait_until_loaded(models)
            yield client

    return start
