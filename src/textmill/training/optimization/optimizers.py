"""AdamW and Muon with weight decay by parameter group, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from textmill.config import OptimizationConfig
from textmill.model.gpt import Block


def make_optimizer(module: nn.Module, config: OptimizationConfig) -> Optimizer:
    """Return the configured optimizer of the weights that require gradients.

    Weight decay applies to matrices other than embeddings.
    """
    embeddings = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.Embedding)
        for parameter in child.parameters()
    }
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in module.parameters():
        if not parameter.requires_grad:
            continue
        is_matrix = parameter.dim() == 2 and id(parameter) not in embeddings
        (matrices if is_matrix else others).append(parameter)
    if config.optimizer == "adamw":
        return _adamw(matrices, others, config)
    # Output layers use AdamW like the embeddings: their rows are tokens, or classes.
    in_blocks = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, Block | nn.LSTM)
        for parameter in child.parameters()
    }
    inner = [parameter for parameter in matrices if id(parameter) in in_blocks]
    if not inner:  # only the head is trained
        return _adamw(matrices, others, config)
    muon = Muon(
        inner,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        momentum=config.muon_momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    outer = [parameter for parameter in matrices if id(parameter) not in in_blocks]
    return CombinedOptimizer(muon, _adamw(outer, others, config))


def _adamw(
    decayed: list[nn.Parameter], others: list[nn.Parameter], config: OptimizationConfig
) -> AdamW:
    """Return AdamW (Loshchilov & Hutter 2019)."""
    groups = [(decayed, config.weight_decay), (others, 0.0)]
    return AdamW(
        [{"params": params, "weight_decay": decay} for params, decay in groups if params],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        fused=True,
    )


class CombinedOptimizer(Optimizer):
    """Several optimizers over disjoint parameters as one, because Lightning steps one optimizer.

    Args:
        optimizers: their parameter groups are shared, so that a scheduler applies to all.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        super().__init__([p for o in optimizers for g in o.param_groups for p in g["params"]], {})
        self.optimizers = optimizers
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [group for o in self.optimizers for group in o.param_groups]

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Step every optimizer, after the closure if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the states of all optimizers."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the states of all optimizers."""
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self._share_groups()


def learning_rate_factor(
    config: OptimizationConfig, total_steps: int, warmup_steps: int
) -> Callable[[int], float]:
    """Return the learning-rate factor by step: linear warm-up to 1, then the schedule's decay.

    Sources: Loshchilov & Hutter 2017, eq. 5, with one period (cosine); Hu et al. 2024 (MiniCPM),
    section 4.2, with a linear decay (warm-up, stable, decay).
    """
    final_share = config.final_learning_rate_share

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        match config.schedule:
            case "cosine":
                remaining = (1 + math.cos(math.pi * progress)) / 2
            case "linear":
                remaining = 1 - progress
            case "warmup_stable_decay":
                remaining = min(1.0, (1 - progress) / config.decay_share)
        return final_share + (1 - final_share) * remaining

    return factor
