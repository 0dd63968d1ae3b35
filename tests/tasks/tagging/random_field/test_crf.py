"""Specifies the conditional random field, by the enumeration of all sequences of tags."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from textmill.tasks.tagging.iob2 import check_tags, tags_of
from textmill.tasks.tagging.random_field.crf import ConditionalRandomField

LABELS = tags_of(["A", "B"])
LENGTHS = torch.tensor([3, 1, 4])


@pytest.fixture
def crf() -> ConditionalRandomField:
    torch.manual_seed(0)
    field = ConditionalRandomField(LABELS)
    torch.nn.init.normal_(field.pairs)
    return field


@pytest.fixture
def scores() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(len(LENGTHS), 4, len(LABELS))


def is_valid(tags: tuple[int, ...]) -> bool:
    try:
        check_tags([LABELS[tag] for tag in tags])
    except ValueError:
        return False
    return True


def enumerated(crf: ConditionalRandomField, scores: Tensor) -> dict[tuple[int, ...], Tensor]:
    """The score of every valid sequence of tags of a text."""
    totals = {}
    for tags in product(range(len(LABELS)), repeat=len(scores)):
        if is_valid(tags):
            pairs = zip((crf.outside, *tags), tags, strict=False)
            of_words = sum(scores[word, tag] for word, tag in enumerate(tags))
            totals[tags] = of_words + sum(crf.pairs[pair] for pair in pairs)
    return totals


def test_the_loss_is_that_of_all_valid_sequences(
    crf: ConditionalRandomField, scores: Tensor
) -> None:
    texts = [(0, 1, 2), (3,), (1, 2, 2, 0)]
    expected = torch.tensor(0.0)
    labels = torch.zeros(3, 4, dtype=torch.long)
    for row, (tags, n) in enumerate(zip(texts, LENGTHS.tolist(), strict=True)):
        totals = enumerated(crf, scores[row, :n])
        expected = expected + torch.stack([*totals.values()]).logsumexp(0) - totals[tags]
        labels[row, :n] = torch.tensor(tags)
    found = crf.loss(scores, labels, LENGTHS)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, crf.pairs), torch.autograd.grad(expected, crf.pairs), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_probabilities_of_a_tag_sum_over_the_valid_sequences(
    crf: ConditionalRandomField, scores: Tensor
) -> None:
    found = crf.log_probabilities(scores, LENGTHS).exp()
    for row, n in enumerate(LENGTHS.tolist()):
        totals = enumerated(crf, scores[row, :n])
        shares = torch.stack([*totals.values()]).softmax(0)
        expected = torch.zeros(n, len(LABELS))
        for tags, share in zip(totals, shares, strict=True):
            expected[torch.arange(n), list(tags)] += share
        torch.testing.assert_close(found[row, :n], expected)
