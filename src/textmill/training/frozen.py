"""Networks of which a method of fine-tuning trains only some weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from textmill.config import FinetuneConfig
from textmill.errors import InputError
from textmill.model import GPT, lora


def restrict(network: nn.Module, config: FinetuneConfig) -> None:
    """Freeze the weights of a network that its method does not train, and add low-rank updates.

    Frozen matrices are stored in the precision of the products that they are used for: the numbers
    are those of autocast, which would cast them in every step.

    Args:
        network: a task's network, changed in place.
        config: the method.

    Raises:
        InputError: the method trains nothing of this network, or the rank is too large.
    """
    if config.method == "full":
        return
    backbone = network.backbone
    assert isinstance(backbone, GPT)
    backbone.requires_grad_(False)
    if config.method == "lora":
        lora.attach(backbone, config.lora)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(
            "finetune.method=head: this kind of task adds no layers to the backbone that could be "
            "trained: set method=lora or full."
        )
    if config.precision == "bf16":
        for parameter in backbone.h.parameters():
            if parameter.dim() == 2 and not parameter.requires_grad:
                parameter.data = parameter.data.bfloat16()


def release(network: nn.Module, backbone: nn.Module, config: FinetuneConfig) -> None:
    """Restore frozen weights to full precision, and merge low-rank updates if configured, in place.

    Args:
        network: a network of `restrict`, trained.
        backbone: the backbone that it was built on, unchanged; shares its weights afterwards.
        config: the method.
    """
    if config.method == "full":
        return
    restored = network.backbone
    assert isinstance(restored, GPT)
    weights = backbone.state_dict()
    for name, parameter in restored.named_parameters():
        if not parameter.requires_grad:
            parameter.data = weights[name]
    if config.method == "lora" and config.lora.merge:
        lora.merge(restored)


def frozen_names(network: nn.Module) -> set[str]:
    """Return the names of all weights that are not trained."""
    parameters = network.named_parameters(remove_duplicate=False)
    return {name for name, parameter in parameters if not parameter.requires_grad}


def flops_per_token(network: GPT, n_tokens: int) -> int:
    """Return the FLOPs of a training step per token, for rows of n_tokens.

    Without a trained weight, there is no backward pass; frozen matrices have no gradient, which is
    half of theirs.
    """
    flops = network.flops_per_token(n_tokens)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return flops // 3
    matrices = [*network.h.parameters(), *network.lm_head.parameters()]
    frozen = [p for p in matrices if p.dim() == 2 and not p.requires_grad]
    return flops - 2 * sum(parameter.numel() for parameter in frozen)


class MovingAverage(nn.Module):
    """A network with the exponential moving average of another one's weights.

    After n updates, the decay is at most (1 + n) / (10 + n), as in TensorFlow's
    `ExponentialMovingAverage`: otherwise a short training's average would consist of its first
    weights. Frozen weights are those of the other network; torch's `AveragedModel` would copy them.

    Args:
        network: the network that is trained.
        decay: share of the average that remains at an update.
    """

    n_averaged: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        shared = {id(p): p for p in network.parameters() if not p.requires_grad}
        self.module = copy.deepcopy(network, shared)
        self.module.requires_grad_(False)  # DDP waits for the gradients of all parameters
        self.decay = decay
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the present weights of the network to the average."""
        n = int(self.n_averaged)
        decay = min(self.decay, (1 + n) / (10 + n)) if n else 0.0
        pairs = zip(self.module.parameters(), network.parameters(), strict=True)
        trained = [pair for pair in pairs if pair[1].requires_grad]
        averaged, current = ([*part] for part in zip(*trained, strict=True))
        torch._foreach_lerp_(averaged, current, 1 - decay)
        self.n_averaged += 1
