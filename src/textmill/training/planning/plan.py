"""Forecasts of a training's cost, from the throughput of this machine, measured for seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from textmill.config import ModelConfig, PretrainConfig
from textmill.training.parallel.devices import onednn_matmul
from textmill.training.planning.speed import peak_flops, peak_memory_bytes
from textmill.training.planning.trial import Trial

WARM_UP_STEPS = 2
MEASURED_S = 5.0
"""Long enough that a pause of the machine does not distort the result."""
FORWARD_SHARE = 1 / 3
"""Share of the forward pass in a step's operations; validation has only a forward pass."""


@dataclass(frozen=True)
class Speed:
    """Throughput of a machine at one training; for several GPUs, assuming perfect scaling."""

    parameters: int
    """Parameters in matrix products, which the scaling law counts."""
    tokens_per_s: float
    flops_per_s: float
    mfu: float
    """Model FLOPs utilization: share of the device's peak."""
    memory_bytes: int
    """Peak memory of the process: the GPU's if it trains there."""


@dataclass(frozen=True)
class Forecast:
    """Cost of a training."""

    tokens: int
    hours: float
    flops: float


def measure_speed(model: ModelConfig, config: PretrainConfig) -> Speed:
    """Return the measured training speed of this machine, on random tokens.

    Args:
        model: architecture and shape, vocab_size included.
        config: batch, precision, objective and optimizer.
    """
    trial = Trial(model, config)
    device, network = trial.device, trial.network
    with onednn_matmul(device.type):
        for _ in range(WARM_UP_STEPS):
            trial.step()
        started_s = time.perf_counter()
        n_steps = 0
        while time.perf_counter() - started_s < MEASURED_S:
            trial.step()
            n_steps += 1
        seconds = (time.perf_counter() - started_s) / n_steps
    memory_bytes = peak_memory_bytes(device)  # before the large matrix product in peak_flops
    tokens = config.accumulate * config.micro_batch_size * model.block_size
    flops_per_s = tokens * network.flops_per_token(model.block_size) / seconds
    n_gpus = config.devices if device.type == "cuda" else 1  # ranks share a CPU's cores
    return Speed(
        parameters=network.n_matmul_parameters(),
        tokens_per_s=n_gpus * tokens / seconds,
        flops_per_s=n_gpus * flops_per_s,
        mfu=flops_per_s / peak_flops(device.type, config.precision == "bf16"),
        memory_bytes=memory_bytes,
    )


def forecast(model: ModelConfig, config: PretrainConfig, speed: Speed) -> Forecast:
    """Return the cost of the configured training on a machine of that speed."""
    per_step = config.accumulate * config.micro_batch_size * model.block_size
    trained = config.max_steps * per_step
    n_validations = -(-config.max_steps // config.validate_every_steps)
    validated = n_validations * config.validation_blocks * model.block_size
    seconds = (trained + FORWARD_SHARE * validated) / speed.tokens_per_s
    return Forecast(
        tokens=trained,
        hours=seconds / 3600,
        flops=trained / speed.tokens_per_s * speed.flops_per_s,
    )
