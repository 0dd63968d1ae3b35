"""Specifies what is measured of an exported model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from textmill import model as models
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.exporting import measuring
from textmill.exporting.measuring import (
    Measured,
    TorchGenerator,
    compare_generators,
    compare_predictors,
    held_out_rows,
    sizes,
    table,
)
from textmill.tasks.classification.examples import Example
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.language_model.evaluate import document_sizes


class Uniform:
    """A language model that gives all tokens equal shares, by any logits."""

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def logits(self, ids: Sequence[int]) -> Any:
        return np.full((len(ids), 300), self.logit, np.float32)

    def generate(self, ids: Sequence[int], n_new: int) -> list[int]:
        return [0] * n_new


def test_bits_per_byte_and_equal_tokens_are_those_of_the_rows(
    make_backbone: Callable[[str], Path],
) -> None:
    place = make_backbone("qwen3")
    row = [0, *load_tokenizer(place).encode("The mat", add_special_tokens=False).ids, 0]
    bits, equal, speed = compare_generators(Uniform(0.0), Uniform(5e3), [row], place)
    expected = (len(row) - 1) * math.log2(300) / len("The mat")
    assert (bits.original, bits.exported) == (pytest.approx(expected), pytest.approx(expected))
    assert equal == Measured("equal next tokens", None, 1.0)
    assert (speed.original or 0) > 0
    assert speed.exported > 0


def test_a_backbone_has_the_bits_per_byte_of_its_evaluation(
    make_backbone: Callable[[str], Path], folders: dict[str, Path]
) -> None:
    """Of documents that fit into the context, apart from those that do not."""
    from textmill.corpus.tokens.token_shards import read_shards

    place = make_backbone("gpt2")
    model = TorchGenerator(models.load(place))
    rows = held_out_rows(folders["tokens"], 32)
    assert [len(row) for row in rows] == [
        min(length, 32) + 1
        for shard in read_shards(folders["tokens"] / "validation")
        for length in shard.lengths.tolist()
    ]
    assert all(row[0] == 0 for row in rows)
    whole = [row for row in rows if len(row) <= 32]
    bits = compare_generators(model, model, whole, place)[0]
    assert bits.original == bits.exported
    nll = 0.0
    for row in whole:
        logits = model.logits(row[:-1]).astype(np.float64)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        nll -= log_p[np.arange(len(row) - 1), row[1:]].sum()
    of_documents = document_sizes(
        read_shards(folders["tokens"] / "validation"), load_tokenizer(place)
    )
    n_bytes = of_documents[of_documents[:, 1] < 32, 0].sum()
    assert bits.exported == pytest.approx(nll / math.log(2) / n_bytes)


def test_textmill_generates_with_the_precision_of_its_commands_and_computes_logits_without_it(
    make_backbone: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = models.load(make_backbone("gpt2"))
    generator = TorchGenerator(backbone, "bf16")
    ids = [0, 17, 44]
    with torch.inference_mode():
        expected = backbone(torch.tensor([ids]))[0].numpy()
    np.testing.assert_array_equal(generator.logits(ids), expected)
    used = []
    monkeypatch.setattr(
        measuring, "generate", lambda network, *_: used.append(network.wte.weight.dtype) or []
    )
    generator.generate(ids, 4)
    TorchGenerator(backbone).generate(ids, 4)
    assert used == [torch.bfloat16, torch.float32]


def test_equal_models_have_equal_answers_and_scores(
    model_folder: Callable[[str], Path], task_of: Callable[[str, str], Any]
) -> None:
    predictor = load_predictor(model_folder("classification"), "cpu")
    examples = [Example(text, "good", "a.csv:1") for text in ("the room", "a lovely meal")]
    task = task_of("classification", "mood")
    metric, equal, speed = compare_predictors(task, predictor, predictor, examples)
    n_right = sum(predictor([e.text])[0]["label"] == "good" for e in examples)
    assert metric == Measured("accuracy", n_right / 2, n_right / 2)
    assert equal == Measured("equal answers", None, 1.0)
    assert speed.exported > 0


def test_answers_are_compared_without_their_probabilities(
    model_folder: Callable[[str], Path], task_of: Callable[[str, str], Any]
) -> None:
    calibrated = load_predictor(model_folder("classification"), "cpu")
    hotter = load_predictor(model_folder("classification"), "cpu")
    hotter.scorers = [(scorer, 0.5) for scorer, _ in hotter.scorers]
    examples = [Example("a lovely meal", "good", "a.csv:1")]
    task = task_of("classification", "mood")
    assert compare_predictors(task, calibrated, hotter, examples)[1].exported == 1.0
    assert calibrated(["a lovely meal"]) != hotter(["a lovely meal"])


def test_weights_are_counted_and_shown(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(bytes(3 << 20))
    out = tmp_path / "out"
    out.mkdir()
    for name in ("model.onnx", "model.onnx.data", "README.md"):
        (out / name).write_bytes(bytes(1 << 20))
    found = sizes([tmp_path / "own.safetensors"], out)
    assert found == Measured("weights in MiB", 3.0, 2.0)
    assert table([found, Measured("equal answers", None, 0.98765)]).splitlines() == [
        "| | textmill | exported |",
        "|---|---|---|",
        "| weights in MiB | 3 | 2 |",
        "| equal answers |  | 0.9877 |",
    ]
