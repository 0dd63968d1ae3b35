"""AdamW with decay by parameter group, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn
from torch.optim import AdamW

from textmill.config import OptimizationConfig


def adamw(module: nn.Module, config: OptimizationConfig) -> AdamW:
    """Return AdamW (Loshchilov & Hutter 2019), decaying matrices but not embeddings or vectors."""
    embeddings = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.Embedding)
        for parameter in child.parameters()
    }
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in module.parameters():
        is_matrix = parameter.dim() >= 2 and id(parameter) not in embeddings
        (decayed if is_matrix else others).append(parameter)
    return AdamW(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        fused=True,
    )


def cosine_with_warmup(
    total_steps: int, warmup_steps: int, final_share: float
) -> Callable[[int], float]:
    """Return the learning rate's factor at a step: a linear rise to 1, then half a cosine.

    Source: Loshchilov & Hutter 2017, eq. 5, with one period.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final_share + (1 - final_share) * (1 + math.cos(math.pi * progress)) / 2

    return factor
