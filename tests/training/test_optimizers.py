"""Specifies the optimizer: what decays, and how the learning rate moves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from textmill.config import ModelConfig, OptimizationConfig
from textmill.model.gpt import GPT
from textmill.training.optimizers import adamw, cosine_with_warmup

SHAPE = dict(n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=11)


def groups(**choices: Any) -> dict[float, set[str]]:
    """The names of the parameters by their weight decay."""
    model = GPT(ModelConfig.model_validate(SHAPE | choices))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = adamw(model, OptimizationConfig(weight_decay=0.3))
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
    optimizer = adamw(module, config)
    module(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    # The bias-corrected quotient of the moments is 1 at the first step; the weight decays as well.
    assert module.weight.item() == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1)
    assert module.bias.item() == pytest.approx(2 - 0.1)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.25),
        (1, 0.5),
        (3, 1.0),
        (4, 1.0),
        (6, 0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2),
        (8, 0.55),
        (12, 0.1),
        (13, 0.1),
    ],
)
def test_the_learning_rate_rises_linearly_and_falls_as_half_a_cosine(
    step: int, expected: float
) -> None:
    assert cosine_with_warmup(12, 4, 0.1)(step) == pytest.approx(expected)


@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (5, 5), (10, 0)])
def test_the_factor_stays_between_the_final_share_and_one(total: int, warmup: int) -> None:
    factor = cosine_with_warmup(total, warmup, 0.2)
    assert all(0.2 <= factor(step) <= 1 for step in range(total + 3))
    assert factor(total + 1) == pytest.approx(0.2)
