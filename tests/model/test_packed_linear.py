"""Specifies products of 8 bits: rounded as written out here, and near those of 32 bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from textmill.model.packed_linear import Int8Linear, supports_int8

pytestmark = pytest.mark.skipif(not supports_int8(), reason="no kernels for 8 bits")


def layer(bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(24, 40, bias=bias)


def rounded(x: Tensor, n_steps: int) -> Tensor:
    """The inputs as the kernel rounds them, in steps of a range that contains zero."""
    low, high = x.min().clamp_max(0), x.max().clamp_min(0)
    step = (high - low) / n_steps
    zero = (-low / step).round()
    return ((x / step + zero).round().clamp(0, n_steps) - zero) * step


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (5, 24), (2, 3, 24)], ids=str)
def test_weights_are_rounded_by_row_and_inputs_together(bias: bool, shape: tuple[int, ...]) -> None:
    linear = layer(bias)
    x = torch.randn(shape)
    quantized = Int8Linear(linear)
    weight = linear.weight.detach()
    scales = weight.abs().amax(1, keepdim=True) / 127
    n_steps = 127 if quantized._reduces_range else 255
    with torch.inference_mode():
        expected = nn.functional.linear(
            rounded(x, n_steps), (weight / scales).round() * scales, linear.bias
        )
        torch.testing.assert_close(quantized(x), expected, atol=2e-2, rtol=0)
        assert (quantized(x) - linear(x)).norm() < 0.02 * linear(x).norm()


def test_rows_of_zeros_stay_zeros() -> None:
    linear = layer(bias=False)
    with torch.no_grad():
        linear.weight[3] = 0
        found = Int8Linear(linear)(torch.randn(2, 24))
    assert found[:, 3].tolist() == [0, 0]
    assert found.isfinite().all()
