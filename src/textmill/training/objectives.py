"""What a backbone is trained to predict."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from textmill.model import GPT

Batch = dict[str, Tensor]


def next_token_loss(logits: Tensor, targets: Tensor, loss_mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over the positions kept by the mask, in nats per token.

    Args:
        logits: (B, T, vocab_size), before softmax.
        targets: (B, T), int64 in [0, vocab_size), already shifted left by one.
        loss_mask: (B, T), bool; False for padding.

    Source: GPT-1, Radford et al. 2018, eq. 1.
    """
    nll = token_nll(logits, targets)
    # A fully masked micro-batch is legal: clamp gives 0, not NaN, and needs no sync.
    return (nll * loss_mask).sum() / loss_mask.sum().clamp(min=1)


def token_nll(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the negative log-likelihood of every target in float32 nats, (B, T)."""
    flat = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return flat.view_as(targets)


def causal_loss(model: GPT, batch: Batch) -> Tensor:
    """Return the loss of predicting every next token of packed blocks."""
    logits = model(batch["input_ids"], batch["documents"])
    return next_token_loss(logits, batch["targets"], batch["loss_mask"])
