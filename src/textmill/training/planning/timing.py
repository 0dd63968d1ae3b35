"""The step `measure`: times short trainings of several sizes on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from textmill.config import MeasureStepConfig, PretrainConfig
from textmill.files import write_json
from textmill.training.parallel.devices import onednn_matmul
from textmill.training.planning.cost import Point
from textmill.training.planning.trial import Trial

POINTS = "points.json"
BLOCK_SIZE = 128
HEAD_SIZE = 64
SHAPES: Mapping[int, tuple[tuple[int, int], ...]] = {
    128: ((2, 2048), (8, 2048), (2, 8192)),
    256: ((2, 2048), (6, 2048), (2, 8192)),
    512: ((1, 2048), (3, 2048), (1, 8192)),
    768: ((1, 2048), (3, 2048), (1, 8192)),
}
"""Layers and entries of the vocabulary of the measured models, by their width."""
WARM_UP_STEPS = 2
MIN_STEPS = 5
MEASURED_S = 1.5
"""Minimum time of a measurement."""
SLOW_S = 1.5
"""Time of a step beyond which wider models are not measured: they are as fast per operation."""


def measure(config: MeasureStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the times of trainings of several sizes as points.json.

    Args:
        config: architecture and training; its sizes are not used.
        inputs: unused.
        out: an empty folder.
    """
    points: list[Point] = []
    for n_embd, shapes in SHAPES.items():
        points += [_measure(config, n_layer, n_embd, size) for n_layer, size in shapes]
        if max(point.micro_batch_s for point in points) > SLOW_S:
            break
    write_json(out / POINTS, [point.model_dump() for point in points])
    tokens = config.pretrain.micro_batch_size * BLOCK_SIZE
    write_json(
        out / "metrics.json",
        {
            f"tokens_per_s/{p.n_layer}x{p.n_embd}x{p.vocab_size}": tokens / p.micro_batch_s
            for p in points
        },
    )


def _measure(config: MeasureStepConfig, n_layer: int, n_embd: int, vocab_size: int) -> Point:
    """Return the times of a model's training steps.

    These are the shortest: others share the machine with whatever else runs on it at the moment,
    and the sizes that follow are kept for a long time.
    """
    shape = {
        "n_layer": n_layer,
        "n_head": n_embd // HEAD_SIZE,
        "n_kv_head": None,
        "n_embd": n_embd,
        "block_size": BLOCK_SIZE,
        "vocab_size": vocab_size,
        "dropout": 0.0,
    }
    model = config.model.model_copy(update=shape).sized()
    training = PretrainConfig(**{**dict(config.pretrain), "max_steps": 2, "warmup_steps": 1})
    trial = Trial(model, training)
    times: list[tuple[float, float]] = []
    with onednn_matmul(trial.device.type):
        for _ in range(WARM_UP_STEPS):
            trial.step()
        started_s = time.perf_counter()
        while len(times) < MIN_STEPS or time.perf_counter() - started_s < MEASURED_S:
            times.append(_step_s(trial))
    micro_batch_s, optimizer_s = (min(values) for values in zip(*times, strict=True))
    return Point(
        n_layer=n_layer,
        n_embd=n_embd,
        vocab_size=vocab_size,
        rows=training.micro_batch_size,
        block_size=BLOCK_SIZE,
        parameters=sum(parameter.numel() for parameter in trial.network.parameters()),
        micro_batch_s=micro_batch_s,
        optimizer_s=optimizer_s,
    )


def _step_s(trial: Trial) -> tuple[float, float]:
    """Return the seconds of a micro-batch and of an update of the weights."""
    started_s = time.perf_counter()
    trial.accumulate()
    trial.wait()
    between_s = time.perf_counter()
    trial.update()
    return between_s - started_s, time.perf_counter() - between_s
