"""Specifies the training loop: what a step sees, what is logged, and the exact resume."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from textmill.config import ModelConfig, PretrainConfig
from textmill.errors import InputError, RunError
from textmill.model.gpt import GPT
from textmill.training.batches import shuffled
from textmill.training.checkpoint import checkpoint_folder
from textmill.training.fit import fit
from textmill.training.module import FitModule
from textmill.training.objectives import Batch, causal_loss

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


TIMES = (
    *("train/tokens_per_s", "train/flops_per_s", "train/mfu", "train/seconds_left", "cost/hours"),
    "train/peak_memory_mib",
)
DATA = np.random.default_rng(0).integers(0, 11, (24, 9))
SETTINGS: dict[str, Any] = dict(
    micro_batch_size=4,
    max_steps=12,
    warmup_steps=2,
    learning_rate=0.01,
    accelerator="cpu",
    precision="32",
    log_every_steps=2,
    checkpoint_every_steps=4,
)


class Killed(Exception):
    """What stops a run in these tests."""


class Module(FitModule):
    """A GPT on random tokens that keeps what it was given, and dies at a given micro-batch."""

    settings = "pretrain"

    def __init__(
        self, config: PretrainConfig, dropout: float, dies_at: int | None, n_left_out: int = 0
    ) -> None:
        torch.manual_seed(config.seed)
        shape = ModelConfig(
            n_layer=2, n_head=2, n_embd=16, n_inner=48, block_size=8, vocab_size=11, dropout=dropout
        )
        n_batches = config.max_steps * config.accumulate - n_left_out
        super().__init__(GPT(shape), config, n_batches, config.warmup_steps)
        self.dies_at = dies_at
        self.seen: list[Tensor] = []
        self.validated: list[tuple[bool, bool]] = []

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        if len(self.seen) == self.dies_at:
            raise Killed
        self.seen.append(batch["input_ids"])
        return {"loss": causal_loss(self.network, batch)}

    def validate(self) -> dict[str, float]:
        self.validated.append((self.network.training, torch.is_grad_enabled()))
        with torch.no_grad():
            return {"validation/loss": causal_loss(self.network, collate([0, 1, 2])).item()}


def collate(rows: Sequence[int]) -> Batch:
    ids = torch.from_numpy(DATA[list(rows)])
    return {
        "input_ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "documents": torch.zeros(len(rows), 8, dtype=torch.int32),
        "loss_mask": torch.ones(len(rows), 8, dtype=torch.bool),
        "n_targets": torch.tensor(8 * len(rows)),
    }


def train(
    work: Path,
    dropout: float = 0.0,
    dies_at: int | None = None,
    validate_every_steps: int = 5,
    n_left_out: int = 0,
    **choices: Any,
) -> Module:
    work.mkdir(exist_ok=True)
    config = PretrainConfig.model_validate(SETTINGS | choices)
    module = Module(config, dropout, dies_at, n_left_out)
    order = shuffled(len(DATA), config.micro_batch_size, config.seed)
    every = validate_every_steps
    fit(module, order, collate, range(every, config.max_steps + 1, every), work)
    return module


def points(work: Path) -> list[dict[str, Any]]:
    """What was logged, without what the clock and the machine decide."""
    entries = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    return [
        {"step": e["step"]} | {k: v for k, v in e["metrics"].items() if k not in TIMES}
        for e in entries
        if "metrics" in e
    ]


def assert_same_weights(one: FitModule, other: FitModule) -> None:
    others = other.network.state_dict()
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, others[name]), name


def steps_of(work: Path, metric: str) -> list[int]:
    return [point["step"] for point in points(work) if metric in point]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one, other = (train(tmp_path / name, dropout=0.2) for name in "ab")
    assert_same_weights(one, other)
    assert points(tmp_path / "a") == points(tmp_path / "b")


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one, other = (train(tmp_path / str(seed), seed=seed) for seed in (0, 1))
    assert not torch.equal(one.network.lm_head.weight, other.network.lm_head.weight)


def test_points_are_written_and_validated_at_the_steps_that_are_due(tmp_path: Path) -> None:
    module = train(tmp_path, max_steps=11, log_every_steps=3)
    assert steps_of(tmp_path, "train/loss") == [3, 6, 9, 11]
    assert steps_of(tmp_path, "validation/loss") == [5, 10, 11]
    assert module.validated == [(False, False)] * 3


def test_the_newest_checkpoints_are_left_and_none_of_the_last_step(tmp_path: Path) -> None:
    train(tmp_path, checkpoint_every_steps=2, keep_checkpoints=2)
    left = sorted((tmp_path / "checkpoints").iterdir())
    assert left == [checkpoint_folder(tmp_path, step) for step in (8, 10)]


def test_a_step_sees_as_many_micro_batches_as_are_accumulated(tmp_path: Path) -> None:
    module = train(tmp_path, accumulate=3, max_steps=4, warmup_steps=1)
    order = shuffled(len(DATA), 4, 0)
    expected = [rows for epoch in range(2) for rows in order(epoch)]
    assert len(module.seen) == 12
    for seen, rows in zip(module.seen, expected, strict=True):
        assert torch.equal(seen, collate(rows)["input_ids"])


def test_two_accumulated_halves_are_the_step_of_the_whole(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", micro_batch_size=8, max_steps=1, warmup_steps=0)
    halves = train(
        tmp_path / "halves", micro_batch_size=4, max_steps=1, warmup_steps=0, accumulate=2
    )
    # Both take the first eight examples of the same shuffle.
    assert torch.equal(torch.cat(halves.seen), torch.cat(whole.seen))
    for (name, one), other in zip(
        whole.network.named_parameters(), halves.network.parameters(), strict=True
    ):
        # Adam's first step follows the sign of the gradient: where that is near 0, it may differ.
        close = torch.isclose(one, other, atol=1e-5)
        assert close.float().mean() > 0.95, name
    one, other = (points(tmp_path / name)[0] for name in ("whole", "halves"))
    assert other["train/gradient_norm"] == pytest.approx(one["train/gradient_norm"], rel=1e-4)
    assert other["train/loss"] == pytest.approx(one["train/loss"], rel=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_logged_loss_is_that_of_the_batches_since_the_point_before(
    tmp_path: Path, accumulate: int
) -> None:
    # At a learning rate of nearly zero, the loss is that of the untrained model.
    module = train(tmp_path, accumulate=accumulate, learning_rate=1e-12, max_steps=4)
    order = shuffled(len(DATA), 4, 0)(0) + shuffled(len(DATA), 4, 0)(1)
    untrained = Module(module.config, 0.0, None).network
    losses = [causal_loss(untrained, collate(rows)).item() for rows in order]
    logged = [point["train/loss"] for point in points(tmp_path) if "train/loss" in point]
    n = 2 * accumulate
    assert logged == pytest.approx([np.mean(losses[:n]), np.mean(losses[n : 2 * n])], rel=1e-4)


def test_a_validation_takes_nothing_from_the_logged_loss(tmp_path: Path) -> None:
    train(tmp_path / "often", log_every_steps=6, validate_every_steps=2)
    train(tmp_path / "seldom", log_every_steps=6, validate_every_steps=12)
    often, seldom = (
        [point["train/loss"] for point in points(tmp_path / name) if "train/loss" in point]
        for name in ("often", "seldom")
    )
    assert often == seldom


def test_the_logged_norm_is_that_before_clipping(tmp_path: Path) -> None:
    module = train(tmp_path, gradient_clip=1e-3, max_steps=1, warmup_steps=0)
    untrained = Module(module.config, 0.0, None).network
    causal_loss(untrained, collate(shuffled(len(DATA), 4, 0)(0)[0])).backward()
    squares = sum(p.grad.square().sum() for p in untrained.parameters() if p.grad is not None)
    [norm] = [p["train/gradient_norm"] for p in points(tmp_path) if "train/loss" in p]
    assert norm == pytest.approx(math.sqrt(squares), rel=1e-4)
    assert norm > 0.1


def test_the_loss_of_few_examples_falls(tmp_path: Path) -> None:
    train(tmp_path, max_steps=100, learning_rate=0.02, log_every_steps=10)
    losses = [point["train/loss"] for point in points(tmp_path) if "train/loss" in point]
    assert losses[0] == pytest.approx(math.log(11), abs=0.4)
    assert losses[-1] < 0.75 * math.log(11)


@pytest.mark.parametrize(("accumulate", "n_left_out"), [(1, 0), (2, 0), (3, 2)])
@pytest.mark.parametrize("dies_after", [4, 7])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, accumulate: int, n_left_out: int, dies_after: int
) -> None:
    """Also if its last step has fewer micro-batches than the others."""
    choices: dict[str, Any] = dict(dropout=0.3, accumulate=accumulate, n_left_out=n_left_out)
    whole = train(tmp_path / "whole", **choices)
    assert len(whole.seen) == 12 * accumulate - n_left_out
    assert points(tmp_path / "whole")[-1]["step"] == 12
    with pytest.raises(Killed):
        # In the middle of a step if it has a middle.
        train(tmp_path / "parts", **choices, dies_at=(dies_after + 1) * accumulate - 1)
    torch.manual_seed(999)
    rest = train(tmp_path / "parts", **choices)
    assert_same_weights(rest, whole)
    assert points(tmp_path / "parts") == points(tmp_path / "whole")
    taken = dies_after // 4 * 4 * accumulate
    assert torch.equal(torch.stack(rest.seen), torch.stack(whole.seen)[taken:])


def test_the_learning_rate_that_is_logged_is_that_of_the_step(tmp_path: Path) -> None:
    train(tmp_path, warmup_steps=3, max_steps=6, log_every_steps=1, learning_rate=0.03)
    rates = [point["train/learning_rate"] for point in points(tmp_path) if "train/loss" in point]
    assert rates[:3] == pytest.approx([0.01, 0.02, 0.03])


def test_the_update_that_is_logged_is_that_of_the_step(tmp_path: Path) -> None:
    """The last step is logged too, though it is none of every second."""
    choices = dict(schedule="linear", final_learning_rate_share=1.0, log_every_steps=2)
    before, after = (
        torch.cat([p.flatten() for p in train(tmp_path / name, max_steps=n, **choices)
                   .network.parameters()])
        for name, n in (("a", 4), ("b", 5))
    )  # fmt: skip
    logged = [point for point in points(tmp_path / "b") if "train/update_norm" in point]
    assert [point["step"] for point in logged] == [2, 4, 5]
    assert logged[-1]["train/update_norm"] == pytest.approx(
        (after - before).norm().item(), rel=1e-4
    )


def test_a_run_can_be_interrupted_often(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", dropout=0.3)
    for dies_at in (2, 5, 1, 5):
        with pytest.raises(Killed):
            train(tmp_path / "parts", dropout=0.3, dies_at=dies_at)
    assert_same_weights(train(tmp_path / "parts", dropout=0.3), whole)
    assert points(tmp_path / "parts") == points(tmp_path / "whole")


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("dies_after", [5, 8])
def test_saving_between_two_lines_of_the_log_changes_neither(
    tmp_path: Path, accumulate: int, dies_after: int
) -> None:
    """Nor does going on from there: a line is about all micro-batches since the one before."""
    choices: dict[str, Any] = dict(log_every_steps=6, accumulate=accumulate)
    whole = train(tmp_path / "whole", **choices, checkpoint_every_steps=100)
    dies_at = dies_after * accumulate
    with pytest.raises(Killed):
        train(tmp_path / "parts", **choices, checkpoint_every_steps=2, dies_at=dies_at)
    assert_same_weights(train(tmp_path / "parts", **choices), whole)
    assert points(tmp_path / "parts") == points(tmp_path / "whole")


def test_a_damaged_checkpoint_costs_steps_and_not_the_result(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", dropout=0.3)
    with pytest.raises(Killed):
        train(tmp_path / "parts", dropout=0.3, dies_at=9)
    (checkpoint_folder(tmp_path / "parts", 8) / "tensors.safetensors").write_bytes(b"damaged")
    rest = train(tmp_path / "parts", dropout=0.3)
    assert len(rest.seen) == 8
    assert_same_weights(rest, whole)
    assert points(tmp_path / "parts") == points(tmp_path / "whole")


def break_loss(self: Module, batch: Batch) -> dict[str, Tensor]:
    return {"loss": causal_loss(self.network, batch) * float("nan")}


def break_later(self: Module, batch: Batch) -> dict[str, Tensor]:
    self.seen.append(batch["input_ids"])
    factor = float("nan") if len(self.seen) > 5 else 1.0
    return {"loss": causal_loss(self.network, batch) * factor}


@pytest.mark.parametrize(
    ("losses", "step", "checkpoint"), [(break_loss, 1, "None"), (break_later, 6, "step-00000004")]
)
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_way_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: Callable[[Module, Batch], dict[str, Tensor]],
    step: int,
    checkpoint: str,
) -> None:
    monkeypatch.setattr(Module, "losses", losses)
    with pytest.raises(RunError, match=rf"not finite at step {step}: lower .*{checkpoint}"):
        train(tmp_path)


def test_a_gpu_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"pretrain\.accelerator=cuda: .* set it to cpu"):
        train(tmp_path, accelerator="cuda")


def test_bf16_keeps_the_weights_in_single_precision(tmp_path: Path) -> None:
    module = train(tmp_path, precision="bf16", max_steps=2, warmup_steps=0)
    assert module.network.wte.weight.dtype == torch.float32
    [one] = [p["train/loss"] for p in points(tmp_path) if "train/loss" in p]
    assert one == pytest.approx(math.log(11), abs=0.4)
