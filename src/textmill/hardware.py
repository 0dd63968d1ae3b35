"""What this machine computes with, found out without loading torch, and how it keeps memory."""

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

BF16_CAPABILITY = (8, 0)  # of Ampere (2020), the first to compute with such numbers
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
THREADS_VARIABLE = "TEXTMILL_THREADS"
"""The environment variable that tells a step's process how many threads it may use."""
CLUSTER_VARIABLE = "TEXTMILL_CLUSTER"
"""The environment variable that tells a step's process the address of the Ray cluster, if any."""
KERNELS_KEPT = 32
SPINS = 3000
"""Looks, some microseconds long in all, of a thread that waits for the others before it sleeps. As
many as libgomp takes, 300,000, take the core from the very thread that is waited for as soon as
others want it too."""


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
    """Return the names of those GPUs."""
    return tuple(gpu.name for gpu in gpus())


def best_accelerator() -> Literal["cpu", "cuda"]:
    """Return cuda where there is a CUDA GPU and a torch that can use it, else cpu."""
    is_cpu_build = importlib.metadata.version("torch").endswith("+cpu")
    return "cuda" if gpus() and not is_cpu_build else "cpu"


def best_precision(accelerator: str) -> Literal["32", "bf16"]:
    """Return bf16 where the processor multiplies such numbers natively, else 32."""
    if accelerator == "cuda":
        return "bf16" if all(gpu.capability >= BF16_CAPABILITY for gpu in gpus()) else "32"
    return "bf16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "32"


def n_cores() -> int:
    """Return how many processor cores this process may use: those of its affinity and container."""
    from joblib import cpu_count

    return int(cpu_count())


def n_threads() -> int:
    """Return how many processor threads the step of this process may use, 1 unless it is told."""
    return int(os.environ.get(THREADS_VARIABLE, "1"))


def cluster_address() -> str | None:
    """Return the address of the Ray cluster that the step of this process may use, if any."""
    return os.environ.get(CLUSTER_VARIABLE)


def describe() -> dict[str, str]:
    """Return the machine in words: processor, cores, memory, GPUs, system, Python."""
    return {
        "processor": _cpu_name(),
        "cores": str(n_cores()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "gpus": ", ".join(gpu_names()) or "none",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def limit_spinning() -> None:
    """Let threads of torch that wait spin for a short time; has to come before it is loaded."""
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))


def set_up_torch(threads: int) -> None:
    """Let torch compute on so many threads, as trainings do; has to come before it computes.

    oneDNN, and PyTorch before it, keep a kernel for each shape of a product, with its memory. The
    usual 1024 let a process that fine-tunes on batches of all widths grow by more than a gigabyte.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS_KEPT))
    import torch

    keep_freed_memory()
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of returning it: a training step was 25 % faster."""
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
