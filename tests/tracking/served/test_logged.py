"""Specifies models in MLflow: logged once, with a signature, and nothing is pickled."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model

from textmill import model as models
from textmill.config import (
    FilterConfig,
    FinetuneConfig,
    GenerationConfig,
    RedactionConfig,
    TrackingConfig,
)
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.model import GPT
from textmill.model.layout import read_config
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.model_redaction import write_redaction
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.network import build
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.model_folder import Choice, save_task_model
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.tuning.methods import restrict
from textmill.tracking.served.logged import find_logged_model, log_backbone, log_task_model
from textmill.tracking.store import Store
from textmill.training.writing import Piece, write_texts

TASK = ClassificationConfig(kind="classification", name="mood", train="a.csv", test="b.csv")


@pytest.fixture(scope="module")
def logged(store: Store, model_folder: Callable[[str], Path], tmp_path_factory: Any) -> LoggedModel:
    """The model after it was logged twice."""
    experiment = store.experiment("models")
    Store(TrackingConfig(home=str(tmp_path_factory.mktemp("other"))))  # MLflow's own, from now on
    run_id = store.start_run(experiment, "finetune mood", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow calls pandas and pydantic in outdated ways
        for _ in range(2):
            log_task_model(store, run_id, TASK, model_folder("classification"))
    store.end_run(run_id, "FINISHED")
    model = find_logged_model(store, run_id)
    assert model is not None
    same_run = f"source_run_id='{run_id}'"
    assert len(store.client.search_logged_models([experiment], same_run)) == 1
    return model


@pytest.fixture(scope="module")
def backbone(store: Store, model_folder: Callable[[str], Path], tmp_path_factory: Any) -> Any:
    """A logged backbone, and its folder."""
    tuned = model_folder("classification")
    folder = tmp_path_factory.mktemp("backbone")
    for name in TOKENIZER_FILES:
        shutil.copy(tuned / name, folder / name)
    torch.manual_seed(0)
    models.save(GPT(read_config(tuned)), folder)
    write_redaction(RedactionConfig(), folder)
    run_id = store.start_run(store.experiment("models"), "pretrain", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_backbone(store, run_id, folder)
    store.end_run(run_id, "FINISHED")
    logged = find_logged_model(store, run_id)
    assert logged is not None
    return logged, folder


@pytest.mark.filterwarnings("ignore")  # MLflow calls pandas and pydantic in outdated ways
def test_a_backbone_predicts_completions(backbone: Any) -> None:
    logged, folder = backbone
    texts = pd.DataFrame({"text": ["the room", "a lovely meal"]})
    settings = {
        "max_new_tokens": 6, "temperature": 0.5, "top_k": 9, "top_p": 0.9, "min_p": 0.01,
        "repetition_penalty": 1.2, "stop": ["q"], "when_full": "slide", "seed": 3,
    }  # fmt: skip
    answers = mlflow.pyfunc.load_model(logged.model_uri).predict(texts, params=settings)
    network, tokenizer = models.load(folder), load_tokenizer(folder)
    config = GenerationConfig.model_validate(settings)
    expected = [write_texts(network, tokenizer, text, config)[0] for text in texts["text"]]
    assert answers["continuation"].tolist() == expected
    assert any(expected)


@pytest.mark.filterwarnings("ignore")
def test_prompts_are_redacted_before_completion(backbone: Any) -> None:
    model = mlflow.pyfunc.load_model(backbone[0].model_uri)
    texts = ["ask bob@example.com", "ask [EMAIL]", "ask [IBAN]"]
    secret, plain, other = model.predict(pd.DataFrame({"text": texts}))["continuation"]
    assert secret == plain != other


@pytest.mark.filterwarnings("ignore")
def test_completions_are_redacted(backbone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlflow.pyfunc.load_model(backbone[0].model_uri).unwrap_python_model()
    texts = (" call bo", "b@example.com", " or +49 30 90", "1820 now")
    pieces = [Piece(text, 0, number) for number, text in enumerate(texts)]
    served = type(model)._complete.__globals__
    monkeypatch.setitem(served, "stream_text", lambda *_: iter(pieces))
    answers = model.predict(None, pd.DataFrame({"text": ["please"]}))
    assert answers["continuation"].tolist() == [" call [EMAIL] or [PHONE] now"]


@pytest.mark.filterwarnings("ignore")
def test_a_blocked_prompt_or_completion_is_null_with_what_was_found(
    backbone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = mlflow.pyfunc.load_model(backbone[0].model_uri).unwrap_python_model()
    model.content = ContentFilter(
        [FilterConfig(category="birds", patterns=("duck",), action="block")]
    )
    asked: list[str] = []

    def write(network: Any, tokenizer: Any, prompt: str, config: Any) -> Any:
        asked.append(prompt)
        return iter([Piece(" and a du", 0, 1), Piece("ck flew", 0, 2)])

    monkeypatch.setitem(type(model)._complete.__globals__, "stream_text", write)
    answers = model.predict(None, pd.DataFrame({"text": ["a duck", "a tree"]}))
    assert answers["continuation"].tolist() == [None, None]
    sides = [[(one["side"], one["start"]) for one in found] for found in answers["filtered"]]
    assert sides == [[("prompt", 2)], [("output", 7)]]
    assert asked == ["a tree"]


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_shares_its_backbone_on_disk_and_predicts_without_the_original(
    store: Store, backbone: Any, tmp_path: Path
) -> None:
    folder, task = tmp_path / "output", with_lora(TASK, merge=False)
    folder.mkdir()
    network = build(models.load(backbone[1]), Spec(("bad", "good")), 0.0, False)
    restrict(network, task.finetune)
    alone = Choice({"network": 1.0}, None, "the fine-tuned network", {}, Spec(("bad", "good")))
    save_task_model(task, alone, [network], backbone[1], folder)
    run_id = store.start_run(store.experiment("models"), "finetune mood", {})
    log_task_model(store, run_id, task, folder)
    store.end_run(run_id, "FINISHED")
    model = find_logged_model(store, run_id)
    assert model is not None
    copied = Path(model.artifact_location.removeprefix("file://"), "artifacts", "output")
    weights = Path("backbone", "model.safetensors")
    assert (copied / weights).samefile(folder / weights)
    assert not (copied / "model.safetensors").samefile(folder / "model.safetensors")
    texts = ["the room", "sad staff"]
    expected = load_predictor(folder)(texts)
    shutil.rmtree(folder)
    answers = mlflow.pyfunc.load_model(model.model_uri).predict(pd.DataFrame({"text": texts}))
    assert answers["score"].tolist() == pytest.approx([answer["score"] for answer in expected])


def with_lora(task: ClassificationConfig, **lora: Any) -> ClassificationConfig:
    settings = FinetuneConfig.model_validate({"method": "lora", "lora": lora, "precision": "32"})
    return task.model_copy(update={"finetune": settings})


def test_a_model_is_logged_once_with_its_task(logged: LoggedModel) -> None:
    assert logged.name == "mood"
    assert logged.tags["textmill.task"] == "mood"
    assert logged.status == LoggedModelStatus.READY


def test_a_model_is_stored_with_the_artifacts_of_its_store(
    store: Store, logged: LoggedModel
) -> None:
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
