"""Specifies multi-label classification by the network, and with it the whole model of a task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.tasks.conftest import made, predictor_of, tune, with_finetune
from textmill import model as models
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json, write_json
from textmill.tasks.classification.network import Encoded
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.multilabel.examples import Example, Spec
from textmill.tasks.multilabel.network import (
    MultilabelClassifier,
    build,
    collate,
    encode,
    loss,
    validate,
)
from textmill.tasks.multilabel.settings import MultilabelConfig
from textmill.training.objectives import Batch

SPEC = Spec(("a", "b", "c"), False, (), (0.5, 0.25, 0.0), 0.5)
ENCODED = [Encoded([[1, 9]], (0, 2), False), Encoded([[1, 9, 12], [1, 7]], (), False)]


@pytest.fixture
def network(backbone: Path) -> MultilabelClassifier:
    torch.manual_seed(1)
    return build(models.load(backbone), SPEC, 0.0, is_causal=False).eval()


def logits_of(network: MultilabelClassifier, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = network(batch["input_ids"], batch["documents"], batch["texts"])
    return logits


def test_an_example_has_the_numbers_of_its_labels(backbone: Path) -> None:
    examples = [Example("the room", ("a", "c"), ""), Example("meal " * 500, ("b", "odd"), "")]
    one, other = encode(load_tokenizer(backbone), SPEC, examples, 48)
    assert (one.labels, one.is_cut) == ((0, 2), False)
    assert (other.labels, other.is_cut) == ((1,), True)


def test_a_batch_has_the_text_of_each_label() -> None:
    batch = collate([*ENCODED, Encoded([[1]], (1,), False)])
    assert batch["labels"].tolist() == [0, 2, 1]
    assert batch["owners"].tolist() == [0, 0, 2]
    assert collate(ENCODED[1:])["labels"].dtype == torch.int64  # of no labels too


def test_the_loss_is_the_mean_binary_cross_entropy(network: MultilabelClassifier) -> None:
    batch = collate(ENCODED)
    logits, targets = logits_of(network, batch), torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    expected = F.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(loss(network, batch, 0.0), expected)


def test_labels_are_smoothed_towards_their_shares(network: MultilabelClassifier) -> None:
    batch = collate(ENCODED)
    smooth = torch.tensor([[0.95, 0.025, 0.9], [0.05, 0.025, 0.0]])
    expected = F.binary_cross_entropy_with_logits(logits_of(network, batch), smooth)
    torch.testing.assert_close(loss(network, batch, 0.1), expected)


def test_a_network_begins_with_the_shares_of_the_labels(network: MultilabelClassifier) -> None:
    assert network.head.bias.sigmoid().tolist() == pytest.approx([0.5, 0.25, 0.001], rel=1e-4)
    assert "shares" not in network.state_dict()


def test_validation_does_not_depend_on_the_batches(network: MultilabelClassifier) -> None:
    examples = [Encoded([[1, *range(9, 10 + i)]], (i % 3,) * (i % 2), False) for i in range(7)]
    with torch.no_grad():
        whole = validate(network, [collate(examples)])
        parts = validate(network, [collate(examples[:3]), collate(examples[3:])])
    assert parts == pytest.approx(whole, rel=1e-5)
    assert 0 < whole["f1_micro"] <= 1


def test_predictions_carry_the_probability_of_each_label(
    network: MultilabelClassifier, backbone: Path
) -> None:
    tokenizer, texts = load_tokenizer(backbone), ["the room", "", "lovely meal " * 300]
    for threshold in (0.0, 1.0):
        spec = Spec(SPEC.labels, False, (), SPEC.shares, threshold)
        answers = predictor_of("multilabel", network, tokenizer, spec)(texts)
        assert [len(answer["labels"]) for answer in answers] == [3 * (threshold == 0)] * 3
        assert not any(answer["is_cut"] for answer in answers)
    batch = collate(encode(tokenizer, SPEC, [Example("the room", (), "")], 48))
    expected = dict(zip(SPEC.labels, logits_of(network, batch).sigmoid()[0].tolist(), strict=True))
    spec = Spec(SPEC.labels, False, (), SPEC.shares, 0.0)
    (answer,) = predictor_of("multilabel", network, tokenizer, spec)(["the room"])
    assert {one["label"]: one["score"] for one in answer["labels"]} == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("candidates", [("network",), ("average",), ("baseline",)])
def test_a_model_learns_which_labels_a_text_has(
    things: MultilabelConfig, backbone: Path, tmp_path: Path, candidates: tuple[str, ...]
) -> None:
    out, work = made(tmp_path)
    tested = tmp_path / "tested"
    tested.mkdir()
    config = with_finetune(things, candidates=candidates)  # type: ignore[arg-type]
    tune(config, backbone, out, work)
    evaluate(config, {"model": out}, tested)
    metrics = read_json(tested / "metrics.json")
    assert metrics["f1_micro"] > 0.9
    assert metrics["subset_accuracy"] > 0.8
    assert "best_validation_f1_micro" in read_json(out / "metrics.json")
    predict = load_predictor(out, "cpu")
    found = predict(["a lamp and the chair", "the window"])
    assert [sorted(one["label"] for one in row["labels"]) for row in found] == [
        ["light", "seat"],
        [],
    ]
    if candidates == ("network",):
        task = read_json(out / "task.json")
        task["spec"]["shares"].pop()
        write_json(out / "task.json", task)
        with pytest.raises(InputError, match=r"task.json is damaged .*shares do not fit"):
            load_predictor(out, "cpu")
