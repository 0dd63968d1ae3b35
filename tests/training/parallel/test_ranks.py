"""Specifies training on several devices: what one computes, and every way to end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from tests.training.conftest import logged, newest_step, run, start, wait_until
from textmill.config import PretrainConfig
from textmill.errors import InputError, RunError
from textmill.training.parallel import ranks

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")

LONG: dict[str, Any] = dict(
    accumulate=2, max_steps=120, checkpoint_every_steps=10, validate_every_steps=50
)


def assert_same_training(one: Path, other: Path, tolerance: float = 1e-5) -> None:
    for metric in ("train/loss", "train/gradient_norm", "validation/loss", "train/padding_share"):
        assert len(logged(one, metric)) > 0
        assert logged(one, metric) == pytest.approx(logged(other, metric), abs=tolerance), metric


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choices", "tolerance"),
    [
        ({"accumulate": 2}, 1e-5),
        ({"accumulate": 4, "objective": "hybrid", "average_decay": 0.5}, 1e-5),
        ({"accumulate": 2, "weights": {"songs": 0.2}, "packing": "fill", "overlap": 3}, 1e-5),
        # It computes its steps in bf16, which makes more of a difference in the last digit.
        ({"accumulate": 2, "optimizer": "muon"}, 1e-3),
    ],
    ids=["causal", "hybrid", "weighted", "muon"],
)
def test_two_devices_compute_what_one_does(
    inputs: dict[str, Path], choices: dict[str, Any], tolerance: float
) -> None:
    """With dropout: each micro-batch has its own, whoever computes it."""
    one, two = (run(inputs, str(n), {"dropout": 0.2}, devices=n, **choices) for n in (1, 2))
    assert_same_training(two, one, tolerance)
    counts = [json.loads((out / "metrics.json").read_text()) for out in (one, two)]
    assert counts[0] == counts[1]
    assert logged(two, "cost/flops") == logged(one, "cost/flops")


@pytest.mark.slow
def test_a_killed_rank_ends_the_group_and_the_training_goes_on_to_the_same_bytes(
    inputs: dict[str, Path],
) -> None:
    whole = run(inputs, "whole", {"dropout": 0.2}, devices=2, **LONG)
    work = inputs["tokens"].parent / "parts" / "work"
    for rank, step in ((0, 24), (1, 58)):
        process = start(inputs, "parts", {"dropout": 0.2}, devices=2, **LONG)
        wait_until(lambda step=step: newest_step(work) >= step, process)  # type: ignore[misc]
        group = processes_of(process.pid)
        assert sorted(group) == [0, 1]
        group[rank].kill()
        process.join(60)
        assert process.exitcode == 1
        assert not any(one.is_running() for one in group.values())
    parts = run(inputs, "parts", {"dropout": 0.2}, devices=2, **LONG)
    for file in whole.iterdir():
        assert (parts / file.name).read_bytes() == file.read_bytes()
    assert logged(parts, "train/loss") == logged(whole, "train/loss")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_stopped_training_is_saved_and_goes_on_with_another_number_of_devices(
    inputs: dict[str, Path], before: int, after: int
) -> None:
    whole = run(inputs, "whole", **LONG)
    work = inputs["tokens"].parent / "parts" / "work"
    process = start(inputs, "parts", devices=before, **LONG | {"checkpoint_every_steps": 1000})
    wait_until(lambda: newest_step(work) >= 15, process)
    process.terminate()
    process.join(60)
    assert process.exitcode == 1
    (saved,) = (work / "checkpoints").iterdir()
    assert int(saved.name.removeprefix("step-")) >= newest_step(work)
    assert_same_training(run(inputs, "parts", devices=after, **LONG), whole)


@pytest.mark.slow
def test_ranks_end_with_the_process_that_started_them(inputs: dict[str, Path]) -> None:
    work = inputs["tokens"].parent / "parts" / "work"
    process = start(inputs, "parts", devices=2, **LONG | {"max_steps": 100_000})
    wait_until(lambda: newest_step(work) >= 4, process)
    group = list(processes_of(process.pid).values())
    process.kill()
    process.join(10)
    _, alive = psutil.wait_procs(group, timeout=10)
    assert alive == []


@pytest.mark.slow
def test_bad_input_that_a_rank_finds_is_bad_input(inputs: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"^pretrain\.micro_batch_size=500: the corpus has"):
        run(inputs, "a", accumulate=2, devices=2, micro_batch_size=500)


def processes_of(parent: int | None) -> dict[int, psutil.Process]:
    """The ranks that a process has started, by number."""
    return {
        int(child.environ()["RANK"]): child
        for child in psutil.Process(parent).children()
        if "textmill.training.parallel.ranks" in child.cmdline()
    }


def failure(folder: Path, rank: int, exitcode: int, message: str = "") -> ProcessFailure:
    """How a rank ended, with what it has written of it."""
    file = folder / f"{rank}.json"
    if message:
        about = {"message": message, "extraInfo": {"timestamp": "1"}}
        file.write_text(json.dumps({"message": about}))
    return ProcessFailure(rank, os.getpid(), exitcode, str(file))


@pytest.mark.parametrize(
    ("ends", "error", "message"),
    [
        (
            [(1, "RuntimeError: Connection closed by peer"), (-9, "")],
            RunError,
            "device 1 .*SIGKILL",
        ),
        ([(-15, ""), (1, "InputError: no such file")], InputError, "^no such file$"),
        ([(1, "RunError: The loss has risen"), (-6, "")], RunError, "^The loss has risen$"),
        ([(1, "KeyError: 'lost'")], RunError, "KeyError: 'lost'"),
    ],
    ids=["killed", "bad input", "run error", "bug"],
)
def test_what_a_rank_says_of_its_end_is_told_and_else_how_it_died(
    tmp_path: Path, ends: list[tuple[int, str]], error: type[Exception], message: str
) -> None:
    failures = [failure(tmp_path, rank, *end) for rank, end in enumerate(ends)]
    explained = ranks._explain(failures)
    with pytest.raises(error, match=message):
        raise explained


def test_micro_batches_that_cannot_be_shared_out_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"accumulate=3 .* devices=2: set accumulate=4"):
        PretrainConfig(accumulate=3, devices=2)
