"""Specifies the optimizer: what decays, and how the learning rate moves."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch

from textmill.config import ModelConfig, OptimizationConfig
from textmill.model.gpt import GPT
from textmill.model.lstm import LSTM
from textmill.training.optimization.optimizers import (
    CombinedOptimizer,
    learning_rate_factor,
    make_optimizer,
)

SHAPE = dict(n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=11)


def groups(**choices: Any) -> dict[float, set[str]]:
    """The names of the parameters by their weight decay."""
    model = GPT(ModelConfig.model_validate(SHAPE | choices))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, OptimizationConfig(weight_decay=0.3))
    return {
        group["weight_decay"]: {names[id(parameter)] for parameter in group["params"]}
        for group in optimizer.param_groups
    }


@pytest.mark.parametrize(
    "choices",
    [
        dict(norm="layer", bias=True, position="learned"),
        dict(norm="layer", bias=True, tie_embeddings=False),
        dict(norm="rms"),
        dict(activation="swiglu", tie_embeddings=False),
    ],
    ids=str,
)
def test_the_matrices_of_the_layers_decay_and_nothing_else(choices: dict[str, Any]) -> None:
    decays = groups(**choices)
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    expected = {f"h.{i}.{layer}.weight" for i in range(2) for layer in layers}
    if not choices.get("tie_embeddings", True):
        expected.add("lm_head.weight")
    every = {n for n, _ in GPT(ModelConfig.model_validate(SHAPE | choices)).named_parameters()}
    assert decays == {0.3: expected, 0.0: every - expected}


def test_a_head_tied_to_the_embedding_does_not_decay() -> None:
    decays = groups(tie_embeddings=True)
    assert "wte.weight" in decays[0.0]
    assert "lm_head.weight" not in decays[0.3]


def test_the_first_step_is_that_of_the_paper() -> None:
    module = torch.nn.Linear(1, 1)
    with torch.no_grad():
        module.weight.fill_(2.0)
        module.bias.fill_(2.0)
    config = OptimizationConfig(learning_rate=0.1, weight_decay=0.5, beta1=0.9, beta2=0.95)
    optimizer = make_optimizer(module, config)
    module(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    # The bias-corrected quotient of the moments is 1 at the first step; the weight decays as well.
    assert module.weight.item() == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1)
    assert module.bias.item() == pytest.approx(2 - 0.1)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 0, 0.25),
        ("cosine", 1, 0.5),
        ("cosine", 3, 1.0),
        ("cosine", 4, 1.0),
        ("cosine", 6, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),
        ("cosine", 8, 0.55),
        ("cosine", 12, 0.1),
        ("cosine", 13, 0.1),
        ("linear", 1, 0.5),
        ("linear", 6, 0.1 + 0.9 * 0.75),
        ("linear", 12, 0.1),
        ("warmup_stable_decay", 1, 0.5),
        ("warmup_stable_decay", 8, 1.0),
        ("warmup_stable_decay", 10, 1.0),
        ("warmup_stable_decay", 11, 0.55),
        ("warmup_stable_decay", 12, 0.1),
    ],
)
def test_the_learning_rate_rises_linearly_and_falls_by_its_schedule(
    schedule: str, step: int, expected: float
) -> None:
    config = OptimizationConfig.model_validate(
        {"schedule": schedule, "final_learning_rate_share": 0.1, "decay_share": 0.25}
    )
    assert learning_rate_factor(config, 12, 4)(step) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "warmup_stable_decay"])
@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (5, 5), (10, 0)])
def test_the_factor_stays_between_the_final_share_and_one(
    total: int, warmup: int, schedule: str
) -> None:
    config = OptimizationConfig.model_validate(
        {"schedule": schedule, "final_learning_rate_share": 0.2}
    )
    factor = learning_rate_factor(config, total, warmup)
    assert all(0.2 <= factor(step) <= 1 for step in range(total + 3))
    assert factor(total + 1) == pytest.approx(0.2)


def muon(**settings: Any) -> OptimizationConfig:
    return OptimizationConfig.model_validate({"optimizer": "muon", **settings})


@pytest.mark.parametrize("tied", [True, False])
def test_muon_takes_the_matrices_of_the_layers_and_adamw_the_rest(tied: bool) -> None:
    model = GPT(ModelConfig.model_validate(SHAPE | {"tie_embeddings": tied, "bias": True}))
    optimizer = make_optimizer(model, muon())
    assert isinstance(optimizer, CombinedOptimizer)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    first, second = (
        {names[id(p)] for group in inner.param_groups for p in group["params"]}
        for inner in optimizer.optimizers
    )
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert first == {f"h.{i}.{layer}.weight" for i in range(2) for layer in layers}
    assert second == set(names.values()) - first


@pytest.mark.parametrize(("name", "longest"), [("attn.c_proj", 16), ("mlp.c_fc", 64)])
def test_a_muon_step_is_nearly_orthogonal_at_the_length_of_adamw(name: str, longest: int) -> None:
    torch.manual_seed(0)
    model = GPT(ModelConfig.model_validate(SHAPE | {"activation": "relu_squared"}))
    optimizer = make_optimizer(model, muon(learning_rate=0.01, weight_decay=0.0))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    weight = model.get_parameter(f"h.0.{name}.weight")
    before = weight.detach().clone()
    assert weight.grad is not None
    left, _, right = torch.linalg.svd(weight.grad, full_matrices=False)
    optimizer.step()
    # In the axes of the gradient, all singular values come near one: between 0.7 and 1.2 (Jordan
    # et al. 2024); a rate of 0.2 × sqrt(longest side) gives the entries AdamW's mean square.
    values = (left.T @ (before - weight.detach()) @ right.T) / (0.01 * 0.2 * math.sqrt(longest))
    assert 0.6 < values.diag().min() <= values.diag().max() < 1.3
    torch.testing.assert_close(values, values.diag().diag(), atol=0.05, rtol=0)


def test_a_schedule_reaches_both_optimizers_even_after_a_restart() -> None:
    model = GPT(ModelConfig.model_validate(SHAPE))
    optimizer = make_optimizer(model, muon(learning_rate=0.01))
    optimizer.load_state_dict(optimizer.state_dict())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
    optimizer.step()
    schedule.step()
    assert isinstance(optimizer, CombinedOptimizer)
    rates = {group["lr"] for inner in optimizer.optimizers for group in inner.param_groups}
    assert rates == {0.005}


def test_a_restored_optimizer_takes_the_steps_of_the_first() -> None:
    def trained(n_steps: int, optimizer: torch.optim.Optimizer, model: GPT) -> None:
        for _ in range(n_steps):
            optimizer.zero_grad()
            model(torch.arange(8)[None]).square().mean().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = GPT(ModelConfig.model_validate(SHAPE))
    optimizer = make_optimizer(model, muon())
    trained(2, optimizer, model)
    other = GPT(model.config)
    other.load_state_dict(model.state_dict())
    restored = make_optimizer(other, muon())
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    trained(2, optimizer, model)
    trained(2, restored, other)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_muon_takes_the_matrices_of_an_lstm() -> None:
    model = LSTM(ModelConfig.model_validate(SHAPE), 3, is_causal=False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, muon())
    assert isinstance(optimizer, CombinedOptimizer)
    taken, *_ = optimizer.optimizers
    assert {names[id(p)] for group in taken.param_groups for p in group["params"]} == {
        name for name in names.values() if name.startswith("lstm.weight")
    }
