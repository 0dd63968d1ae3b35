"""Specifies the plan: the scaling law by hand, and a forecast that this machine keeps."""

from __future__ import annotations

import pytest

from textmill.config import ModelConfig, PretrainConfig, ScalingLaw
from textmill.model import GPT
from textmill.training.planning import plan
from textmill.training.planning.plan import (
    Speed,
    compute_optimal,
    forecast,
    measure_speed,
    predicted_loss,
)

LAW = ScalingLaw()
SHAPE = ModelConfig(n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=50)
SETTINGS = PretrainConfig(
    micro_batch_size=4, accumulate=2, max_steps=100, validate_every_steps=30, validation_blocks=8,
    accelerator="cpu", precision="32",
)  # fmt: skip


@pytest.mark.parametrize("flops", [1e15, 5.76e23])
def test_the_best_size_has_the_lowest_loss_of_all_with_as_many_operations(flops: float) -> None:
    best = compute_optimal(flops, LAW)
    assert 6 * best.parameters * best.tokens == pytest.approx(flops)
    for factor in (0.5, 0.9, 1.1, 2.0):
        other = predicted_loss(best.parameters * factor, best.tokens / factor, LAW)
        assert other > best.loss


def test_the_best_size_for_gophers_budget_is_that_of_the_paper() -> None:
    """Section 3.3 of Hoffmann et al. 2022 gives 40 G parameters for Gopher's budget."""
    assert compute_optimal(5.76e23, LAW).parameters == pytest.approx(40e9, rel=0.2)


def test_the_loss_by_hand() -> None:
    law = ScalingLaw(e=1.0, a=10.0, b=100.0, alpha=1.0, beta=0.5)
    assert predicted_loss(5.0, 10_000.0, law) == 1.0 + 2.0 + 1.0


def test_a_forecast_by_hand() -> None:
    speed = Speed(parameters=1000, tokens_per_s=100.0, flops_per_s=1e6, mfu=0.5, memory_bytes=9)
    taken = forecast(SHAPE, SETTINGS, speed)
    assert taken.tokens == 100 * 2 * 4 * 16
    validated = 4 * 8 * 16  # after steps 30, 60, 90 and 100
    assert taken.hours * 3600 == pytest.approx((taken.tokens + validated / 3) / 100)
    assert taken.flops == pytest.approx(taken.tokens / 100 * 1e6)


def test_the_speed_counts_what_the_model_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MEASURED_S", 0.2)
    speed = measure_speed(SHAPE, SETTINGS)
    assert speed.flops_per_s / speed.tokens_per_s == pytest.approx(GPT(SHAPE).flops_per_token(16))
    matrices = 2 * (4 * 32 * 32 + 2 * 4 * 32 * 32) + 50 * 32
    assert speed.parameters == matrices
    assert 0 < speed.mfu < 1.5
