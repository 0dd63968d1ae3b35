"""What a backbone is trained to predict: the next token, masked tokens, or both in every batch."""

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
"""A micro-batch by name. `n_targets`, () or (parts,), is the number that the loss, or each of its
parts, is divided by: the targets of the whole optimizer step, so that its micro-batches add up to
the mean over the step. Of a micro-batch that stands alone, they are its own.
"""
Loss = Callable[[GPT, Batch, float], Tensor]
"""From a model, packed blocks and the weight of the z-loss to what they add to the mean loss."""

MASKED_BY_MASK, MASKED_BY_RANDOM = 0.8, 0.1
"""What stands in place of a masked token: the mask, or a random token, or else itself."""


def next_token_loss(
    logits: Tensor, targets: Tensor, loss_mask: Tensor, n_targets: Tensor, z_loss: float = 0.0
) -> Tensor:
    """Return what these positions add to the mean cross-entropy over all, in nats per token.

    Args:
        logits: (B, T, vocab_size), before softmax.
        targets: (B, T), int64 in [0, vocab_size), already shifted left by one.
        loss_mask: (B, T), bool; False for padding.
        n_targets: (), how many positions the mean is over: those that the mask keeps, here and in
            the other micro-batches of the optimizer step.
        z_loss: weight of the squared logarithm of the softmax's denominator, which is added.

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
    """Return what these labels add to the mean cross-entropy over all, in nats per label.

    Args:
        logits: (N, classes), before softmax.
        labels: (N,), int64 in [0, classes); what F.cross_entropy ignores counts for nothing.
        n_targets: (), how many labels the mean is over: these, and those of the other micro-batches
            of the optimizer step.
        label_smoothing: share of the weight that all classes have alike (Szegedy et al. 2016).
    """
    loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="sum")
    return loss / n_targets.clamp(min=1)


def token_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood of every target in float32 nats, (B, T)."""
    flat = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return flat.view_as(targets)


def causal_loss(model: GPT, batch: Batch, z_loss: float = 0.0) -> Tensor:
    """Return the loss of predicting every next token of packed blocks."""
    logits = model(batch["input_ids"], batch["documents"])
    return _loss_of(logits, batch, z_loss)


def masked_loss(model: GPT, batch: Batch, z_loss: float = 0.0) -> Tensor:
    """Return the loss of predicting the tokens that `mask_tokens` chose, seen from both sides.

    A token is predicted at the position before it, as in causal training, so that one head serves
    both (masked next-token prediction; Charpentier & Samuel 2024, section 2.2).
    """
    logits = model(batch["input_ids"], batch["documents"], is_causal=False)
    return _loss_of(logits, batch, z_loss)


def _loss_of(logits: Tensor, batch: Batch, z_loss: float) -> Tensor:
    targets, loss_mask, n_targets = (batch[k] for k in ("targets", "loss_mask", "n_targets"))
    return next_token_loss(logits, targets, loss_mask, n_targets, z_loss)


def mask_tokens(
    batch: Batch, share: float, vocab_size: int, generator: Generator | None = None
) -> Batch:
    """Return packed blocks with some input tokens hidden, and the loss on these alone.

    The first token of each document stays: in a block, it is what the document is begun from.

    Args:
        batch: input_ids, targets, documents and loss_mask, (B, T) each.
        share: of the tokens, how many are chosen.
        vocab_size: number of token ids.
        generator: source of random numbers; None: torch's own.

    Source: Devlin et al. 2019 (BERT), section 3.1, for what stands in their place.
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
    """Return packed blocks as the objective trains on them.

    The hybrid objective gives the first rows of every batch to masked prediction and the others to
    causal prediction (GPT-BERT; Charpentier & Samuel 2024).

    Args:
        batch: input_ids, targets, documents and loss_mask, (B, T) each.
        config: the objective.
        vocab_size: number of token ids.
        generator: source of the random numbers that masks are drawn with; None: torch's own.

    Returns:
        The batch, with tokens hidden in its masked rows, and `n_targets`, (2,): how many positions
        masked and causal rows predict.
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
    """Return the objective's `loss` and, where it has two parts, `causal_loss` and `masked_loss`.

    Each is what the batch adds to the mean over its optimizer step. The two parts count by their
    rows, which are equally many in every micro-batch.

    Args:
        model: what is trained.
        batch: packed blocks, made ready by `prepare`.
        config: the objective, and whether it is compiled together with the model: the logits take
            more memory than all else, and then pass through it fewer times.
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
    return torch.compile(loss)


def n_masked_rows(config: PretrainConfig, n_rows: int) -> int:
    """Return how many rows of a batch are trained by masked prediction."""
    match config.objective:
        case "causal":
            return 0
        case "masked":
            return n_rows
        case "hybrid":
            return round(config.masked_share * n_rows)
