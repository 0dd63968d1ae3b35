"""Specifies task models on disk and the answers they give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tasks.conftest import predictor_of
from textmill import model as models
from textmill.config import UNREDACTED
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.model import choose_device
from textmill.tasks.classification.answers import PREDICT_BATCH
from textmill.tasks.classification.examples import Spec
from textmill.tasks.classification.network import Classifier, build
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.model_folder import Choice, save_task_model
from textmill.tasks.ensemble.predictor import (
    BATCHES_BY_LENGTH,
    Predictor,
    load_predictor,
    network_scorer,
    score_in_batches,
)
from textmill.tasks.kinds import answers_of, network_of
from textmill.tasks.multilabel.examples import Spec as MultilabelSpec
from textmill.tasks.question_answering.examples import Spec as AnswerSpec
from textmill.tasks.tagging.examples import Spec as TaggingSpec
from textmill.tasks.translation.examples import Spec as TranslationSpec

SPEC = Spec(("bad", "good", "so-so"))
TEXTS = ["the room", "a lovely meal and splendid staff", "sad"]


def classifier(backbone: Path, is_causal: bool = False) -> Classifier:
    torch.manual_seed(2)
    return build(models.load(backbone), SPEC, 0.0, is_causal).eval()


def labelled(backbone: Path, network: Classifier | None = None) -> Predictor:
    network = network or classifier(backbone)
    return predictor_of("classification", network, load_tokenizer(backbone), SPEC)


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_a_saved_model_gives_the_same_predictions(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, attention: str
) -> None:
    settings = toy.finetune.model_copy(update={"attention": attention})
    config = toy.model_copy(update={"finetune": settings})
    network = classifier(backbone, attention == "causal")
    alone = Choice({"network": 1.0}, None, "the fine-tuned network", {}, SPEC)
    save_task_model(config, alone, [network], backbone, tmp_path)
    loaded = load_predictor(tmp_path)
    assert loaded.spec == SPEC
    assert loaded(TEXTS) == labelled(backbone, network)(TEXTS)


TAGS = ("O", "B-PER", "I-PER")
NETWORKS: dict[str, tuple[str, Any, bool]] = {
    "classification": ("classification", SPEC, False),
    "causal classification": ("classification", SPEC, True),
    "multilabel": ("multilabel", MultilabelSpec(("bad", "good"), False, (), (0.5, 0.1)), False),
    "tagging": ("tagging", TaggingSpec(TAGS, False), False),
    "tagging with spelling and a random field": (
        "tagging",
        TaggingSpec(TAGS, False, n_spelling_rows=64, has_crf=True),
        False,
    ),
    "question answering": ("question_answering", AnswerSpec((), (), (0.0, 0.5), True), False),
    "translation": ("translation", TranslationSpec(0.5), True),
    "translation with beams and a pointer": (
        "translation",
        TranslationSpec(0.5, beams=3, splits_numbers=True, has_pointer=True),
        True,
    ),
}


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("kind", "spec", "is_causal"), NETWORKS.values(), ids=NETWORKS)
def test_a_gpu_predicts_as_the_cpu_does(
    backbone: Path, kind: str, spec: Any, is_causal: bool
) -> None:
    texts = [*TEXTS, "meal 17 and " * 30, "window"]  # more than a context
    inputs: list[Any] = texts
    if kind == "tagging":
        inputs = [text.split() for text in texts]
    elif kind == "question_answering":
        inputs = [{"question": "Where was the meal?", "context": text} for text in texts]
    tokenizer = load_tokenizer(backbone)
    torch.manual_seed(2)
    network = network_of(kind).build(models.load(backbone), spec, 0.0, is_causal)
    with torch.no_grad():
        for parameter in network.parameters():  # clear preferences
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    prepared = answers_of(kind).prepare(spec, inputs, UNREDACTED)
    scores = []
    for device in ("cpu", "cuda"):
        scorer = network_scorer(kind, spec, network.eval(), tokenizer, device)
        assert {parameter.device.type for parameter in network.parameters()} == {device}
        scores.append(list(score_in_batches(scorer, prepared, 3)))
    for here, there in zip(*scores, strict=True):
        if kind == "translation":
            assert there == here
        else:
            assert isinstance(there, np.ndarray)
            np.testing.assert_allclose(there, here, atol=1e-4)


@pytest.mark.usefixtures("gpu")
def test_prediction_compiles_nothing(tuned: tuple[Path, Path], backbone: Path) -> None:
    """Texts have any length, and a machine that only predicts needs no compiler."""
    network = classifier(backbone)
    documents = torch.zeros((1, 128), dtype=torch.int32, device=choose_device())
    network.backbone.config = network.backbone.config.model_copy(update={"n_embd": 64})
    assert network.backbone._uses_flex_attention(documents)
    labelled(backbone, network)
    assert not network.backbone._uses_flex_attention(documents)


def test_a_gpu_that_is_missing_is_named(
    tuned: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"finetune\.accelerator=cuda: .* set it to cpu"):
        load_predictor(tuned[0], "cuda")


def test_predictions_keep_the_order_across_batches(backbone: Path) -> None:
    predictor = labelled(backbone)
    n = (BATCHES_BY_LENGTH + 1) * PREDICT_BATCH + 5
    texts = [f"meal number {i} was {'lovely ' * (i % 5)}" for i in range(n)]
    scores = [answer["score"] for answer in predictor(texts)]
    alone = [predictor([text])[0]["score"] for text in texts]
    assert scores == pytest.approx(alone, rel=1e-4)


def test_batches_have_texts_of_similar_length() -> None:
    widths = []

    def scorer(prepared: Sequence[tuple[str]]) -> Iterator[np.ndarray]:
        widths.append({len(text) for (text,) in prepared})
        return (np.array([0.2, 0.8]) for _ in prepared)

    texts = ["a" * (1 + i % 4) for i in range(4 * PREDICT_BATCH)]
    answers = Predictor("classification", Spec(("bad", "good")), [(scorer, 1.0)])(texts)
    assert [answer["label"] for answer in answers] == ["good"] * len(texts)
    assert widths == [{1}, {2}, {3}, {4}]


def test_no_texts_give_no_predictions(backbone: Path) -> None:
    assert labelled(backbone)([]) == []


def test_an_empty_text_gets_an_answer(backbone: Path) -> None:
    (answer,) = labelled(backbone)([""])
    assert answer["label"] in SPEC.labels
    assert 1 / 3 <= answer["score"] <= 1


@pytest.mark.parametrize("content", [None, "{broken"])
def test_a_folder_without_task_model_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "task.json").write_text(content)
    with pytest.raises(InputError, match=f"{tmp_path} is not a task model"):
        load_predictor(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("model.safetensors", "weights"), ("tokenizer.json", "tokenizer")]
)
def test_a_missing_file_is_named(
    tuned: tuple[Path, Path], tmp_path: Path, name: str, message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tuned[0], folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=message):
        load_predictor(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda task: [task],
        lambda task: task | {"kind": ["tagging"]},
        lambda task: {k: v for k, v in task.items() if k != "is_causal"},
        lambda task: task | {"spec": {}},
        lambda task: task | {"members": {}},
        lambda task: task | {"members": {"pickle": 1.0}},
        lambda task: task | {"members": {"network": -1.0}},
        lambda task: task | {"spec": [1]},
        lambda task: task | {"spec": {"labels": 10**9}},
        lambda task: task | {"spec": {"labels": [1, {}]}},
    ],
)
def test_a_damaged_task_is_named(
    tuned: tuple[Path, Path], tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tuned[0], folder)
    task = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps(change(task)))
    with pytest.raises(InputError, match=r"task\.json is damaged"):
        load_predictor(folder)


def test_a_model_whose_kind_an_extension_defines_says_so(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tuned[0], folder)
    task = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps(task | {"kind": "poetry"}))
    with pytest.raises(InputError, match=r"unknown kind of task 'poetry': add the extension"):
        load_predictor(folder)


def test_sizes_and_tokens_that_are_another_models_are_refused(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tuned[0], folder)
    described = json.loads((folder / "tokenizer.json").read_text())
    described["model"]["vocab"]["~~~"] = 100_000
    (folder / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(
        InputError, match="has token ids up to 100000, but the model's vocabulary size is 320"
    ):
        load_predictor(folder)
    config = json.loads((folder / "config.json").read_text())
    config["textmill"]["n_layer"] = 3_000_000
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="layers, not 3000000"):
        load_predictor(folder)
