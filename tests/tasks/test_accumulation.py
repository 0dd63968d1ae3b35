"""Specifies steps of several micro-batches: the gradient of one batch, every example as often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tasks import conftest
from tests.tasks.conftest import tune, write_rows
from tests.tasks.generation import test_generation
from tests.tasks.multilabel import conftest as labelling
from tests.tasks.question_answering import conftest as answering
from tests.tasks.tagging import test_network as test_tagging
from tests.tasks.translation import test_network as test_translation
from textmill.config import KINDS, TaskConfig
from textmill.files import read_json
from textmill.tasks.tuning.best_epoch import FinetuneModule, ends_of_epochs
from textmill.training.batches import BatchStream, by_length, n_steps
from textmill.training.module import FitModule
from textmill.training.objectives import Batch

SOURCES = {
    "classification": conftest,
    "generation": test_generation,
    "multilabel": labelling,
    "question_answering": answering,
    "tagging": test_tagging,
    "translation": test_translation,
}
ONE_STEP = {"epochs": 1, "label_smoothing": 0.1, "warmup_share": 0.0}


def make_task(kind: str, folder: Path, n: int = 36) -> TaskConfig:
    """A task of this kind whose texts differ in length."""
    source: Any = SOURCES[kind]
    rows = source.toy_rows(n, seed=1)
    for row in rows[::3]:  # some are three times as long
        for name, value in row.items():
            if isinstance(value, list):
                row[name] = value * 3  # labels are the same, however often
            elif isinstance(value, dict):  # answers stay where they are
                continue
            elif not name.startswith("label"):
                row[name] = " ".join([value] * 3)
    write_rows(folder / "train.jsonl", rows)
    write_rows(folder / "test.jsonl", rows[:4])
    config: TaskConfig = source.make_config(folder)
    return config


def with_finetune(config: TaskConfig, **changes: Any) -> TaskConfig:
    return config.model_copy(update={"finetune": config.finetune.model_copy(update=changes)})


def run(config: TaskConfig, backbone: Path, folder: Path) -> list[dict[str, Any]]:
    """Fine-tune and return the points of metrics.jsonl, the number of steps first."""
    (folder / "out").mkdir(parents=True)
    (folder / "work").mkdir()
    tune(config, backbone, folder / "out", folder / "work")
    return [json.loads(line) for line in (folder / "work/metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[list[Tensor]]:
    """The gradient of every step that is taken, before it is clipped."""
    taken: list[list[Tensor]] = []
    clip = FitModule.configure_gradient_clipping

    def keep(self: FitModule, *args: Any, **kwargs: Any) -> None:
        taken.append([p.grad.clone() for p in self.network.parameters() if p.grad is not None])
        clip(self, *args, **kwargs)

    monkeypatch.setattr(FitModule, "configure_gradient_clipping", keep)
    return taken


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_micro_batches_have_the_gradient_of_the_whole_batch(
    backbone: Path, tmp_path: Path, gradients: list[list[Tensor]], kind: str
) -> None:
    """A step that takes all examples, as one batch and as eleven and a rest."""
    config = with_finetune(make_task(kind, tmp_path), **ONE_STEP)
    whole = run(with_finetune(config, micro_batch_size=99), backbone, tmp_path / "whole")
    parts = run(
        with_finetune(config, micro_batch_size=3, accumulate=99), backbone, tmp_path / "parts"
    )
    (one,), (other,) = gradients[:1], gradients[1:]
    scale = max(float(gradient.abs().max()) for gradient in one)
    for of_whole, of_parts in zip(one, other, strict=True):
        torch.testing.assert_close(of_parts, of_whole, rtol=1e-4, atol=1e-6 * scale)
    for metric in ("train/loss", "train/gradient_norm", "validation/loss"):
        (expected,), (found,) = (
            [p["metrics"][metric] for p in points if metric in p.get("metrics", {})]
            for points in (whole, parts)
        )
        assert found == pytest.approx(expected, rel=1e-5), metric


CASES = list(product([1, 5, 12, 13], [1, 4, 5, 20], [1, 2, 3, 4, 50], [1, 3]))


@pytest.mark.parametrize(("n", "micro_batch_size", "accumulate", "epochs"), CASES)
def test_all_epochs_together_take_every_example_as_often(
    n: int, micro_batch_size: int, accumulate: int, epochs: int
) -> None:
    """Also where a step spans two epochs, or there is less than a step."""
    order = by_length(range(n), micro_batch_size, seed=0)
    per_epoch = len(order(0))

    def make(rows: Sequence[int], number: int) -> Batch:
        return {"rows": torch.tensor(rows), "n_targets": torch.tensor(1)}

    n_batches = epochs * per_epoch
    rows = [batch["rows"] for batch in BatchStream(order, make, n_batches, accumulate)]
    assert torch.bincount(torch.cat(rows)).tolist() == [epochs] * n
    ends = sorted(ends_of_epochs(epochs, per_epoch, accumulate))
    assert ends[-1] == n_steps(len(rows), accumulate)
    # Each epoch ends in the first step after which all of its examples have been taken.
    for epoch in range(1, epochs + 1):
        (end,) = (step for step in ends if 0 <= step * accumulate - epoch * per_epoch < accumulate)
        seen = torch.bincount(torch.cat(rows[: end * accumulate]), minlength=n)
        before = torch.bincount(torch.cat([torch.tensor([n]), *rows[: (end - 1) * accumulate]]))
        assert seen.min() >= epoch
        assert before[:n].min() < epoch


@pytest.mark.parametrize(
    ("accumulate", "n_steps_", "validated"),
    [(1, 21, [7, 14, 21]), (4, 6, [2, 4, 6]), (5, 5, [2, 3, 5]), (9, 3, [1, 2, 3]), (50, 1, [1])],
)
def test_the_number_of_epochs_is_independent_of_accumulation(
    backbone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accumulate: int,
    n_steps_: int,
    validated: list[int],
) -> None:
    """Of seven micro-batches each: 27 examples to train on, four at a time."""
    trained, rates = [], []
    losses, step = FinetuneModule.losses, FinetuneModule.optimizer_step

    def count(self: FinetuneModule, batch: Batch) -> dict[str, Tensor]:
        trained.append(len(batch["input_ids"]))
        return losses(self, batch)

    def note(self: FinetuneModule, *args: Any, **kwargs: Any) -> None:
        step(self, *args, **kwargs)
        rates.append(self.learning_rate)

    monkeypatch.setattr(FinetuneModule, "losses", count)
    monkeypatch.setattr(FinetuneModule, "optimizer_step", note)
    config = with_finetune(
        make_task("classification", tmp_path, n=30),
        micro_batch_size=4, accumulate=accumulate, epochs=3, warmup_share=0.4,
    )  # fmt: skip
    points = run(config, backbone, tmp_path / "run")
    assert read_json(tmp_path / "run/out/metrics.json")["train_examples"] == 27
    assert sum(trained) == 3 * 27
    assert points[0] == {"total_steps": n_steps_}
    steps = [p["step"] for p in points if "validation/loss" in p.get("metrics", {})]
    assert steps == validated
    assert len(rates) == n_steps_
    assert rates.index(max(rates)) == max(0, int(0.4 * n_steps_) - 1)  # the end of the warm-up
