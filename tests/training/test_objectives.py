"""Specifies the objectives: what is averaged, over which positions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from textmill.config import ModelConfig, PretrainConfig
from textmill.corpus.tokens.tokenizer import MASK_ID, SPECIAL_TOKENS
from textmill.model.gpt import GPT
from textmill.training.objectives import (
    Batch,
    causal_loss,
    mask_tokens,
    masked_loss,
    next_token_loss,
    objective_losses,
    prepare,
    token_nll,
)

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
    loss = next_token_loss(logits, targets, loss_mask, loss_mask.sum())
    torch.testing.assert_close(loss, expected)


def test_masked_positions_do_not_change_the_loss() -> None:
    logits, targets, loss_mask = example(0.5)
    other = logits.masked_fill(~loss_mask[..., None], 7.0)
    changed = targets.masked_fill(~loss_mask, 0)
    n_targets = loss_mask.sum()
    expected = next_token_loss(logits, targets, loss_mask, n_targets)
    torch.testing.assert_close(next_token_loss(other, changed, loss_mask, n_targets), expected)


def test_a_fully_masked_batch_has_no_loss_and_no_gradient() -> None:
    logits, targets, loss_mask = example(0.0)
    logits.requires_grad_()
    loss = next_token_loss(logits, targets, loss_mask, loss_mask.sum())
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
        "n_targets": torch.tensor(8),
    }
    apart = [
        F.cross_entropy(model(d[None, :-1])[0], d[1:], reduction="sum") for d in (first, second)
    ]
    torch.testing.assert_close(causal_loss(model, batch), (apart[0] + apart[1]) / 8)


VOCAB_SIZE = 600


def packed(n_rows: int = 64) -> Batch:
    """Blocks of two documents and some padding, each document begun by an END."""
    generator = torch.Generator().manual_seed(0)
    first = len(SPECIAL_TOKENS)
    ids = torch.randint(first, VOCAB_SIZE, (n_rows, 17), generator=generator)
    documents = torch.tensor([0] * 7 + [1] * 6 + [-1] * 3, dtype=torch.int32).expand(n_rows, 16)
    ids[:, [0, 7]] = 0
    return {
        "input_ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "documents": documents,
        "loss_mask": documents >= 0,
    }


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def alone(batch: Batch) -> Batch:
    """A batch of one part that is a whole step."""
    return batch | {"n_targets": batch["loss_mask"].sum()}


def masked(batch: Batch, share: float) -> Batch:
    return mask_tokens(batch, share, VOCAB_SIZE, torch.Generator().manual_seed(1))


def test_about_the_asked_share_of_tokens_is_predicted_and_nothing_but_these_is_hidden() -> None:
    batch = packed(400)
    chosen = masked(batch, 0.15)
    is_predicted = F.pad(chosen["loss_mask"][:, :-1], (1, 0))  # at the position of its token
    is_hidden = chosen["input_ids"] != batch["input_ids"]
    assert not (is_hidden & ~is_predicted).any()
    inner = 6 + 5  # tokens of a row that are not the first of their document, nor padding
    assert is_predicted.sum() / (400 * inner) == pytest.approx(0.15, abs=0.015)
    in_place = chosen["input_ids"][is_predicted]
    before = batch["input_ids"][is_predicted]
    assert (in_place == MASK_ID).float().mean() == pytest.approx(0.8, abs=0.05)
    assert (in_place == before).float().mean() == pytest.approx(0.1, abs=0.04)


def test_first_tokens_and_padding_are_never_hidden() -> None:
    batch = packed()
    chosen = masked(batch, 0.99)
    stays = torch.zeros(16, dtype=torch.bool)
    stays[[0, 7, 13, 14, 15]] = True
    assert torch.equal(chosen["input_ids"][:, stays], batch["input_ids"][:, stays])
    # What is predicted after a document's last token, or in the padding, was not hidden.
    assert not chosen["loss_mask"][:, [6, 12, 13, 14, 15]].any()
    assert torch.equal(chosen["targets"], batch["targets"])


def tiny() -> GPT:
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=16, vocab_size=VOCAB_SIZE)
    return GPT(shape)


def test_a_masked_token_is_predicted_from_both_sides_at_the_position_before_it() -> None:
    batch = packed(1)
    batch["input_ids"][0, 3] = MASK_ID
    batch["loss_mask"] = torch.arange(16)[None] == 2
    batch["n_targets"] = torch.tensor(1)
    model = tiny()
    first = model(batch["input_ids"][:, :7], is_causal=False)  # the first document, run apart
    expected = F.cross_entropy(first[:, 2], batch["targets"][:, 2])
    torch.testing.assert_close(masked_loss(model, batch), expected)


def test_logits_are_computed_for_masked_tokens_alone() -> None:
    batch, model = masked(packed(2), 0.3), tiny()
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda _, inputs, __: rows.append(inputs[0].numel() // 16))
    masked_loss(model, batch | {"n_targets": batch["loss_mask"].sum()})
    assert rows == [int(batch["loss_mask"].sum())]


@pytest.mark.parametrize(("share", "n_masked"), [(0.5, 4), (0.25, 2), (0.9, 7)])
def test_the_hybrid_loss_weighs_both_parts_by_their_rows(share: float, n_masked: int) -> None:
    config = PretrainConfig(objective="hybrid", masked_share=share, micro_batch_size=8)
    batch, model = packed(8), tiny()
    losses = objective_losses(model, prepare(batch, config, VOCAB_SIZE, seeded()), config)
    rows = {name: tensor[:n_masked] for name, tensor in batch.items()}
    hidden = masked_loss(model, alone(mask_tokens(rows, config.mask_share, VOCAB_SIZE, seeded())))
    rest = {name: tensor[n_masked:] for name, tensor in batch.items()}
    shown = causal_loss(model, alone(rest))
    torch.testing.assert_close(losses["masked_loss"], hidden)
    torch.testing.assert_close(losses["causal_loss"], shown)
    torch.testing.assert_close(losses["loss"], (n_masked * hidden + (8 - n_masked) * shown) / 8)


def test_an_objective_of_one_part_has_one_loss() -> None:
    batch, model = packed(8), tiny()
    config = PretrainConfig()
    causal = objective_losses(model, prepare(batch, config, VOCAB_SIZE), config)
    assert list(causal) == ["loss"]
    torch.testing.assert_close(causal["loss"], causal_loss(model, alone(batch)))
    config = PretrainConfig(objective="masked")
    only_masked = objective_losses(model, prepare(batch, config, VOCAB_SIZE, seeded()), config)
    expected = masked_loss(model, alone(mask_tokens(batch, 0.15, VOCAB_SIZE, seeded())))
    torch.testing.assert_close(only_masked["loss"], expected)
