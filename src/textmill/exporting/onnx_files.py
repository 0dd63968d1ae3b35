"""Modules of torch as ONNX graphs, and the comparison of both."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from textmill.errors import RunError

TOLERANCE = 1e-3
"""Maximum difference of a graph's output from torch's, relative to the largest output above 1."""
LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "root")

Inputs = Mapping[str, Any]
"""Tensors by name; or lists of them, whose names in the graph are given apart."""


def write_graph(
    module: nn.Module,
    inputs: Inputs,
    axes: Mapping[str, Any],
    limits: Mapping[str, int],
    names: tuple[Sequence[str], Sequence[str]],
    file: Path,
) -> None:
    """Write a module as a graph with axes of variable length.

    Args:
        module: in eval mode.
        inputs: examples of its arguments, by name, in their order.
        axes: the names of the variable axes of each, by number.
        limits: the maximum lengths of such axes, by name.
        names: of the graph's inputs and outputs.
        file: to write.
    """
    lengths = {name: torch.export.Dim(name, max=limits.get(name)) for name in _names(axes)}
    with quiet(), torch.inference_mode():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamic_shapes=_with_lengths(tuple(axes.values()), lengths),
            input_names=names[0],
            output_names=names[1],
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # stack traces, with the paths of this machine
        program.save(file)


def max_difference(expected: Sequence[Tensor], found: Sequence[Any]) -> float:
    """Return the maximum difference of outputs, relative to the largest expected one above 1."""
    worst = 0.0
    for wanted, own in zip(expected, found, strict=True):
        right = wanted.detach().numpy()
        if right.shape != own.shape:
            return float("inf")
        if right.size:
            scale = max(1.0, float(np.abs(right).max()))
            difference = float(np.abs(right - own).max()) / scale
            worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst


def check_difference(difference: float, what: str) -> float:
    """Return the difference.

    Raises:
        RunError: it exceeds the tolerance.
    """
    if not difference <= TOLERANCE:
        raise RunError(
            f"{what} differs from torch by up to {difference:.3g} on random inputs (tolerance "
            f"{TOLERANCE}): nothing was written. Update the packages of textmill[export], or use "
            "the model with textmill."
        )
    return difference


def quantize(file: Path) -> None:
    """Store the weights of a graph's matrix products with 8 bits, in place.

    Activations are quantized while it runs, with scales of their own range.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(file)
    _fold_transposes(model.graph)
    with TemporaryDirectory(dir=file.parent) as folder, quiet():
        whole = Path(folder, file.name)
        # In one file, a graph has at most 2 GiB.
        onnx.save(model, whole, save_as_external_data=True, location=f"{file.name}.data")
        for part in file.parent.glob(f"{file.name}*"):  # a large one has its data beside it
            part.unlink()
        quantize_dynamic(
            whole,
            file,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            # Weights of 7 bits: without VNNI, which the processor that runs the graph may lack,
            # sums of the full range overflow 16 bits.
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )


def _fold_transposes(graph: Any) -> None:
    """Store transposed copies of weights in a graph (an `onnx.GraphProto`), in place.

    The weight of a tied output layer is transposed while the graph runs, as the embedding reads it
    as it is, but only stored weights are quantized.
    """
    from onnx import numpy_helper

    weights = {weight.name: weight for weight in graph.initializer}
    for node in [*graph.node]:
        if node.op_type == "Transpose" and node.input[0] in weights:
            axes = {one.name: one.ints for one in node.attribute}.get("perm")
            values = numpy_helper.to_array(weights[node.input[0]]).transpose(axes)
            graph.initializer.append(
                numpy_helper.from_array(np.ascontiguousarray(values), node.output[0])
            )
            graph.node.remove(node)


def _names(axes: Any) -> Iterator[str]:
    """Yield the names of axes in a tree of inputs."""
    for value in axes.values() if isinstance(axes, Mapping) else axes:
        if isinstance(value, str):
            yield value
        else:
            yield from _names(value)


def _with_lengths(axes: Any, lengths: Mapping[str, Any]) -> Any:
    """Return a tree of inputs' axes with lengths in place of their names."""
    if isinstance(axes, Mapping):
        return {number: lengths[name] for number, name in axes.items()}
    return type(axes)(_with_lengths(value, lengths) for value in axes)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence exporters, whose messages are not about what a user can change."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
