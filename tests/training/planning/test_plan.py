"""Specifies the plan: a forecast by hand, and what the measured speed counts."""

from __future__ import annotations

import pytest
import torch

from textmill.config import ModelConfig, PretrainConfig
from textmill.errors import InputError
from textmill.model import GPT
from textmill.training.planning import plan
from textmill.training.planning.plan import Speed, forecast, measure_speed

SHAPE = ModelConfig(
    n_layer=2, n_head=2, n_embd=32, activation="relu_squared", block_size=16, vocab_size=50
)
SETTINGS = PretrainConfig(
    micro_batch_size=4, accumulate=2, max_steps=100, validate_every_steps=30, validation_blocks=8,
    accelerator="cpu", precision="32",
)  # fmt: skip


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


def test_a_gpu_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^pretrain\.accelerator=cuda: .* set it to cpu"):
        measure_speed(SHAPE, SETTINGS.model_copy(update={"accelerator": "cuda"}))
