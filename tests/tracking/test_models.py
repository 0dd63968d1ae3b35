"""Specifies task models in MLflow: logged once, with a signature, and nothing is pickled."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model

from textmill.config import ClassificationConfig
from textmill.tracking.models import log_task_model
from textmill.tracking.store import Store

TASK = ClassificationConfig(kind="classification", name="mood", train="a.csv", test="b.csv")


@pytest.fixture(scope="module")
def logged(store: Store, model_folder: Callable[[str], Path]) -> LoggedModel:
    """The model after it was logged twice."""
    experiment = store.experiment("models")
    run_id = store.start_run(experiment, "finetune mood", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow calls pandas and pydantic in outdated ways
        for _ in range(2):
            log_task_model(store, run_id, TASK, model_folder("classification"))
    store.end_run(run_id, "FINISHED")
    (model,) = store.client.search_logged_models([experiment])
    assert model.source_run_id == run_id
    return model


def test_a_model_is_logged_once_with_its_task(logged: LoggedModel) -> None:
    assert logged.name == "mood"
    assert logged.tags["textmill.task"] == "mood"
    assert logged.status == LoggedModelStatus.READY


def test_a_model_lies_among_the_artifacts_of_its_store(store: Store, logged: LoggedModel) -> None:
    assert str(logged.artifact_location).startswith((store.home / "artifacts").as_uri())


def test_the_signature_names_the_text_and_the_columns_of_the_answer(logged: LoggedModel) -> None:
    signature = Model.load(logged.artifact_location.removeprefix("file://")).signature
    assert signature.inputs.input_names() == ["text"]
    assert signature.outputs.input_names() == ["label", "score", "is_cut"]


def test_no_file_of_the_model_is_a_pickle(logged: LoggedModel) -> None:
    place = Path(logged.artifact_location.removeprefix("file://"))
    names = [file.name for file in place.rglob("*") if file.is_file()]
    assert "model.safetensors" in names
    assert [n for n in names if n.endswith((".pkl", ".pickle", ".pt", ".bin", ".joblib"))] == []
