"""Specifies what each method of fine-tuning trains, and how the rest is stored."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from textmill.config import FinetuneConfig, ModelConfig
from textmill.errors import InputError
from textmill.model import GPT
from textmill.model.lora import LoRALinear
from textmill.tasks.tuning.methods import flops_per_token, release, restrict
from textmill.training.optimization.moving_average import frozen_names
from textmill.training.optimization.optimizers import CombinedOptimizer, make_optimizer

SHAPE = ModelConfig(
    n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=10, activation="relu_squared"
)
IDS = torch.arange(16).view(2, 8) % 10


class Network(nn.Module):
    """A backbone with a layer of the task."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = GPT(SHAPE)
        self.head = nn.Linear(16, 3)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone.hidden(ids).mean(dim=1))
        return logits


def settings(**values: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate({"precision": "32", "accelerator": "cpu"} | values)


def restricted(**values: Any) -> Network:
    torch.manual_seed(0)
    network = Network()
    restrict(network, settings(**values))
    return network


def trained(network: nn.Module) -> list[str]:
    return [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def step(network: nn.Module, optimizer: torch.optim.Optimizer, is_bf16: bool = False) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
        loss = network(IDS).float().square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def test_full_fine_tuning_trains_everything() -> None:
    assert not frozen_names(restricted(method="full"))


def test_the_head_alone_is_trained() -> None:
    network = restricted(method="head")
    assert trained(network) == ["head.weight", "head.bias"]
    assert "backbone.lm_head.weight" in frozen_names(network)  # also by its second name


def test_lora_trains_its_updates_and_the_head() -> None:
    network = restricted(method="lora")
    names = trained(network)
    assert [name for name in names if "lora_" not in name] == ["head.weight", "head.bias"]
    assert len(names) == 2 + 2 * 4 * 2


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("method", ["head", "lora"])
def test_frozen_weights_have_neither_gradient_nor_state_and_do_not_change(
    method: str, optimizer: str
) -> None:
    values = {"method": method, "optimizer": optimizer, "learning_rate": 0.1}
    network = restricted(**values)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    steps = make_optimizer(network, settings(**values))
    for _ in range(2):
        step(network, steps)
    single = steps.optimizers if isinstance(steps, CombinedOptimizer) else [steps]
    held = {id(parameter) for one in single for parameter in one.state}
    parameters = dict(network.named_parameters())
    assert held == {id(parameters[name]) for name in trained(network)}
    frozen = frozen_names(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]) is (name in frozen), name
    assert all(parameters[name].grad is None for name in frozen & parameters.keys())


def test_a_method_that_would_train_nothing_is_refused() -> None:
    network = Network()
    network.head.requires_grad_(False)
    with pytest.raises(
        InputError, match=r"finetune\.method=head: this kind of task adds no layers"
    ):
        restrict(network, settings(method="head"))


@pytest.mark.parametrize("method", ["head", "lora"])
def test_frozen_matrices_in_bf16_give_the_numbers_of_autocast(method: str) -> None:
    values = {"method": method, "learning_rate": 0.1}
    whole, half = restricted(**values), restricted(**values, precision="bf16")
    frozen = {name: p.dtype for name, p in half.named_parameters() if not p.requires_grad}
    assert frozen["backbone.h.0.mlp.c_fc.weight"] == torch.bfloat16
    assert frozen["backbone.wte.weight"] == frozen["backbone.ln_f.weight"] == torch.float32
    for name in trained(whole):
        assert half.get_parameter(name).dtype == torch.float32
    optimizers = [make_optimizer(network, settings(**values)) for network in (whole, half)]
    for _ in range(3):
        losses = [step(*pair, is_bf16=True) for pair in zip((whole, half), optimizers, strict=True)]
        assert torch.equal(*losses)
    for name in trained(whole):
        assert torch.equal(whole.get_parameter(name), half.get_parameter(name)), name


@pytest.mark.parametrize("is_merged", [True, False])
def test_a_trained_network_has_the_weights_of_its_backbone_again(is_merged: bool) -> None:
    config = settings(method="lora", precision="bf16", lora={"merge": is_merged})
    network = Network()
    original = GPT(SHAPE)
    original.load_state_dict(network.backbone.state_dict())
    restrict(network, config)
    for name in trained(network):
        nn.init.normal_(network.get_parameter(name))
    layer = network.backbone.h[0].get_submodule("mlp.c_fc")
    assert isinstance(layer, LoRALinear)
    update = layer.scale * layer.lora_B @ layer.lora_A
    release(network, original, config)
    found = network.backbone.h[0].get_submodule("mlp.c_fc")
    assert isinstance(found, nn.Linear)
    assert isinstance(found, LoRALinear) is not is_merged
    expected = original.h[0].get_submodule("mlp.c_fc").weight
    assert torch.equal(found.weight, expected + update if is_merged else expected)
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


def test_the_operations_of_frozen_matrices_are_counted_once_less() -> None:
    """6 per weight: 2 forward, 2 for the gradient of the input, 2 for that of the weight."""
    matrices = 2 * 12 * 16 * 16 + 10 * 16
    updates = 2 * 8 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16))
    attention = 12 * 2 * 16 * 8
    full, head, lora = (restricted(method=m).backbone for m in ("full", "head", "lora"))
    assert flops_per_token(full, 8) == 6 * matrices + attention
    assert flops_per_token(head, 8) == 2 * matrices + attention // 3
    assert flops_per_token(lora, 8) == 4 * matrices + 6 * updates + attention
