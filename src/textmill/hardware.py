"""What this machine computes with, found out without loading torch."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import Literal

import psutil


@cache
def gpu_names() -> tuple[str, ...]:
    """Return the names of the CUDA GPUs that the driver shows, in its order."""
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
        return tuple(pynvml.nvmlDeviceGetName(handle) for handle in handles)
    finally:
        pynvml.nvmlShutdown()


def best_accelerator() -> Literal["cpu", "cuda"]:
    """Return cuda where there is a CUDA GPU, else cpu."""
    return "cuda" if gpu_names() else "cpu"


def best_precision(accelerator: str) -> Literal["32", "bf16"]:
    """Return bf16 where the processor multiplies such numbers natively, else 32."""
    if accelerator == "cuda":
        return "bf16"  # native since Ampere (2020)
    return "bf16" if {"avx512_bf16", "amx_bf16"} & _cpu_flags() else "32"


def n_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
