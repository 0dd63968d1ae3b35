"""Linear layers for inference on a CPU, whose weights are laid out as fast kernels read them.

Their weights are no parameters: they cannot be trained, saved or moved.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

_onednn, _quantized = torch.ops.mkldnn, torch.ops.quantized


def supports_bf16() -> bool:
    """Return whether torch has oneDNN, and oneDNN kernels for bf16 on this processor."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and bool(_onednn._is_mkldnn_bf16_supported())


class OneDNNLinear(nn.Module):
    """A linear layer whose weight is stored in blocks, as the kernels of oneDNN read it.

    The operators are those with which torch.compile freezes a model. With few rows they take about
    half as long as those for plain weights.

    Args:
        linear: the layer, in bf16 on a CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.bias = linear.bias
        self.blocks: Tensor = _onednn._reorder_linear_weight(linear.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the layer, (..., out_features)."""
        y: Tensor = _onednn._linear_pointwise.default(x, self.blocks, self.bias, "none", [], "")
        return y


def supports_int8() -> bool:
    """Return whether torch has kernels for products of 8-bit integers on this processor.

    It may have none in the future, as its type for quantized tensors is deprecated.
    """
    names = ("linear_prepack", "linear_dynamic")
    return torch.backends.quantized.engine != "none" and all(
        hasattr(_quantized, name) for name in names
    )


class Int8Linear(nn.Module):
    """A linear layer whose weight has one scale per output channel.

    Inputs are quantized at each call, each row with a scale and a zero point of its own, so a row
    does not depend on the others (dynamic quantization; Krishnamoorthi 2018, "Quantizing deep
    convolutional networks for efficient inference", sections 2 and 3). Among others, its output is
    bitwise the same whatever these are; by itself, it is quantized by the kernel, which is faster,
    and may differ in rounding.

    Args:
        linear: the layer, in 32 bits on a CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scales = weight.abs().amax(1).clamp_min(torch.finfo(weight.dtype).tiny) / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():
            # The operators with plain tensors (oneDNN's) take about half as long again.
            warnings.filterwarnings("ignore", "torch.quantize_per", UserWarning)
            quantized = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self._packed = _quantized.linear_prepack(quantized, linear.bias)
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._sums = quantized.int_repr().sum(1) * scales
        # Without instructions for these products, sums of the full range overflow 16 bits.
        self._reduces_range = not torch.cpu._is_vnni_supported()
        self._largest = 127.0 if self._reduces_range else 255.0

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the layer, (..., out_features).

        Among others, a row with NaN or infinite inputs has no finite output; by itself, the kernel
        may give it one.
        """
        y: Tensor
        if x.size(-1) == x.numel():
            y = _quantized.linear_dynamic(x, self._packed, self._reduces_range)
            return y
        rows = x.flatten(0, -2)  # (R, in_features)
        # `aminmax` and `addcmul` would take four times as long.
        low, high = (find(rows, -1, keepdim=True) for find in (torch.amin, torch.amax))  # (R, 1)
        step = (high.clamp_min_(0) - low.clamp_max_(0)).div_(self._largest)
        step.clamp_min_(torch.finfo(x.dtype).tiny)
        zero = low.div_(step).round_()
        # The kernel has one scale and zero point for all rows. They are 1 and 0, as the rows have
        # the range of the integers already, and one more row makes sure of its end.
        scaled = x.new_full((len(rows) + 1, rows.size(1)), self._largest)
        torch.div(rows, step, out=scaled[:-1]).sub_(zero).clamp_(0, self._largest)
        # NaN would change the scale of all rows; the step of its row is NaN, and so is its output.
        y = _quantized.linear_dynamic(scaled.nan_to_num_(0), self._packed, self._reduces_range)
        y = y[:-1].add_(zero * self._sums)
        y = y.mul_(step) if self._bias is None else y.sub_(self._bias).mul_(step).add_(self._bias)
        return y.view(*x.shape[:-1], y.size(-1))
