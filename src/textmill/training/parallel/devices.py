"""Checks of devices, precision and compiler, and the choice of the CPU's matrix library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from textmill.config import OptimizationConfig
from textmill.errors import InputError
from textmill.model import choose_device

FP32_ERROR = 1e-5
"""Maximum relative error of an fp32 matrix product; bf16 has about 3e-3."""


def check_device(section: str, config: OptimizationConfig, devices: int = 1) -> None:
    """Raise InputError unless the machine has the devices, and they support the precision.

    Args:
        section: section of the configuration, for messages.
        config: accelerator and precision.
        devices: required number of GPUs; not checked on a CPU.

    Raises:
        InputError: devices are missing, or do not support the precision.
    """
    if config.accelerator != "cuda":
        return
    choose_device(config.accelerator, section)
    found = torch.cuda.device_count()
    if devices > found:
        raise InputError(
            f"{section}.devices={devices}: torch finds only {found} CUDA GPUs; set it to {found} "
            "or less."
        )
    if config.precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(
            f"{section}.precision=bf16: {torch.cuda.get_device_name()} does not support bf16; set "
            "it to 32."
        )


def check_compiler(section: str, accelerator: str) -> None:
    """Raise InputError unless torch.compile works, which needs a C++ compiler."""
    try:
        torch.compile(_double)(torch.ones(2, device=accelerator))
    except Exception as error:  # torch.compile raises many types
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        needed = (
            "a C++ compiler, such as g++" if accelerator == "cpu" else "Triton and a C compiler"
        )
        raise InputError(
            f"{section}.compile=true: torch.compile does not work ({why}); install {needed}, "
            "or set it to false."
        ) from None


def _double(x: Tensor) -> Tensor:
    return 2 * x


@contextmanager
def onednn_matmul(accelerator: str) -> Iterator[None]:
    """Use oneDNN for fp32 matrix products on a CPU, unless that reduces precision.

    The default is MKL, which has less than half the speed on AMD processors with AVX512. torch
    enables oneDNN by float32_matmul_precision="medium", which also permits bf16. oneDNN uses bf16
    only on processors with AMX; there this setting is not changed.
    """
    before = torch.get_float32_matmul_precision()
    if accelerator == "cpu" and _onednn_error() < FP32_ERROR:
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _onednn_error() -> float:
    """Return the error of an fp32 matrix product by oneDNN, relative to its largest element."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    a, b = torch.randn(2, 256, 256, generator=torch.Generator().manual_seed(0))
    product, exact = a @ b, a.double() @ b.double()
    torch.set_float32_matmul_precision(before)
    return float((product - exact).abs().max() / exact.abs().max())
