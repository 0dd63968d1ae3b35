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
    """Each row as it is rounded, in steps of a range that contains zero."""
    low, high = x.amin(-1, keepdim=True).clamp_max(0), x.amax(-1, keepdim=True).clamp_min(0)
    step = (high - low) / n_steps
    zero = (-low / step).round()
    return ((x / step + zero).round().clamp(0, n_steps) - zero) * step


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (5, 24), (2, 3, 24)], ids=str)
def test_weights_and_inputs_are_rounded_by_row(bias: bool, shape: tuple[int, ...]) -> None:
    linear = layer(bias)
    x = torch.randn(shape) * torch.tensor([0.01, 1.0, 100.0])[torch.randint(3, (*shape[:-1], 1))]
    quantized = Int8Linear(linear)
    weight = linear.weight.detach()
    scales = weight.abs().amax(1, keepdim=True) / 127
    n_steps = 127 if quantized._reduces_range else 255
    with torch.inference_mode():
        expected = nn.functional.linear(
            rounded(x, n_steps), (weight / scales).round() * scales, linear.bias
        )
        found = quantized(x)
        assert found.shape == expected.shape
        size = x.abs().amax(-1, keepdim=True)
        torch.testing.assert_close(found / size, expected / size, atol=5e-3, rtol=0)
        product = linear(x) - (linear.bias if bias else 0)
        assert ((found - linear(x)).norm(dim=-1) < 0.02 * product.norm(dim=-1)).all()


@pytest.mark.parametrize("bias", [True, False])
def test_a_row_does_not_depend_on_the_rows_beside_it(bias: bool) -> None:
    quantized = Int8Linear(layer(bias))
    rows = torch.randn(9, 24)
    rows[2] = rows[2].abs() + 1  # all on one side of zero
    rows[3] = -rows[2]
    beside = torch.randn(4, 24) * 1e3
    with torch.inference_mode():
        found = quantized(rows)
        assert torch.equal(quantized(torch.cat((rows, beside)))[:9], found)
        assert torch.equal(quantized(rows[1:4]), found[1:4])
        alone = torch.cat([quantized(row[None]) for row in rows])
    torch.testing.assert_close(alone, found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_row_that_is_not_finite_stays_so_and_changes_no_other(value: float) -> None:
    quantized = Int8Linear(layer())
    rows = torch.randn(3, 24)
    with torch.inference_mode():
        expected = quantized(rows)
        rows[1, 5] = value
        found = quantized(rows)
    assert not found[1].isfinite().any()
    assert torch.equal(found[[0, 2]], expected[[0, 2]])


def test_rows_of_zeros_stay_zeros() -> None:
    linear = layer(bias=False)
    with torch.no_grad():
        linear.weight[3] = 0
        found = Int8Linear(linear)(torch.randn(2, 24))
        zeros = Int8Linear(linear)(torch.zeros(2, 24))
    assert found[:, 3].tolist() == [0, 0]
    assert found.isfinite().all()
    assert not zeros.any()
