"""Specifies the parts of attention: its kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from textmill.model.attention import MAX_UNFUSED_BYTES, attend
from textmill.training.parallel.devices import onednn_matmul


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.01), (torch.float32, 1e-6)])
@pytest.mark.parametrize("n_keys", [40, MAX_UNFUSED_BYTES // 2 + 1])
@pytest.mark.parametrize("n_kv_head", [4, 2, 1])
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "added"])
def test_attention_is_that_in_fp64_but_for_rounding(
    mask: str, n_kv_head: int, n_keys: int, dtype: torch.dtype, most: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(2, n_heads, n_keys, 16, generator=generator).bfloat16()
        for n_heads in (4, n_kv_head, n_kv_head)
    )
    same = torch.tensor([0] * 17 + [1] * (n_keys - 17))
    may_look = (same[:, None] == same).expand(2, 1, n_keys, n_keys)
    masks = {"bool": may_look, "added": torch.where(may_look, 0.0, -torch.inf).bfloat16()}

    def run(dtype: torch.dtype) -> list[Tensor]:
        inputs = [heads.to(dtype, copy=True).requires_grad_() for heads in (q, k, v)]
        given = masks.get(mask)
        if given is not None and given.is_floating_point():
            given = given.to(dtype)
        y = attend(*inputs, given, mask == "causal")
        assert y.dtype == dtype
        total = (y * torch.linspace(-1, 1, 16, dtype=dtype)).sum()
        return [y, *torch.autograd.grad(total, inputs)]

    with onednn_matmul("cpu"):
        rounded, exact = run(dtype), run(torch.float64)
    for ours, true in zip(rounded, exact, strict=True):
        assert (ours.double() - true).norm() / true.norm() < most
