"""Specifies the sessions of exported graphs; tests/exporting/ has their predictions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from onnx import TensorProto, helper, save

from textmill.tasks.portable.onnx_predictor import load_graph, n_usable_cores


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    node = helper.make_node("Identity", ["rows"], ["out"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("rows", "out")]
    model = helper.make_graph([node], "identity", values[:1], values[1:])
    file = tmp_path / "model.onnx"
    save(helper.make_model(model, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file)
    return file


def test_a_graph_has_a_thread_for_each_core_that_the_process_may_use(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    open_session = onnxruntime.InferenceSession

    def record(*arguments: Any, **named: Any) -> Any:
        opened.append(open_session(*arguments, **named))
        return opened[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", record)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6})
    load_graph(graph)
    assert opened[0].get_session_options().intra_op_num_threads == 3


def test_without_affinity_all_cores_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert n_usable_cores() == 6
