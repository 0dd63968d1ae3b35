"""The moving average of a network's weights, of which some may be frozen."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


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


def frozen_names(network: nn.Module) -> set[str]:
    """Return the names of all weights that are not trained."""
    parameters = network.named_parameters(remove_duplicate=False)
    return {name for name, parameter in parameters if not parameter.requires_grad}
