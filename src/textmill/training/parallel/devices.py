"""Whether this machine can do what a training asks for, and how it multiplies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from textmill.config import OptimizationConfig
from textmill.errors import InputError

FP32_ERROR = 1e-5
"""Relative, of a product of fp32 numbers; bf16 would give some 3e-3."""


def check_device(section: str, config: OptimizationConfig, devices: int = 1) -> None:
    """Raise InputError unless there are such devices, with such a precision.

    Args:
        section: of the configuration, for messages.
        config: accelerator and precision.
        devices: how many there have to be; of a CPU's cores, any number will do.

    Raises:
        InputError: there are not.
    """
    if config.accelerator != "cuda":
        return
    if not torch.cuda.is_available():
        raise InputError(
            f"{section}.accelerator=cuda: torch finds no CUDA GPU here; set it to cpu."
        )
    found = torch.cuda.device_count()
    if devices > found:
        raise InputError(
            f"{section}.devices={devices}: torch finds {found} CUDA GPUs here; set it to that "
            "or less."
        )
    if config.precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(
            f"{section}.precision=bf16: {torch.cuda.get_device_name()} does not compute with such "
            "numbers; set it to 32."
        )


def check_compiler(section: str, accelerator: str) -> None:
    """Raise InputError unless torch.compile works here: it needs a C++ compiler.

    Raises:
        InputError: it does not; its own message says why.
    """
    try:
        torch.compile(_double)(torch.ones(2, device=accelerator))
    except Exception as error:  # it has many, all of which mean the same here
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        needed = (
            "a C++ compiler, such as g++" if accelerator == "cpu" else "Triton and a C compiler"
        )
        raise InputError(
            f"{section}.compile=true: torch.compile does not work here ({why}); install {needed}, "
            "or set it to false."
        ) from None


def _double(x: Tensor) -> Tensor:
    return 2 * x


@contextmanager
def onednn_products(accelerator: str) -> Iterator[None]:
    """Let oneDNN multiply matrices of fp32 on a CPU, where torch lets it and nothing is lost by it.

    MKL does by default, at less than half of its speed on AMD's processors with AVX512. torch names
    this a permission to multiply in bf16; oneDNN makes use of that where there is AMX alone, and
    there it is not given.
    """
    before = torch.get_float32_matmul_precision()
    if accelerator == "cpu" and _permitted_error() < FP32_ERROR:
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _permitted_error() -> float:
    """Return the error of an fp32 product by oneDNN, relative to its largest element."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    a, b = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0))
    product, exact = a @ b, a.double() @ b.double()
    torch.set_float32_matmul_precision(before)
    return float((product - exact).abs().max() / exact.abs().max())
