"""Specifies steps of several micro-batches: the gradient of one batch with all of their rows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.conftest import logged, run
from textmill.config import PretrainConfig
from textmill.model import GPT
from textmill.training.module import FitModule
from textmill.training.objectives import Batch, n_masked_rows, objective_losses
from textmill.training.pretrain import PretrainModule

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")

ONE_STEP: dict[str, Any] = {"max_steps": 1, "warmup_steps": 0, "validate_every_steps": 1}
MODEL = {"block_size": 32}  # of blocks so long, some are mostly padding


class Recorder:
    """What the first step of a training was given, and its gradient before it was clipped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[Batch] = []
        self.untrained: GPT | None = None
        self.gradients: list[Tensor] = []
        losses, clip = PretrainModule.losses, FitModule.configure_gradient_clipping

        def note(module: PretrainModule, batch: Batch) -> dict[str, Tensor]:
            self.untrained = self.untrained or copy.deepcopy(module.network)
            self.batches.append(batch)
            return losses(module, batch)

        def keep(module: FitModule, *args: Any, **kwargs: Any) -> None:
            self.gradients = [gradient_of(p) for p in module.network.parameters()]
            clip(module, *args, **kwargs)

        monkeypatch.setattr(PretrainModule, "losses", note)
        monkeypatch.setattr(FitModule, "configure_gradient_clipping", keep)


def gradient_of(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.clone()


def joined(batches: Sequence[Batch], config: PretrainConfig) -> Batch:
    """The rows of micro-batches as one batch, the masked ones first, with its own targets."""
    n_masked = n_masked_rows(config, config.micro_batch_size)
    parts = slice(n_masked), slice(n_masked, None)
    names = [name for name in batches[0] if name != "n_targets"]
    whole = {
        name: torch.cat([batch[name][p] for p in parts for batch in batches]) for name in names
    }
    mask = whole["loss_mask"]
    at = n_masked * len(batches)
    return whole | {"n_targets": torch.stack((mask[:at].sum(), mask[at:].sum()))}


@pytest.mark.parametrize(
    "choices",
    [
        {"micro_batch_size": 1, "z_loss": 1e-2},
        {"micro_batch_size": 1, "objective": "masked"},
        {"micro_batch_size": 3, "objective": "hybrid", "masked_share": 0.34, "z_loss": 1e-2},
        {"micro_batch_size": 2, "objective": "hybrid", "weights": {"songs": 0.2}},
    ],
    ids=["causal", "masked", "hybrid", "weighted"],
)
def test_the_gradient_of_a_step_is_that_of_all_its_rows_at_once(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, choices: dict[str, Any]
) -> None:
    seen = Recorder(monkeypatch)
    out = run(inputs, "a", MODEL, accumulate=5, **ONE_STEP, **choices)
    settings = {name: value for name, value in choices.items() if name != "weights"}
    config = PretrainConfig.model_validate(settings)
    assert len(seen.batches) == 5
    assert len({int(batch["loss_mask"].sum()) for batch in seen.batches}) > 1
    assert seen.untrained is not None
    losses = objective_losses(seen.untrained, joined(seen.batches, config), config)
    torch.autograd.backward(losses["loss"])
    expected = [gradient_of(parameter) for parameter in seen.untrained.parameters()]
    scale = max(float(gradient.abs().max()) for gradient in expected)
    for found, whole in zip(seen.gradients, expected, strict=True):
        torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6 * scale)
    for name, loss in losses.items():
        assert logged(out, f"train/{name}") == pytest.approx([loss.item()], rel=1e-5), name


def test_accumulated_blocks_have_the_gradient_of_the_same_blocks_in_one_batch(
    inputs: dict[str, Path],
) -> None:
    """The case of the report: four blocks in one micro-batch, two or four."""
    runs = [
        run(inputs, f"{n}", MODEL, micro_batch_size=4 // n, accumulate=n, **ONE_STEP)
        for n in (1, 2, 4)
    ]
    for metric in ("train/gradient_norm", "train/loss", "validation/loss", "train/padding_share"):
        whole, *parts = (logged(out, metric) for out in runs)
        for part in parts:
            assert part == pytest.approx(whole, rel=1e-5), metric


def test_a_micro_batch_has_masks_of_its_own_whatever_is_accumulated(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Recorder(monkeypatch)
    run(inputs, "a", MODEL, accumulate=3, objective="masked", **ONE_STEP)
    together, seen.batches = seen.batches, []
    run(inputs, "b", MODEL, objective="masked", **ONE_STEP | {"max_steps": 3})
    assert len(together) == len(seen.batches) == 3
    for one, other in zip(together, seen.batches, strict=True):
        assert torch.equal(one["loss_mask"], other["loss_mask"])
        assert torch.equal(one["input_ids"], other["input_ids"])
