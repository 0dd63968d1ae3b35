"""Peak throughput and peak memory of a device."""

from __future__ import annotations

import resource
import sys
import time
from functools import cache

import torch

GPU_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
"""Dense bf16 FLOP/s from NVIDIA's data sheets, by a part of the GPU's name."""
TRIALS = 3


@cache
def peak_flops(device_type: str, is_bf16: bool) -> float:
    """Return the peak FLOP/s of a device.

    For a GPU in `GPU_PEAKS`, the stated number; otherwise the measured rate of a large matrix
    product, on the threads that torch may use.

    Args:
        device_type: cpu or cuda.
        is_bf16: bf16 products; otherwise fp32.
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
    """Return the peak memory of this process, in bytes; for a CUDA device, that of the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
