"""Specifies low-rank adaptation: the update of the paper, where it applies, and its merging."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.model.conftest import ARRANGEMENTS, build, tokens
from textmill.config import LoRAConfig
from textmill.errors import InputError
from textmill.model.gpt import GPT
from textmill.model.lora import LoRALinear, attach, merge


def adapted(**choices: Any) -> GPT:
    """A model with updates that are not 0."""
    model = build(**choices)
    attach(model, LoRAConfig(r=3, alpha=6.0))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_(std=0.3)
    return model


def test_the_update_is_the_product_of_two_matrices_scaled_by_alpha_over_the_rank() -> None:
    """Hu et al. 2021, equation 3, by hand: W + BA · alpha / r."""
    linear = nn.Linear(2, 2)
    layer = LoRALinear(linear, LoRAConfig(r=1, alpha=3.0))
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        linear.bias.copy_(torch.tensor([0.5, 0.0]))
        layer.lora_A.copy_(torch.tensor([[1.0, 2.0]]))
        layer.lora_B.copy_(torch.tensor([[1.0], [-1.0]]))
    x = torch.tensor([[1.0, 10.0]])  # A x = 21
    assert layer(x).tolist() == [[1.0 + 0.5 + 63.0, 10.0 - 63.0]]
    assert layer.merged().weight.tolist() == [[4.0, 6.0], [-3.0, -5.0]]


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_at_first_the_model_is_unchanged(choices: dict[str, Any]) -> None:
    model = build(**choices)
    expected = model(tokens(2, 7))
    attach(model, LoRAConfig())
    assert torch.equal(model(tokens(2, 7)), expected)


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_a_merged_model_is_a_plain_one_with_the_same_logits(choices: dict[str, Any]) -> None:
    model, plain = adapted(**choices), build(**choices)
    expected = model(tokens(2, 7))
    assert not torch.allclose(expected, plain(tokens(2, 7)))
    merge(model)
    torch.testing.assert_close(model(tokens(2, 7)), expected)
    assert [*model.state_dict()] == [*plain.state_dict()]
    assert not any(isinstance(module, LoRALinear) for module in model.modules())


def test_the_names_of_the_weights_stay_and_those_of_the_update_are_added() -> None:
    names = [*build().state_dict()]
    assert [name for name in adapted().state_dict() if "lora" not in name] == names
    added = {name.partition(".lora_")[0] for name in adapted().state_dict() if "lora" in name}
    sublayers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert added == {f"h.{layer}.{name}" for layer in (0, 1) for name in sublayers}


@pytest.mark.parametrize(
    ("target", "expected"),
    [("attention", {"c_attn", "attn.c_proj"}), ("mlp", {"c_fc", "mlp.c_proj"})],
)
def test_only_the_matrices_of_the_targets_are_updated(target: Any, expected: set[str]) -> None:
    model = build()
    attach(model, LoRAConfig(targets=(target,)))
    found = [name for name, module in model.named_modules() if isinstance(module, LoRALinear)]
    assert len(found) == 4
    assert all(any(name.endswith(end) for end in expected) for name in found)


def test_dropout_changes_the_update_alone_and_only_in_training() -> None:
    layer = LoRALinear(nn.Linear(8, 8), LoRAConfig(dropout=0.5))
    x = torch.ones(1, 8)
    assert torch.equal(layer(x), layer(x))  # the update is still 0
    nn.init.ones_(layer.lora_B)
    torch.manual_seed(0)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))


def test_a_rank_above_the_width_is_refused() -> None:
    with pytest.raises(InputError, match=r"finetune\.lora\.r=17 is larger than the width.*\(16\)"):
        attach(build(), LoRAConfig(r=17))
