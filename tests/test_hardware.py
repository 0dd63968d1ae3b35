"""Specifies what is found out about the machine."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from textmill import hardware

CPU_INFO = """processor\t: 0
model name\t: Example CPU @ 3.00GHz
flags\t\t: fpu sse2 avx512f {flag}
processor\t: 1
flags\t\t: fpu
"""


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    hardware.gpus.cache_clear()
    yield
    hardware.gpus.cache_clear()


def gpu(name: str = "NVIDIA L4", capability: tuple[int, int] = (8, 9)) -> hardware.Gpu:
    return hardware.Gpu(name, "GPU-1", capability)


@pytest.mark.parametrize(
    ("found", "torch", "best"),
    [((), "2.13.0", "cpu"), ((gpu(),), "2.13.0", "cuda"), ((gpu(),), "2.13.0+cpu", "cpu")],
)
def test_a_gpu_is_preferred_where_there_is_one_that_torch_can_use(
    monkeypatch: pytest.MonkeyPatch, found: tuple[hardware.Gpu, ...], torch: str, best: str
) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: found)
    monkeypatch.setattr(importlib.metadata, "version", {"torch": torch}.get)
    assert hardware.best_accelerator() == best


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [([(9, 0)], "bf16"), ([(8, 0), (8, 6)], "bf16"), ([(7, 0)], "32"), ([(8, 0), (7, 5)], "32")],
)
def test_half_precision_is_chosen_on_gpus_since_ampere(
    monkeypatch: pytest.MonkeyPatch, capabilities: list[tuple[int, int]], precision: str
) -> None:
    found = tuple(gpu(capability=capability) for capability in capabilities)
    monkeypatch.setattr(hardware, "gpus", lambda: found)
    assert hardware.best_precision("cuda") == precision


@pytest.mark.parametrize(
    ("accelerator", "flag", "precision"),
    [
        ("cpu", "avx512_bf16", "bf16"),
        ("cpu", "amx_bf16", "bf16"),
        ("cpu", "avx512_bf16_like", "32"),
        ("cpu", "", "32"),
    ],
)
def test_half_precision_is_chosen_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, flag: str, precision: str
) -> None:
    monkeypatch.setattr(hardware, "_cpu_info", lambda: CPU_INFO.format(flag=flag))
    assert hardware.best_precision(accelerator) == precision


def test_a_processor_that_says_nothing_of_itself_computes_in_32_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardware, "_cpu_info", lambda: "")
    assert hardware.best_precision("cpu") == "32"
    assert hardware.describe()["processor"]


class NVMLError(Exception):
    pass


def driver(names: list[str], works: bool) -> SimpleNamespace:
    def start() -> None:
        if not works:
            raise NVMLError("Driver Not Loaded")

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=start,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(names),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda index: names[index],
        nvmlDeviceGetUUID=lambda index: f"GPU-{names[index][-1]}",
        nvmlDeviceGetCudaComputeCapability=lambda index: [8, index],
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (driver(["NVIDIA A", "NVIDIA B"], works=True), ("NVIDIA A", "NVIDIA B")),
        (driver([], works=True), ()),
        (driver(["NVIDIA A"], works=False), ()),
        (None, ()),
    ],
    ids=["two", "none", "no driver", "no package"],
)
def test_gpus_are_those_that_the_driver_shows(
    monkeypatch: pytest.MonkeyPatch, module: object, expected: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert hardware.gpu_names() == expected


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("", ()),
        ("-1", ()),
        ("1", ("NVIDIA B",)),
        ("1,0", ("NVIDIA A", "NVIDIA B")),
        ("GPU-A", ("NVIDIA A",)),
    ],
)
def test_hidden_gpus_are_left_out(
    monkeypatch: pytest.MonkeyPatch, visible: str, expected: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setitem(sys.modules, "pynvml", driver(["NVIDIA A", "NVIDIA B"], works=True))
    assert hardware.gpu_names() == expected


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < hardware.n_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert hardware.n_cores() == 1


def test_the_machine_is_described_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_cpu_info", lambda: CPU_INFO.format(flag=""))
    monkeypatch.setattr(hardware, "gpus", lambda: (gpu("NVIDIA A"), gpu("NVIDIA B")))
    described = hardware.describe()
    assert described["processor"] == "Example CPU @ 3.00GHz"
    assert described["gpus"] == "NVIDIA A, NVIDIA B"
    assert described["cores"] == str(hardware.n_cores())
    assert float(described["memory_gib"]) > 0
