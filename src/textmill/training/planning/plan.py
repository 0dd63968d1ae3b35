"""Forecasts of a training's cost, and the compute-optimal model for a budget.

The forecast uses the throughput of this machine at the configured training, measured for a few
seconds; the optimal size and number of tokens follow Hoffmann et al. 2022, approach 3.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from textmill.config import ModelConfig, PretrainConfig, ScalingLaw
from textmill.model import GPT
from textmill.training.objectives import Batch, objective_losses, prepare
from textmill.training.optimizers import make_optimizer
from textmill.training.parallel.devices import onednn_matmul
from textmill.training.planning.speed import peak_flops, peak_memory_bytes

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


@dataclass(frozen=True)
class Choice:
    """The compute-optimal training for a budget."""

    parameters: float
    tokens: float
    loss: float
    """Predicted by the scaling law, in nats per token, on the data that it was fitted to."""


def measure_speed(model: ModelConfig, config: PretrainConfig) -> Speed:
    """Return the measured training speed of this machine, on random tokens.

    Args:
        model: architecture and shape, vocab_size included.
        config: batch, precision, objective and optimizer.
    """
    torch.manual_seed(config.seed)
    device = torch.device(config.accelerator)
    network = GPT(model).to(device).train()
    network.activation_checkpointing = config.activation_checkpointing
    optimizer = make_optimizer(network, config)
    batch = _random_batch(model, config, device)

    def step() -> None:
        for _ in range(config.accumulate):
            is_bf16 = config.precision == "bf16"
            with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
                loss = objective_losses(network, batch, config)["loss"]
            torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip).item()
        optimizer.step()
        optimizer.zero_grad()

    with onednn_matmul(device.type):
        for _ in range(WARM_UP_STEPS):
            step()
        started_s = time.perf_counter()
        n_steps = 0
        while time.perf_counter() - started_s < MEASURED_S:
            step()
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


def _random_batch(model: ModelConfig, config: PretrainConfig, device: torch.device) -> Batch:
    assert model.vocab_size is not None
    shape = config.micro_batch_size, model.block_size + 1
    ids = torch.randint(model.vocab_size, shape, device=device)
    mask: Tensor = torch.ones_like(ids[:, 1:], dtype=torch.bool)
    blocks = {
        "input_ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "documents": torch.zeros_like(ids[:, 1:], dtype=torch.int32),
        "loss_mask": mask,
    }
    return prepare(blocks, config, model.vocab_size)


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


def compute_optimal(flops: float, law: ScalingLaw) -> Choice:
    """Return the compute-optimal model size and number of tokens for a budget of FLOPs.

    The loss is E + A/N^α + B/D^β for N parameters and D tokens, with 6ND operations; its minimum
    is at N = G(C/6)^(β/(α+β)), G = (αA/βB)^(1/(α+β)) (Hoffmann et al. 2022, section 3.3, eq. 4).
    """
    total = law.alpha + law.beta
    ratio = (law.alpha * law.a / (law.beta * law.b)) ** (1 / total)
    parameters = ratio * (flops / 6) ** (law.beta / total)
    tokens = flops / 6 / parameters
    return Choice(parameters, tokens, predicted_loss(parameters, tokens, law))


def predicted_loss(parameters: float, tokens: float, law: ScalingLaw) -> float:
    """Return the loss that the scaling law predicts, in nats per token."""
    return float(law.e + law.a / parameters**law.alpha + law.b / tokens**law.beta)
