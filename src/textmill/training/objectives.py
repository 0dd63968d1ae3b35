"""Pretraining objectives: next-token prediction, masked prediction, or both in every batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from textmill.config import PretrainConfig
from textmill.corpus.tokens.tokenizer import MASK_ID, SPECIAL_TOKENS
from textmill.model import GPT
from textmill.model.attention import mark_constants

Batch = dict[str, Tensor]
"""A micro-batch of named tensors. `n_targets`, () or (parts,), is the divisor of the loss, or of
each of its parts: the number of targets of the whole optimizer step, so that its micro-batches sum
to the mean over the step. For a single micro-batch, it is its own number of targets.
"""
Loss = Callable[[GPT, Batch, float], Tensor]
"""Maps a model, packed blocks and the z-loss weight to their contribution to the mean loss."""

MASKED_BY_MASK, MASKED_BY_RANDOM = 0.8, 0.1
"""Shares of masked tokens replaced by the mask token and by a random token; others are kept."""


def next_token_loss(
    logits: Tensor, targets: Tensor, loss_mask: Tensor, n_targets: Tensor, z_loss: float = 0.0
) -> Tensor:
    """Return the contribution of these positions to the mean cross-entropy, in nats per token.

    Args:
        logits: (B, T, vocab_size), before softmax.
        targets: (B, T), int64 in [0, vocab_size), already shifted left by one.
        loss_mask: (B, T), bool; False for padding.
        n_targets: (), divisor of the mean: the positions that the mask keeps in all micro-batches
            of the optimizer step.
        z_loss: weight of the z-loss, the squared logarithm of the softmax's denominator.

    Sources: GPT-1, Radford et al. 2018, eq. 1; PaLM, Chowdhery et al. 2022, section 5 (z-loss).
    """
    nll = token_nll(logits, targets)
    if z_loss:
        nll = nll + z_loss * logits.float().logsumexp(-1).square()
    # A fully masked micro-batch is legal: clamp gives 0, not NaN, and needs no sync.
    return (nll * loss_mask).sum() / n_targets.clamp(min=1)


def mean_cross_entropy(
    logits: Tensor, labels: Tensor, n_targets: Tensor, label_smoothing: float
) -> Tensor:
    """Return the contribution of these labels to the mean cross-entropy, in nats per label.

    Args:
        logits: (N, classes), before softmax.
        labels: (N,), int64 in [0, classes); labels that F.cross_entropy ignores do not count.
        n_targets: (), divisor of the mean: the labels in all micro-batches of the optimizer step.
        label_smoothing: share of the target distributed over all classes (Szegedy et al. 2016).
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="sum")
    return loss / n_targets.clamp(min=1)


def token_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood of every target in float32 nats, (B, T)."""
    flat = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return flat.view_as(targets)


def causal_loss(model: GPT, batch: Batch, z_loss: float = 0.0) -> Tensor:
    """Return the next-token loss of packed blocks."""
    logits = model(batch["input_ids"], batch["documents"])
    targets, loss_mask, n_targets = (batch[k] for k in ("targets", "loss_mask", "n_targets"))
    return next_token_loss(logits, targets, loss_mask, n_targets, z_loss)


def masked_loss(model: GPT, batch: Batch, z_loss: float = 0.0) -> Tensor:
    """Return the loss of predicting the tokens that `mask_tokens` masked, bidirectionally.

    A token is predicted at the position before it, as in causal training, so that one head serves
    both (masked next-token prediction; Charpentier & Samuel 2024, section 2.2).
    """
    predicted = batch["loss_mask"]
    # Through `forward`, whose hooks gather the weights of sharded models.
    logits = model(batch["input_ids"], batch["documents"], is_causal=False, predicted=predicted)
    targets = batch["targets"][predicted][None]
    loss_mask = torch.ones_like(targets, dtype=torch.bool)
    return next_token_loss(logits[None], targets, loss_mask, batch["n_targets"], z_loss)


def mask_tokens(
    batch: Batch, share: float, vocab_size: int, generator: Generator | None = None
) -> Batch:
    """Return packed blocks with some input tokens masked, and the loss restricted to these.

    The first token of each document is never masked: the document is predicted from it.

    Args:
        batch: input_ids, targets, documents and loss_mask, (B, T) each.
        share: probability of masking a token.
        vocab_size: number of token ids.
        generator: random number generator; None: torch's default.

    Source: Devlin et al. 2019 (BERT), section 3.1, for the replacements.
    """
    input_ids, documents = batch["input_ids"], batch["documents"]
    B, T = input_ids.shape
    draws = torch.rand(3, B, T, generator=generator, device=input_ids.device)
    is_inner = F.pad(documents[:, 1:] == documents[:, :-1], (1, 0)) & (documents >= 0)
    is_chosen = (draws[0] < share) & is_inner
    n_special = len(SPECIAL_TOKENS)
    random_ids = n_special + (draws[2] * (vocab_size - n_special)).long()
    hidden = input_ids.masked_fill(is_chosen & (draws[1] < MASKED_BY_MASK), MASK_ID)
    is_random = is_chosen & (draws[1] >= 1 - MASKED_BY_RANDOM)
    is_predicted = F.pad(is_chosen[:, 1:], (0, 1))
    return {
        **batch,
        "input_ids": torch.where(is_random, random_ids, hidden),
        "loss_mask": batch["loss_mask"] & is_predicted,
    }


def prepare(
    batch: Batch, config: PretrainConfig, vocab_size: int, generator: Generator | None = None
) -> Batch:
    """Return packed blocks prepared for the objective.

    The hybrid objective uses the first rows of every batch for masked prediction and the others for
    causal prediction (GPT-BERT; Charpentier & Samuel 2024).

    Args:
        batch: input_ids, targets, documents and loss_mask, (B, T) each.
        config: the objective.
        vocab_size: number of token ids.
        generator: random number generator of the masks; None: torch's default.

    Returns:
        The batch with masked rows, and `n_targets`, (2,): the targets of the masked and of the
        causal rows.
    """
    n_masked = n_masked_rows(config, len(batch["input_ids"]))
    if n_masked:
        rows = {name: tensor[:n_masked] for name, tensor in batch.items()}
        hidden = mask_tokens(rows, config.mask_share, vocab_size, generator)
        batch = batch | {
            name: torch.cat((hidden[name], batch[name][n_masked:]))
            for name in ("input_ids", "loss_mask")
        }
    masked, causal = batch["loss_mask"][:n_masked].sum(), batch["loss_mask"][n_masked:].sum()
    return batch | {"n_targets": torch.stack((masked, causal))}


def objective_losses(model: GPT, batch: Batch, config: PretrainConfig) -> dict[str, Tensor]:
    """Return the objective's `loss` and, if it has two parts, `causal_loss` and `masked_loss`.

    Each is the batch's contribution to the mean over its optimizer step. The two parts are weighted
    by their rows, whose numbers are the same in every micro-batch.

    Args:
        model: the model to train.
        batch: packed blocks from `prepare`.
        config: the objective, and whether to compile it together with the model, which saves memory
            traffic on the logits, the largest tensor.
    """
    losses: tuple[Loss, Loss] = masked_loss, causal_loss
    masked, causal = map(_compiled, losses) if config.compile else losses
    n_rows = len(batch["input_ids"])
    n_masked = n_masked_rows(config, n_rows)
    n_targets = batch["n_targets"]
    blocks = {name: tensor for name, tensor in batch.items() if name != "n_targets"}
    parts: dict[str, Tensor] = {}
    if n_masked:
        rows = {name: tensor[:n_masked] for name, tensor in blocks.items()}
        parts["masked_loss"] = masked(model, rows | {"n_targets": n_targets[0]}, config.z_loss)
    if n_masked < n_rows:
        rows = {name: tensor[n_masked:] for name, tensor in blocks.items()}
        parts["causal_loss"] = causal(model, rows | {"n_targets": n_targets[1]}, config.z_loss)
    if len(parts) == 1:
        return {"loss": next(iter(parts.values()))}
    share = n_masked / n_rows
    loss = share * parts["masked_loss"] + (1 - share) * parts["causal_loss"]
    return {"loss": loss, **{name: part.detach() for name, part in parts.items()}}


@cache
def _compiled(loss: Loss) -> Loss:
    mark_constants()
    # The number of masked tokens differs from batch to batch.
    torch._dynamo.config.capture_dynamic_output_shape_ops = True
    return torch.compile(loss)


def n_masked_rows(config: PretrainConfig, n_rows: int) -> int:
    """Return the number of rows of a batch that are used for masked prediction."""
    match config.objective:
        case "causal":
            return 0
        case "masked":
            return n_rows
        case "hybrid":
            return round(config.masked_share * n_rows)
