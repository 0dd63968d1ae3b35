"""Specifies the comparison of a graph with torch, and quantization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from textmill.errors import RunError
from textmill.exporting.onnx_files import check_difference, max_difference, quantize, write_graph
from textmill.tasks.portable.onnx_predictor import load_graph


def test_the_difference_is_relative_to_the_largest_output_above_1() -> None:
    expected = [torch.tensor([0.5, -0.25]), torch.tensor([[10.0], [-40.0]])]
    found = [np.array([0.5, -0.15], np.float32), np.array([[12.0], [-40.0]], np.float32)]
    assert max_difference(expected[:1], found[:1]) == pytest.approx(0.1)
    assert max_difference(expected, found) == pytest.approx(0.1)
    assert max_difference(expected[1:], found[1:]) == pytest.approx(0.05)


def test_outputs_of_another_shape_are_as_different_as_can_be() -> None:
    assert max_difference([torch.zeros(2)], [np.zeros((2, 1))]) == float("inf")
    assert max_difference([torch.zeros(2)], [np.array([0, np.nan])]) == float("inf")


@pytest.mark.parametrize("difference", [2e-3, float("inf"), float("nan")])
def test_what_differs_too_much_is_refused(difference: float) -> None:
    assert check_difference(1e-4, "The graph") == 1e-4
    with pytest.raises(RunError, match="The graph differs from torch.*nothing was written"):
        check_difference(difference, "The graph")


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(256, 192)

    def forward(self, rows: Tensor) -> Tensor:
        output: Tensor = self.linear(rows).relu()
        return output


def test_a_graph_takes_other_lengths_and_with_8_bits_is_smaller_and_close(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer, file = Layer().eval(), tmp_path / "model.onnx"
    write_graph(
        layer, {"rows": torch.randn(2, 256)}, {"rows": {0: "n"}}, {}, (["rows"], ["out"]), file
    )
    assert str(Path(__file__).parent).encode() not in file.read_bytes()  # no paths of this machine
    whole = file.stat().st_size
    rows = torch.randn(5, 256)
    expected = layer(rows).detach()
    exact = max_difference([expected], [load_graph(file)({"rows": rows.numpy()})])
    assert exact < 1e-5
    quantize(file)
    assert [*tmp_path.iterdir()] == [file]
    assert file.stat().st_size < 0.5 * whole
    rounded = max_difference([expected], [load_graph(file)({"rows": rows.numpy()})])
    assert exact < rounded < 0.05


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(96, 64)
        self.head = nn.Linear(64, 96, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        output: Tensor = self.head(self.embedding(ids))
        return output


def test_an_output_layer_with_the_weights_of_the_embedding_is_quantized(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, file = Tied().eval(), tmp_path / "model.onnx"
    ids = torch.arange(96).view(2, 48)
    write_graph(model, {"ids": ids}, {"ids": {0: "n"}}, {}, (["ids"], ["out"]), file)
    expected = model(ids).detach()
    quantize(file)
    graph = onnx.load(file).graph
    assert [node.op_type for node in graph.node if "MatMul" in node.op_type] == ["MatMulInteger"]
    [weight] = [w for w in graph.initializer if w.data_type == onnx.TensorProto.INT8 and w.dims[1:]]
    # Sums of 8 bits by 7 do not overflow the 16 bits of processors without VNNI.
    assert abs(onnx.numpy_helper.to_array(weight).astype(int)).max() <= 64
    found = load_graph(file)({"ids": ids.numpy()})
    assert max_difference([expected], [found]) < 0.05
