"""Hardware detection without importing torch, and settings of threads and memory."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import psutil

BF16_CAPABILITY = (8, 0)  # Ampere (2020), the first with bf16
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
THREADS_VARIABLE = "TEXTMILL_THREADS"
"""Environment variable with the number of threads that a step's process may use."""
CLUSTER_VARIABLE = "TEXTMILL_CLUSTER"
"""Environment variable with the address of the Ray cluster of a step's process, if any."""
CACHED_KERNELS = 32
SPIN_COUNT = 3000
"""Spin count of a waiting OpenMP thread before it sleeps, a few microseconds. With libgomp's
default of 300,000, waiting threads take cores from the threads that they wait for on a busy
machine."""


@dataclass(frozen=True)
class Gpu:
    """A CUDA GPU as its driver describes it."""

    name: str
    uuid: str
    capability: tuple[int, int]
    """CUDA compute capability, such as (9, 0)."""


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the CUDA GPUs that this process may use, in the driver's order."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        found = tuple(
            Gpu(
                pynvml.nvmlDeviceGetName(handle),
                pynvml.nvmlDeviceGetUUID(handle),
                tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
            )
            for handle in handles
        )
    finally:
        pynvml.nvmlShutdown()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    names = [name.strip() for name in visible.split(",")]
    return tuple(
        gpu
        for number, gpu in enumerate(found)
        if str(number) in names or any(name and gpu.uuid.startswith(name) for name in names)
    )


def gpu_names() -> tuple[str, ...]:
    """Return the names of the CUDA GPUs."""
    return tuple(gpu.name for gpu in gpus())


def best_accelerator() -> Literal["cpu", "cuda"]:
    """Return cuda if there is a CUDA GPU and torch supports it, else cpu."""
    is_cpu_build = importlib.metadata.version("torch").endswith("+cpu")
    return "cuda" if gpus() and not is_cpu_build else "cpu"


def best_precision(accelerator: str) -> Literal["32", "bf16"]:
    """Return bf16 if the device supports it natively, else 32."""
    if accelerator == "cuda":
        return "bf16" if all(gpu.capability >= BF16_CAPABILITY for gpu in gpus()) else "32"
    return "bf16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "32"


def n_cores() -> int:
    """Return the number of cores that this process may use, by affinity and container limits."""
    from joblib import cpu_count

    return int(cpu_count())


def n_threads() -> int:
    """Return the number of threads that this process's step may use; 1 if not set."""
    return int(os.environ.get(THREADS_VARIABLE, "1"))


def cluster_address() -> str | None:
    """Return the address of the Ray cluster of this process's step, if any."""
    return os.environ.get(CLUSTER_VARIABLE)


def describe() -> dict[str, str]:
    """Return a description of the machine: processor, cores, memory, GPUs, system, Python."""
    return {
        "processor": _cpu_name(),
        "cores": str(n_cores()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "gpus": ", ".join(gpu_names()) or "none",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def machine_class(accelerator: str, devices: int = 1) -> str:
    """Return a description of what determines the speed of trainings here."""
    if accelerator == "cuda":
        return ", ".join(gpu_names()[:devices]) or "GPU"
    return f"{_cpu_name() or 'unknown processor'}, {n_cores()} cores"


def limit_spinning() -> None:
    """Limit the spinning of torch's idle threads; must be called before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))


def set_up_torch(threads: int) -> None:
    """Set torch's threads and kernel caches; must be called before torch computes anything.

    oneDNN and PyTorch cache a kernel per shape of a matrix product, with its memory. With the
    default of 1024, a process that fine-tunes on batches of all lengths grows by more than a
    gigabyte.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(CACHED_KERNELS))
    import torch

    keep_freed_memory()
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it, which sped up training by 25 %."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@cache
def _cpu_info() -> str:
    info = Path("/proc/cpuinfo")
    return info.read_text() if info.exists() else ""


def _cpu_flags() -> set[str]:
    for line in _cpu_info().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def _cpu_name() -> str:
    for line in _cpu_info().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
