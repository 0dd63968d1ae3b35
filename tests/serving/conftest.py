from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.stores import *  # noqa: F403  # the fixtures, by its __all__
from tests.tiny_gpt2 import tiny_gpt2
from textmill.config import Config
from textmill.model import save
from textmill.registry.current import ModelId
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving.app import create_app
from textmill.serving.prediction_log import PredictionLog
from textmill.serving.served_models import LOADING, Models, Slot
from textmill.serving.text_models import Backbone
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.training.writing.engine import Engine
from textmill.training.writing.text_batch import Piece, Text

HOST = "testserver"
KINDS = {"mood": "classification", "places": "tagging", "faq": "question_answering"}
Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def ids() -> dict[str, ModelId]:
    """Which model is current, by name; a test may move it."""
    return {name: ModelId(f"run-of-{name}", "1") for name in (*KINDS, "chat", "backbone")}


@pytest.fixture(scope="session")
def backbone_folder(
    model_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A backbone with the tokenizer of the task models."""
    folder = tmp_path_factory.mktemp("backbone")
    for file in model_folder("classification").glob("tokenizer*"):
        shutil.copy(file, folder)
    save(tiny_gpt2(48, vocab_size(folder)), folder)
    return folder


def vocab_size(folder: Path) -> int:
    from textmill.corpus.tokens.tokenizer import load_tokenizer

    return load_tokenizer(folder).get_vocab_size()


@pytest.fixture(scope="session")
def predictor_of(model_folder: Callable[[str], Path]) -> Callable[[str], Predictor]:
    """Returns the predictor of the model of a kind, loaded once."""
    return cache(lambda kind: load_predictor(model_folder(kind)))


@pytest.fixture
def models(
    ids: dict[str, ModelId], predictor_of: Callable[[str], Predictor], backbone_folder: Path
) -> Models:
    """A model of several tasks, and a backbone."""
    kinds = KINDS | {"chat": "generation"}
    tasks = {
        name: Slot(name, lambda n=name: ids[n], lambda _, k=kind: predictor_of(k))
        for name, kind in kinds.items()
    }
    backbone = Slot(
        "backbone",
        lambda: ids["backbone"],
        lambda _: Backbone(backbone_folder),
        lambda model: model.engine.close(),
    )
    return Models(tasks, backbone, kinds)


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog(tmp_path / "log", has_texts=False)


@pytest.fixture
def serve(config: Config, models: Models, log: PredictionLog) -> Serve:
    """Returns a client of a server with settings of the section serve; all models are loaded."""

    @contextmanager
    def start(
        content_filter: ContentFilter | None = None, token: str | None = None, **settings: Any
    ) -> Iterator[TestClient]:
        limits = config.serve.model_copy(update={"reload_s": 0.05} | settings)
        changed = config.model_copy(update={"serve": limits})
        found = content_filter or ContentFilter([])
        app = create_app(changed, models, found, log, [HOST], token)
        with TestClient(app, raise_server_exceptions=False) as client:  # type: ignore[arg-type]
            wait_until_loaded(models)
            yield client

    return start


@pytest.fixture
def client(serve: Serve) -> Iterator[TestClient]:
    with serve() as started:
        yield started


def slow_engine(models: Models, step_s: float = 0.05) -> Engine:
    """Return the engine of the backbone, which from now on takes longer for a token."""
    engine = models.backbone.get().model.engine
    step = engine._batch.step

    def slow() -> list[tuple[Text, Piece]]:
        time.sleep(step_s)
        return step()

    engine._batch.step = slow  # type: ignore[method-assign]
    return engine


def wait_until_loaded(models: Models) -> None:
    wait_until(lambda: not any(slot.problem == LOADING for slot in models.slots))


def wait_until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.01)
