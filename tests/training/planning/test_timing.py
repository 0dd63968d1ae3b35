"""Specifies the measurement: a point for every shape, without wider ones on a slow machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.config import MeasureStepConfig, ModelConfig, PretrainConfig
from textmill.training.planning import timing as module
from textmill.training.planning.cost import Cost, Point
from textmill.training.planning.timing import POINTS, measure

SHAPES = {64: ((1, 300), (2, 300), (1, 600)), 128: ((1, 300), (2, 300), (1, 600))}


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> MeasureStepConfig:
    monkeypatch.setattr(module, "SHAPES", SHAPES)
    monkeypatch.setattr(module, "BLOCK_SIZE", 8)
    monkeypatch.setattr(module, "MEASURED_S", 0.0)
    training = PretrainConfig(micro_batch_size=2, accelerator="cpu", precision="32")
    return MeasureStepConfig(machine="here", model=ModelConfig(n_kv_head=2), pretrain=training)


def test_every_shape_is_timed(config: MeasureStepConfig, tmp_path: Path) -> None:
    measure(config, {}, tmp_path)
    points = [
        Point.model_validate(values) for values in json.loads((tmp_path / POINTS).read_text())
    ]
    found = [(point.n_embd, point.n_layer, point.vocab_size) for point in points]
    assert found == [(width, *shape) for width in SHAPES for shape in SHAPES[width]]
    assert all(point.micro_batch_s > 0 and point.optimizer_s > 0 for point in points)
    assert Cost(points).tokens_s(2, 96, 400, 8, 16, 16) > 0
    assert len(json.loads((tmp_path / "metrics.json").read_text())) == len(points)


def test_a_slow_machine_does_not_measure_wider_models(
    config: MeasureStepConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW_S", 0.0)
    measure(config, {}, tmp_path)
    assert {point["n_embd"] for point in json.loads((tmp_path / POINTS).read_text())} == {64}
