"""Specifies the moving average of weights: that of torch, which shares what is frozen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from textmill.training.optimization.moving_average import MovingAverage, frozen_names


def test_the_average_is_that_of_torch_and_shares_frozen_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    network[0].requires_grad_(False)

    def update(averaged: Any, current: Any, n: Any) -> None:
        torch._foreach_lerp_(averaged, current, 1 - min(0.9, (1 + int(n)) / (10 + int(n))))

    average = MovingAverage(network, 0.9)
    reference = AveragedModel(network, multi_avg_fn=update)
    for number in range(5):
        with torch.no_grad():
            for parameter in network[1].parameters():
                nn.init.normal_(parameter, mean=number)
        average.update(network)
        reference.update_parameters(network)
    for name, parameter in average.module.named_parameters():
        assert torch.equal(parameter, reference.module.get_parameter(name)), name
        assert (parameter is network.get_parameter(name)) is (name in frozen_names(network))
        assert not parameter.requires_grad
