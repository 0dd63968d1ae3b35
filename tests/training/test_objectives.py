"""Specifies the objectives: what is averaged, over which positions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from textmill.config import ModelConfig
from textmill.model.gpt import GPT
from textmill.training.objectives import causal_loss, next_token_loss, token_nll

IGNORED = -100


def example(share: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, targets, and a mask that keeps about this share."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 8, 11, generator=generator)
    targets = torch.randint(11, (3, 8), generator=generator)
    return logits, targets, torch.rand(3, 8, generator=generator) < share


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_loss_is_the_cross_entropy_of_the_kept_positions(share: float) -> None:
    logits, targets, loss_mask = example(share)
    ignoring = targets.masked_fill(~loss_mask, IGNORED)
    expected = F.cross_entropy(logits.flatten(0, 1), ignoring.flatten(), ignore_index=IGNORED)
    torch.testing.assert_close(next_token_loss(logits, targets, loss_mask), expected)


def test_masked_positions_do_not_change_the_loss() -> None:
    logits, targets, loss_mask = example(0.5)
    other = logits.masked_fill(~loss_mask[..., None], 7.0)
    changed = targets.masked_fill(~loss_mask, 0)
    expected = next_token_loss(logits, targets, loss_mask)
    torch.testing.assert_close(next_token_loss(other, changed, loss_mask), expected)


def test_a_fully_masked_batch_has_no_loss_and_no_gradient() -> None:
    logits, targets, loss_mask = example(0.0)
    logits.requires_grad_()
    loss = next_token_loss(logits, targets, loss_mask)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_equal_logits_cost_the_logarithm_of_the_vocabulary() -> None:
    nll = token_nll(torch.zeros(2, 3, 11), torch.zeros(2, 3, dtype=torch.int64))
    torch.testing.assert_close(nll, torch.full((2, 3), math.log(11)))


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    logits, targets, _ = example(1.0)
    logits = logits.bfloat16()
    nll = token_nll(logits, targets)
    assert nll.dtype == torch.float32
    torch.testing.assert_close(nll, token_nll(logits.float(), targets))


def test_the_causal_loss_is_the_mean_over_documents_run_apart() -> None:
    torch.manual_seed(0)
    model = GPT(ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=11))
    ids = torch.randint(11, (10,))
    first, second = ids[:4], ids[4:]
    batch = {
        "input_ids": torch.cat((first[:-1], second[:-1]))[None],
        "targets": torch.cat((first[1:], second[1:]))[None],
        "documents": torch.tensor([[0] * 3 + [1] * 5]),
        "loss_mask": torch.ones(1, 8, dtype=torch.bool),
    }
    apart = [
        F.cross_entropy(model(d[None, :-1])[0], d[1:], reduction="sum") for d in (first, second)
    ]
    torch.testing.assert_close(causal_loss(model, batch), (apart[0] + apart[1]) / 8)
