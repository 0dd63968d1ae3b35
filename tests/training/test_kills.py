"""Specifies that a training that is killed, at whatever moment, leaves nothing of it in the result.

SIGKILL is sent to a process of its own; what goes on from its folders is another process.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import fork, logged, run, start, wait_until
from textmill.training.metrics_file import NAME

SETTINGS: dict[str, Any] = dict(
    accumulate=2,
    objective="hybrid",
    optimizer="muon",
    average_decay=0.9,
    max_steps=40,
    checkpoint_every_steps=4,
    validate_every_steps=6,
    log_every_steps=5,
)
MODEL = {"dropout": 0.2}
PLACES = {
    "step": [("pretrain", "objective_losses", 80), ("module", "FitModule.optimizer_step", 40)],
    "validation": [("pretrain", "document_nll", 14), ("pretrain", "mask_tokens", 20)],
    "save": [
        ("checkpoint", "save_file", 9),
        ("checkpoint", "write_json", 18),
        ("checkpoint", "sync_folder", 9),
        ("callback", "keep_newest", 9),
    ],
}
"""Functions that run in the middle of something, and how often at least they are called."""


def run_until(inputs: dict[str, Path], name: str, module: str, target: str, call: int) -> None:
    """Pretrain, and be killed when a function is called for that time."""
    owner = importlib.import_module(f"textmill.training.{module}")
    *path, last = target.split(".")
    for part in path:
        owner = getattr(owner, part)
    function, calls = getattr(owner, last), iter(range(call - 1))

    def die_at_call(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, last, die_at_call)
    run(inputs, name, MODEL, **SETTINGS)


def kill_at(inputs: dict[str, Path], name: str, place: tuple[str, str, int]) -> BaseProcess:
    process = fork(run_until, inputs, name, *place)
    process.join(120)
    return process


def kill_after(inputs: dict[str, Path], name: str, seconds: float) -> BaseProcess:
    process = start(inputs, name, MODEL, **SETTINGS)
    wait_until((inputs["tokens"].parent / name / "work" / NAME).exists, process)
    time.sleep(seconds)
    process.kill()
    process.join(120)
    return process


def assert_same_result(inputs: dict[str, Path], name: str, whole: Path) -> None:
    """Go on in another process, as a flow does, and compare every byte."""
    process = start(inputs, name, MODEL, **SETTINGS)
    process.join(120)
    assert process.exitcode == 0
    parts = whole.parent.parent / name / "out"
    assert sorted(file.name for file in parts.iterdir()) == sorted(f.name for f in whole.iterdir())
    for file in whole.iterdir():
        assert (parts / file.name).read_bytes() == file.read_bytes(), file.name
    for metric in ("train/loss", "train/masked_loss", "validation/loss", "train/padding_share"):
        assert logged(parts, metric) == logged(whole, metric), metric


@pytest.fixture
def whole(inputs: dict[str, Path]) -> Path:
    """The result of a training that nothing disturbed."""
    process = start(inputs, "whole", MODEL, **SETTINGS)
    process.join(120)
    assert process.exitcode == 0
    return inputs["tokens"].parent / "whole" / "out"


@pytest.mark.slow
def test_kills_in_a_step_a_validation_and_a_save_leave_nothing_in_the_result(
    inputs: dict[str, Path], whole: Path
) -> None:
    for place in (
        ("pretrain", "objective_losses", 14),
        ("pretrain", "document_nll", 3),
        ("checkpoint", "sync_folder", 2),
    ):
        process = kill_at(inputs, "parts", place)
        assert process.exitcode == -signal.SIGKILL
        assert list((whole.parent.parent / "parts" / "out").iterdir()) == []
    assert_same_result(inputs, "parts", whole)


@pytest.mark.slow
def test_of_twenty_kills_at_random_moments_none_changes_the_result(
    inputs: dict[str, Path], whole: Path
) -> None:
    """Ten by the clock; the others in the middle of a step, a validation or a save."""
    rng = random.Random(0)
    seconds = seconds_of(whole)
    kinds = ["clock"] * 10 + ["step"] * 4 + ["validation"] * 3 + ["save"] * 3
    for number, kind in enumerate(kinds):
        name = f"{number}-{kind}"
        if kind == "clock":
            process = kill_after(inputs, name, rng.uniform(0, 0.8) * seconds)
        else:
            module, target, calls = rng.choice(PLACES[kind])
            process = kill_at(inputs, name, (module, target, rng.randint(1, calls)))
        assert process.exitcode == -signal.SIGKILL, name
        assert_same_result(inputs, name, whole)


def seconds_of(out: Path) -> float:
    """How long a training took from its first point to its last."""
    lines = (out.parent / "work" / NAME).read_text().splitlines()
    times = [json.loads(line)["time_ms"] for line in lines if "time_ms" in line]
    return float(times[-1] - times[0]) / 1000
