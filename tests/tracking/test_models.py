"""Specifies task models in MLflow: they load and answer anywhere, and nothing is pickled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model

from textmill.config import ClassificationConfig, ModelConfig, TokenizerConfig
from textmill.corpus.tokenizer import TOKENIZER_FILES, load_tokenizer, train_tokenizer
from textmill.model.gpt import GPT
from textmill.tasks.classification import Spec, build
from textmill.tasks.predictor import load_predictor, save_task_model
from textmill.tracking.models import log_task_model
from textmill.tracking.store import Store

TEXTS = ["the room", "a lovely meal", "sad staff"]
CORPUS = [*TEXTS, "The waiter was friendly, and the soup was warm, and windows looked splendid."]
TASK = ClassificationConfig(kind="classification", name="mood", train="a.csv", test="b.csv")

# What a user of MLflow does, elsewhere.
LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answers = model.predict(pd.DataFrame({"text": json.loads(sys.argv[3])}))
print("ANSWERS " + json.dumps(answers[["label", "score"]].to_dict("records")))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus, out = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("task-model")
    (corpus / "train").mkdir()
    pq.write_table(pa.table({"text": CORPUS * 9}), corpus / "train" / "00000.parquet")
    tokenizer = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TokenizerConfig(vocab_size=300), {"corpus": corpus}, tokenizer)
    assert all((tokenizer / name).exists() for name in TOKENIZER_FILES)
    size = load_tokenizer(tokenizer).get_vocab_size()
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=48, vocab_size=size)
    spec = Spec(("bad", "good"))
    save_task_model(build(GPT(shape), spec, 0.0, False), TASK, spec, tokenizer, out)
    return out


@pytest.fixture(scope="module")
def logged(store: Store, folder: Path) -> LoggedModel:
    """The model after it was logged twice."""
    experiment = store.experiment("models")
    run_id = store.start_run(experiment, "finetune mood", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow calls pandas and pydantic in outdated ways
        log_task_model(store, run_id, TASK, folder)
        log_task_model(store, run_id, TASK, folder)
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


def test_a_fresh_process_that_refuses_pickles_gets_the_same_answers(
    store: Store, logged: LoggedModel, folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "load.py"
    script.write_text(LOAD)
    done = subprocess.run(
        [sys.executable, str(script), store.uri, logged.model_uri, json.dumps(TEXTS)],
        env=os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    assert lines, done.stderr[-2000:]
    answers = json.loads(lines[0].removeprefix("ANSWERS "))
    expected = load_predictor(folder)(TEXTS)
    assert [a["label"] for a in answers] == [e["label"] for e in expected]
    assert [a["score"] for a in answers] == pytest.approx([e["score"] for e in expected])
