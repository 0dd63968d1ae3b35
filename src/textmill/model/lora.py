"""Low-rank adaptation (LoRA) of the GPT's matrices.

Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1: a frozen
matrix W is used as W + BA · alpha / r, where B and A have the rank r and are trained.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from textmill.config import LoRAConfig
from textmill.errors import InputError
from textmill.model.gpt import GPT, MLP, Attention

TARGETS = {"attention": Attention, "mlp": MLP}


class LoRALinear(nn.Linear):
    """A linear layer with a low-rank update of its weight, which is 0 at first.

    Args:
        linear: the layer whose weight and bias it shares.
        config: rank, scale and dropout of the update.
    """

    def __init__(self, linear: nn.Linear, config: LoRAConfig) -> None:
        super().__init__(linear.in_features, linear.out_features, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.lora_A = nn.Parameter(linear.weight.new_empty(config.r, self.in_features))
        self.lora_B = nn.Parameter(linear.weight.new_zeros(self.out_features, config.r))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as nn.Linear; in the authors' code
        self.scale = config.alpha / config.r
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of the layer, (..., out_features)."""
        low = F.linear(self.dropout(input), self.lora_A)  # (..., r)
        return super().forward(input) + self.scale * F.linear(low, self.lora_B)

    def merged(self) -> nn.Linear:
        """Return the layer whose weight contains the update; it shares the bias."""
        linear = nn.Linear(self.in_features, self.out_features, device="meta")
        update = self.scale * (self.lora_B.detach() @ self.lora_A.detach())
        linear.weight, linear.bias = nn.Parameter(self.weight.detach() + update), self.bias
        return linear.train(self.training)


def attach(network: GPT, config: LoRAConfig) -> None:
    """Add low-rank updates to the matrices of a network's layers, in place.

    Raises:
        InputError: the rank is larger than the width of the network.
    """
    width = network.config.n_embd
    if config.r > width:
        raise InputError(
            f"finetune.lora.r={config.r} is larger than the width of the backbone ({width}): set a "
            "smaller r, or method=full."
        )
    updated = tuple(TARGETS[target] for target in config.targets)
    for sublayer in [*network.modules()]:
        for name, layer in [*sublayer.named_children()] if isinstance(sublayer, updated) else []:
            if isinstance(layer, nn.Linear):
                setattr(sublayer, name, LoRALinear(layer, config))


def merge(network: nn.Module) -> None:
    """Add the low-rank updates to the weights, in place."""
    for module in [*network.modules()]:
        for name, layer in [*module.named_children()]:
            if isinstance(layer, LoRALinear):
                setattr(module, name, layer.merged())
