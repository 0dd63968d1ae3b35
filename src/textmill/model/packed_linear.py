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

    Inputs are quantized at each call, with one scale for all rows, so a row depends slightly on the
    others (dynamic quantization; Krishnamoorthi 2018, "Quantizing deep convolutional networks for
    efficient inference", sections 2 and 3).

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
        # Without instructions for these products, sums of the full range overflow 16 bits.
        self._reduces_range = not torch.cpu._is_vnni_supported()

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the layer, (..., out_features)."""
        y: Tensor = _quantized.linear_dynamic(x, self._packed, self._reduces_range)
        return y
