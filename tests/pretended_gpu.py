"""A GPU for tests on machines without one: its tensors are computed with on the CPU.

As on a real one, a function of tensors on both devices is an error, except that numbers (tensors
without dimensions) may be anywhere. An index on the CPU is an error too, for which a real GPU would
have to wait. A tensor that is created without a device is on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)
ABOUT_DEVICES = {
    *(getattr(Tensor, name).__get__ for name in ("device", "is_cuda", "is_cpu")),
    torch._C._nn._parse_to,
    torch._has_compatible_shallow_copy_type,
}
"""Functions that return no tensor, and know the GPU."""


class OnGpu(Tensor):
    """A tensor on the pretended GPU."""

    computed: Tensor
    """The same tensor on the CPU."""

    @staticmethod
    def __new__(cls, computed: Tensor) -> OnGpu:
        made: OnGpu = Tensor._make_wrapper_subclass(  # type: ignore[no-untyped-call]
            cls, computed.size(), strides=computed.stride(), dtype=computed.dtype, device=GPU
        )
        made.computed = computed
        return made

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return call(function, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, operation: Any, *_: Any) -> Any:
        raise AssertionError(f"{operation} is not called by torch's Python functions")


class _Devices(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return call(function, args, kwargs or {})


class _Generator(torch.Generator):
    is_on_gpu: bool

    def __new__(cls, device: torch.device | str = "cpu") -> _Generator:
        made = super().__new__(cls)
        made.is_on_gpu = str(device).startswith(GPU.type)
        return made


def call(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Return the result of a function, on the given device or else that of its tensors.

    Raises:
        AssertionError: the tensors are on two devices.
    """
    with torch._C.DisableTorchFunction():
        leaves = tree_leaves((args, kwargs))
        on_gpu = [leaf for leaf in leaves if isinstance(leaf, OnGpu)]
        on_cpu = [leaf for leaf in leaves if isinstance(leaf, Tensor) and type(leaf) is not OnGpu]
        if function in ABOUT_DEVICES:
            return function(*args, **kwargs)
        assert not on_gpu or not any(one.dim() for one in on_cpu), f"{function} on two devices"
        assert not on_gpu or function is not Tensor.numpy, "numpy cannot read a GPU's memory"
        for generator in (leaf for leaf in leaves if isinstance(leaf, _Generator)):
            assert generator.is_on_gpu or not on_gpu, "a generator of the CPU"
        is_on_gpu = bool(on_gpu) and function is not Tensor.cpu
        for device in (leaf for leaf in leaves if isinstance(leaf, torch.device)):
            is_on_gpu = device.type == GPU.type

        def computed(leaf: Any) -> Any:
            return leaf.computed if isinstance(leaf, OnGpu) else torch.device("cpu")

        args, kwargs = tree_map_only((OnGpu, torch.device), computed, (args, kwargs))
        result = function(*args, **kwargs)
        changed = {id(one.computed): one for one in on_gpu}  # in place

        def moved(leaf: Tensor) -> Tensor:
            return changed[id(leaf)] if id(leaf) in changed else OnGpu(leaf)

        return tree_map_only(Tensor, moved, result) if is_on_gpu else result


@contextmanager
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let torch find a GPU."""
    with monkeypatch.context() as patched, _Devices():
        patched.setattr(torch.cuda, "is_available", lambda: True)
        patched.setattr(torch.cuda, "current_device", lambda: GPU.index)
        patched.setattr(torch, "Generator", _Generator)
        # Not by `param.data = …`, which would keep the class of the parameter.
        patched.setattr(torch.__future__, "get_overwrite_module_params_on_conversion", lambda: True)
        yield
