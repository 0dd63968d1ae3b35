"""How fast a device computes, and how much memory that has taken."""

from __future__ import annotations

import resource
import sys
import time
from functools import cache

import torch

GPU_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
"""Dense bf16 operations per second, as NVIDIA's data sheets state them, by a part of the name."""
TRIALS = 3


@cache
def peak_flops(device_type: str, is_bf16: bool) -> float:
    """Return the operations per second that a device reaches at most.

    Of a GPU in the list above it is the stated number; else it is what a large matrix product
    reaches here and now, on the threads that torch may use.

    Args:
        device_type: cpu or cuda.
        is_bf16: whether products are computed in bf16, and else in 32 bits.
    """
    if device_type == "cuda" and is_bf16:
        name = torch.cuda.get_device_name()
        for part, peak in GPU_PEAKS.items():
            if part in name:
                return peak
    size = 8192 if device_type == "cuda" else 1024
    matrix = torch.ones(size, size, device=device_type, dtype=torch.bfloat16 if is_bf16 else None)
    return 2 * size**3 / min(_product_s(matrix) for _ in range(TRIALS))


def _product_s(matrix: torch.Tensor) -> float:
    started_s = time.perf_counter()
    product = matrix @ matrix
    product[0, 0].item()  # waits for a GPU
    return time.perf_counter() - started_s


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory that this process has held, the GPU's where it computes there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
