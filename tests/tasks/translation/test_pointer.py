"""Specifies the mixture of generated and copied tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from textmill.tasks.translation.pointer import Pointer, log_probabilities, target_log_probability

SOURCE = torch.tensor([[5, 7, 5, 0], [1, 1, 1, 0]])


def mixture() -> tuple[Tensor, Tensor, Tensor]:
    """Logits of nine tokens, attention to four and log-odds of copying, at two positions."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 9, generator=generator)
    weights = torch.tensor([[0.5, 0.2, 0.3, 0.0], [0.1, 0.6, 0.3, 0.0]])
    return logits, weights, torch.tensor([0.0, 1.0])


def test_a_token_is_generated_or_copied_from_all_its_positions() -> None:
    logits, weights, gate = mixture()
    found = log_probabilities(logits, weights, gate, SOURCE).exp()
    generated = logits.softmax(dim=-1)
    half, copied = 0.5, float(torch.sigmoid(torch.tensor(1.0)))
    assert found[0, 5] == pytest.approx(float(half * generated[0, 5]) + half * 0.8)
    assert found[0, 7] == pytest.approx(float(half * generated[0, 7]) + half * 0.2)
    assert found[0, 3] == pytest.approx(float(half * generated[0, 3]))
    assert found[1, 1] == pytest.approx(float((1 - copied) * generated[1, 1]) + copied)
    assert found.sum(dim=-1).tolist() == pytest.approx([1.0, 1.0])


def test_the_probability_of_a_target_is_that_of_the_whole_mixture() -> None:
    logits, weights, gate = mixture()
    whole = log_probabilities(logits, weights, gate, SOURCE)
    for targets in torch.arange(9)[:, None].expand(9, 2):
        log_p = logits.log_softmax(dim=-1)
        found = target_log_probability(log_p, weights, gate, SOURCE, targets)
        torch.testing.assert_close(found, whole.gather(1, targets[:, None])[:, 0])


def test_a_target_outside_the_source_has_finite_gradients() -> None:
    logits, weights, gate = (tensor.requires_grad_() for tensor in mixture())
    target_log_probability(logits, weights, gate, SOURCE, torch.tensor([3, 3])).sum().backward()
    for tensor in (logits, weights, gate):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


def test_only_the_source_is_attended() -> None:
    torch.manual_seed(0)
    pointer = Pointer(8)
    hidden = torch.randn(2, 5, 8)
    is_source = torch.tensor(
        [[True, True, False, False, False], [True, False, False, False, False]]
    )
    weights, gate = pointer.attend(hidden, pointer.keys(hidden, is_source), is_source)
    assert weights.shape == (2, 5, 5)
    assert (weights[~is_source[:, None].expand_as(weights)] == 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 5))
    assert gate.sigmoid().flatten().tolist() == pytest.approx([0.047] * 10, abs=1e-3)
