"""Specifies classification: labels, encoding, padding, and the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.tasks.conftest import predictor_of
from textmill import model as models
from textmill.corpus.tokens.tokenizer import END_ID, PAD_ID, load_tokenizer
from textmill.errors import InputError
from textmill.tasks.classification import network as module
from textmill.tasks.classification.examples import Example, Spec, check_examples, make_spec
from textmill.tasks.classification.network import (
    MAX_TRAINING_WINDOWS,
    Classifier,
    Encoded,
    build,
    collate,
    encode,
    loss,
    validate,
)
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.training.objectives import Batch

SPEC = Spec(("bad", "good", "so-so"))
BLOCK_SIZE = 48


@pytest.fixture(params=["bidirectional", "causal"])
def network(request: pytest.FixtureRequest, backbone: Path) -> Classifier:
    torch.manual_seed(1)
    return build(models.load(backbone), SPEC, 0.0, request.param == "causal").eval()


def inputs(batch: Batch) -> tuple[Tensor, ...]:
    return batch["input_ids"], batch["documents"], batch["texts"]


def example(label: str, place: str = "test.jsonl:4") -> Example:
    return Example("text", label, place)


def test_labels_are_those_of_training_by_name(toy: ClassificationConfig) -> None:
    assert make_spec(toy, [example("b"), example("c"), example("a"), example("b")]) == Spec(
        ("a", "b", "c")
    )


def test_a_single_label_is_refused(toy: ClassificationConfig) -> None:
    with pytest.raises(InputError, match="tasks.mood: all training examples have the label 'b'"):
        make_spec(toy, [example("b"), example("b")])


def test_an_unknown_label_is_named_with_place_and_known_ones(toy: ClassificationConfig) -> None:
    with pytest.raises(InputError, match=r"test.jsonl:4: the label 'odd' .*bad, good, so-so"):
        check_examples(toy, SPEC, [example("good", "test.jsonl:3"), example("odd")])


def test_a_message_lists_ten_labels_and_the_number_of_the_others(
    toy: ClassificationConfig,
) -> None:
    spec = Spec(tuple(f"label{n:02}" for n in range(200)))
    with pytest.raises(InputError, match=r"label00, .*label09 and 190 others: correct") as caught:
        check_examples(toy, spec, [example("odd")])
    assert "label10" not in str(caught.value)


def test_known_labels_pass(toy: ClassificationConfig) -> None:
    check_examples(toy, SPEC, [example("good"), example("so-so")])


def test_texts_begin_with_a_document_end(backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    (one,) = encode(tokenizer, SPEC, [Example("the room", "good", "")], BLOCK_SIZE)
    assert one.ids == [END_ID, *tokenizer.encode("the room", add_special_tokens=False).ids]
    assert one.labels == (1,)
    assert not one.is_cut


@pytest.mark.parametrize(
    ("block_size", "lengths"), [(11, [10]), (10, [5, 5]), (5, [3, 3, 4]), (4, [2, 3, 2, 3])]
)
def test_a_text_longer_than_the_context_is_split_into_windows_of_equal_length(
    backbone: Path, block_size: int, lengths: list[int]
) -> None:
    tokenizer = load_tokenizer(backbone)
    text = "the room was lovely and the meal superb"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) == 10
    (one,) = encode(tokenizer, SPEC, [Example(text, "bad", "")], block_size)
    assert [len(window) - 1 for window in one.windows] == lengths
    assert [token for window in one.windows for token in window[1:]] == ids
    assert all(window[0] == END_ID for window in one.windows)
    assert not one.is_cut


def test_of_a_very_long_text_training_uses_evenly_spaced_windows(backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    text = "the room was lovely and the meal superb " * 20
    (one,) = encode(tokenizer, SPEC, [Example(text, "bad", "")], BLOCK_SIZE)
    (known,) = encode(tokenizer, SPEC, [Example("the", "bad", "")], BLOCK_SIZE)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert one.is_cut
    assert not known.is_cut
    assert len(one.windows) == MAX_TRAINING_WINDOWS
    first, *_, last = one.windows
    assert first[1:] == ids[: len(first) - 1]
    assert last[1:] == ids[-(len(last) - 1) :]


def test_an_empty_text_is_one_window(backbone: Path) -> None:
    (one,) = encode(load_tokenizer(backbone), SPEC, [Example("", "bad", "")], BLOCK_SIZE)
    assert one.windows == [[END_ID]]


def test_collate_pads_and_marks_padding() -> None:
    batch = collate([Encoded([[1, 7, 8], [1]], (2,), False), Encoded([[1, 9]], (0,), False)])
    assert batch["input_ids"].tolist() == [[1, 7, 8], [1, PAD_ID, PAD_ID], [1, 9, PAD_ID]]
    assert batch["documents"].tolist() == [[0, 0, 0], [0, -1, -1], [0, 0, -1]]
    assert batch["texts"].tolist() == [0, 0, 1]
    assert batch["labels"].tolist() == [2, 0]


def test_padding_does_not_change_the_logits(network: Classifier) -> None:
    short, long = (
        Encoded([[1, 9, 12, 30]], (0,), False),
        Encoded([[1, *range(20, 40)]], (1,), False),
    )
    alone, beside = collate([short]), collate([short, long])
    with torch.no_grad():
        lone = network(*inputs(alone))[0]
        padded = network(*inputs(beside))[0]
    torch.testing.assert_close(padded, lone)


def test_logits_come_from_the_mean_hidden_state(network: Classifier) -> None:
    batch = collate([Encoded([[1, 9, 12, 30]], (0,), False)])
    with torch.no_grad():
        logits = network(*inputs(batch))
        hidden = network.backbone.hidden(
            batch["input_ids"], batch["documents"], is_causal=network.is_causal
        )
        expected = hidden.mean(dim=1) @ network.head.weight.T + network.head.bias
    torch.testing.assert_close(logits, expected)


def test_windows_contribute_to_the_logits_of_their_text_by_their_length(
    network: Classifier,
) -> None:
    parts = [[1, 9, 12, 30], [1, 7, 8]]
    batch = collate([Encoded([[1, 44]], (0,), False), Encoded(parts, (1,), False)])
    windows = collate([Encoded([part], (0,), False) for part in parts])
    with torch.no_grad():
        whole = network(*inputs(batch))
        single = network(*inputs(windows))
        alone = network(*inputs(collate([Encoded([[1, 44]], (0,), False)])))
    torch.testing.assert_close(whole[1], (4 * single[0] + 3 * single[1]) / 7)
    torch.testing.assert_close(whole[:1], alone)


def test_the_loss_is_the_cross_entropy_of_the_labels(network: Classifier) -> None:
    batch = collate([Encoded([[1, 9]], (0,), False), Encoded([[1, 9, 12]], (2,), False)])
    with torch.no_grad():
        log_p = F.log_softmax(network(*inputs(batch)), dim=-1)
        expected = -(log_p[0, 0] + log_p[1, 2]) / 2
        torch.testing.assert_close(loss(network, batch, 0.0), expected)
        smoothed = 0.7 * expected - 0.3 * log_p.mean()
        torch.testing.assert_close(loss(network, batch, 0.3), smoothed)


def test_validation_does_not_depend_on_the_batches(network: Classifier) -> None:
    examples = [Encoded([[1, *range(9, 10 + i)]], (i % 3,), False) for i in range(7)]
    with torch.no_grad():
        whole = validate(network, [collate(examples)])
        parts = validate(network, [collate(examples[:3]), collate(examples[3:])])
    assert parts == pytest.approx(whole, rel=1e-5)
    assert 0 <= whole["accuracy"] <= 1


def test_predictions_carry_the_likeliest_label_and_its_probability(
    network: Classifier, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load_tokenizer(backbone)
    texts = ["the room", "meal " * 60, "", "lovely meal " * 1000]
    with torch.no_grad():
        answers = predictor_of("classification", network, tokenizer, SPEC)(texts)
        monkeypatch.setattr(module, "MAX_TRAINING_WINDOWS", 10_000)
        batch = collate(encode(tokenizer, SPEC, [Example(t, "bad", "") for t in texts], BLOCK_SIZE))
        p = network(*inputs(batch)).softmax(dim=-1)
    assert [a["label"] for a in answers] == [SPEC.labels[i] for i in p.argmax(dim=-1)]
    assert [a["score"] for a in answers] == pytest.approx(p.max(dim=-1).values.tolist())
    assert not any(a["is_cut"] for a in answers)
