"""Specifies the graphs of networks and what NumPy makes of them: the scores of the networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from textmill import model as models
from textmill.config import KINDS, UNREDACTED
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.tasks.classification.examples import Spec
from textmill.tasks.kinds import answers_of, network_of
from textmill.tasks.multilabel.examples import Spec as MultilabelSpec
from textmill.tasks.portable.protocols import has_onnx_form, onnx_form_of
from textmill.tasks.portable.row_graph import RowGraph
from textmill.tasks.question_answering.examples import Spec as AnswerSpec
from textmill.tasks.tagging.examples import Spec as TaggingSpec

TAGS = ("O", "B-PER", "I-PER")
TEXTS = ["the room", "a lovely meal and splendid staff", "", "meal 17 and " * 40, "window"]
"""One is empty, and one is longer than the context."""
SPECS: dict[str, tuple[str, Any, bool]] = {
    "classification": ("classification", Spec(("bad", "good", "so-so")), False),
    "causal classification": ("classification", Spec(("bad", "good")), True),
    "pairs": ("classification", Spec(("bad", "good"), has_pairs=True), False),
    "multilabel": ("multilabel", MultilabelSpec(("bad", "good"), False, (), (0.5, 0.1)), False),
    "tagging": ("tagging", TaggingSpec(TAGS, False), False),
    "tagging with spelling and a random field": (
        "tagging",
        TaggingSpec(TAGS, False, n_spelling_rows=64, has_crf=True),
        False,
    ),
    "roles": ("tagging", TaggingSpec(TAGS, False, has_crf=True, has_predicate=True), True),
    "answers": ("question_answering", AnswerSpec(("where",), (), (0.0, 0.5), True), False),
    "answers that exist": ("question_answering", AnswerSpec((), (), (0.0, 0.5), False), False),
}


def inputs_of(kind: str, spec: Any) -> list[Any]:
    if kind == "question_answering":
        return [{"question": "Where was the meal?", "context": text} for text in TEXTS]
    if kind == "tagging":
        words = [text.split() for text in TEXTS]
        if spec.has_predicate:
            return [{"text": row, "predicate": len(row) - 1} for row in words if row]
        return words
    if spec.has_pairs:
        return [{"text": text, "text_pair": "a room " * 40} for text in TEXTS]
    return TEXTS


@pytest.mark.parametrize(("kind", "spec", "is_causal"), SPECS.values(), ids=SPECS)
def test_graph_and_numpy_score_as_the_network_does(
    backbone: Path, kind: str, spec: Any, is_causal: bool
) -> None:
    torch.manual_seed(2)
    network = network_of(kind).build(models.load(backbone), spec, 0.0, is_causal).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # clear preferences
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    graph, tokenizer = RowGraph(network, onnx_form_of(kind)), load_tokenizer(backbone)

    @torch.inference_mode()
    def run(inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        assert [*inputs] == [*graph.axes]
        output: NDArray[Any] = graph([*map(torch.from_numpy, inputs.values())]).numpy()
        return output

    constants = {
        name: tensor.detach().numpy()
        for name, tensor in onnx_form_of(kind).constants(network).items()
    }
    prepared = answers_of(kind).prepare(spec, inputs_of(kind, spec), UNREDACTED)
    block_size = models.load(backbone).config.block_size
    with torch.inference_mode():
        expected = [*network_of(kind).score(network, tokenizer, spec, prepared)]
    found = [*onnx_form_of(kind).score(run, constants, tokenizer, spec, prepared, block_size)]
    assert len(found) == len(expected) == len(prepared)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-4)  # of logits up to 100


def test_random_inputs_are_what_the_graph_takes(backbone: Path) -> None:
    for kind, spec, is_causal in SPECS.values():
        network = network_of(kind).build(models.load(backbone), spec, 0.0, is_causal).eval()
        graph = RowGraph(network, onnx_form_of(kind))
        for n_rows, n_tokens in ((1, 1), (3, 5)):
            inputs = graph.inputs(n_rows, n_tokens)
            assert [*inputs] == [*graph.axes]
            assert inputs["input_ids"].shape == (n_rows, n_tokens)
            assert inputs["attention_mask"][0].all()
            assert torch.isfinite(graph([*inputs.values()])).all()


def test_padding_changes_no_logits_of_a_row(backbone: Path) -> None:
    kind, spec, _ = SPECS["tagging"]
    graph = RowGraph(
        network_of(kind).build(models.load(backbone), spec, 0.0, False).eval(), onnx_form_of(kind)
    )
    inputs = graph.inputs(1, 5)
    padded = {name: torch.nn.functional.pad(value, (0, 4)) for name, value in inputs.items()}
    torch.testing.assert_close(graph([*padded.values()])[:, :5], graph([*inputs.values()]))


def test_kinds_that_write_have_no_graph() -> None:
    assert {kind for kind in KINDS if not has_onnx_form(kind)} == {"generation", "translation"}


def test_spelling_without_effect_is_left_out(backbone: Path) -> None:
    kind, spec, _ = SPECS["tagging with spelling and a random field"]
    for has, wanted in ((64, {"spelling", "transitions"}), (0, {"transitions"})):
        own = replace(spec, n_spelling_rows=has)
        network = network_of(kind).build(models.load(backbone), own, 0.0, False)
        assert {*onnx_form_of(kind).constants(network)} == wanted
