"""Training speed and quality on a CUDA GPU, compared with nanoGPT on its own examples.

    python -m benchmarks.gpu --nanogpt CHECKOUT --text input.txt [NAME ...]

CHECKOUT is a checkout of karpathy/nanoGPT, the text is tiny Shakespeare. Without names, all
measurements are taken. Of textmill's dependencies, torch, lightning, pydantic, pyarrow, tokenizers,
safetensors and psutil are needed, but not MLflow and Prefect.

    step         a training step of GPT-2 124M in a bare loop, compiled, in bf16, alternating peers
    loop         our training loop with the same shape, as logged
    shakespeare  10.7 M parameters, characters, context 256: loss on the whole validation split

MFU is relative to the GPU's specified bf16 peak, with the FLOPs of Chowdhery et al. 2022, appendix
B, for all peers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pretraining import GPT2, Peers, main, take_turns, train, validation_loss
from textmill import model as layout
from textmill.config import ModelConfig, PretrainConfig
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS
from textmill.model import GPT
from textmill.training.objectives import objective_losses, prepare
from textmill.training.planning.speed import peak_flops

DEVICE = "cuda"
SHAPE: dict[str, Any] = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024}
VOCAB_SIZE = 50_304  # nanoGPT rounds GPT-2's up for efficient kernels
BATCH_SIZES = (16, 32)
DOCUMENT_TOKENS = 400  # average length of packed documents
ROUNDS, STEPS = 5, 10
LOOP_STEPS = 60

CHARACTERS: dict[str, Any] = {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256}
"""The shape in nanoGPT's config/train_shakespeare_char.py; its README reports a loss of 1.4697."""
RECIPE: dict[str, Any] = {
    "max_steps": 1500, "micro_batch_size": 64, "learning_rate": 0.003, "weight_decay": 0.1,
}  # fmt: skip
DROPOUT = 0.3
NANOGPT_LOSS = 1.4697
VALIDATIONS = 15


def step(peers: Peers) -> None:
    """Print tokens per second and MFU of bare training steps, alternating between peers."""
    nano = peers.nanogpt_model()
    for batch_size in BATCH_SIZES:
        torch._dynamo.reset()
        theirs = nano.GPT(
            nano.GPTConfig(**SHAPE, vocab_size=VOCAB_SIZE, dropout=0.0, bias=False)
        ).to(DEVICE)
        compiled = torch.compile(theirs)
        runs = {"nanoGPT": steps(theirs, lambda batch, c=compiled: c(*_pair(batch))[1], batch_size)}
        for name, choices in (("ours, GPT-2 architecture", GPT2), ("ours, modern", {})):
            network = GPT(ModelConfig(**SHAPE, vocab_size=VOCAB_SIZE, **choices)).to(DEVICE)
            runs[name] = steps(network, our_loss(network), batch_size)
        calls = {name: partial(_take, run) for name, run in runs.items()}
        seconds = take_turns(calls, ROUNDS)
        flops = network.flops_per_token(SHAPE["block_size"])
        for name, value in seconds.items():
            speed = STEPS * batch_size * SHAPE["block_size"] / value
            mfu = speed * flops / peak_flops(DEVICE, is_bf16=True)
            print(
                f"{name:<26}batch {batch_size:<4}{speed:9.0f} tokens/s  MFU {mfu:5.1%}  "
                f"{seconds['nanoGPT'] / value:5.2f} x nanoGPT",
                flush=True,
            )


def steps(
    network: nn.Module, loss: Callable[[dict[str, Tensor]], Tensor], batch_size: int
) -> Iterator[None]:
    """Train a network on random tokens in packed documents; each `next` is one step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    shape = (batch_size, SHAPE["block_size"])
    while True:
        ids = torch.randint(VOCAB_SIZE, shape, device=DEVICE)
        is_first = torch.rand(shape, device=DEVICE) < 1 / DOCUMENT_TOKENS
        batch = {
            "input_ids": ids,
            "targets": ids.roll(-1, 1),
            "documents": is_first.cumsum(1, dtype=torch.int32),
            "loss_mask": torch.ones_like(ids, dtype=torch.bool),
        }
        with torch.autocast(DEVICE, torch.bfloat16):
            value = loss(batch)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield


def our_loss(network: GPT) -> Callable[[dict[str, Tensor]], Tensor]:
    """Return the loss of our training, with attention within documents."""
    config = PretrainConfig(compile=True)
    vocab_size = network.wte.num_embeddings

    def loss(batch: dict[str, Tensor]) -> Tensor:
        return objective_losses(network, prepare(batch, config, vocab_size), config)["loss"]

    return loss


def _pair(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return inputs and targets for nanoGPT, which attends across documents."""
    return batch["input_ids"], batch["targets"]


def _take(run: Iterator[None]) -> None:
    for _ in islice(run, STEPS):
        pass
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def loop(peers: Peers) -> None:
    """Print the speed that our training loop logs, including Lightning, data and logging."""
    shape = SHAPE | {"vocab_size": VOCAB_SIZE}
    _, points, _ = train_here(
        peers, shape, max_steps=LOOP_STEPS, micro_batch_size=BATCH_SIZES[-1], optimizer="adamw",
        learning_rate=1e-4, validation_blocks=1, log_every_steps=10,
    )  # fmt: skip
    speeds = [point["train/tokens_per_s"] for point in points if "train/tokens_per_s" in point]
    shares = [point["train/mfu"] for point in points if "train/mfu" in point]
    # The first lines include compilation.
    print(f"our training loop: {median(speeds[2:]):.0f} tokens/s, MFU {median(shares[2:]):.1%}")


def shakespeare(peers: Peers) -> None:
    """Print the loss on the whole validation split, and the time to reach nanoGPT's loss."""
    every = max(1, RECIPE["max_steps"] // VALIDATIONS)
    out, points, seconds = train_here(
        peers, CHARACTERS | {"dropout": DROPOUT}, validate_every_steps=every, **RECIPE
    )
    network, first = layout.load(out).to(DEVICE), len(SPECIAL_TOKENS)
    loss = validation_loss(
        lambda ids: network(ids.to(DEVICE) + first)[..., first:].cpu(),
        peers.validation, network.config.block_size,
    )  # fmt: skip
    print(f"shakespeare: loss {loss:.4f} in {seconds:.0f} s, including compilation")
    for point in points:
        if point.get("validation/loss", NANOGPT_LOSS) < NANOGPT_LOSS:
            share = point["step"] / RECIPE["max_steps"]
            print(f"{NANOGPT_LOSS} is reached by step {point['step']:.0f}, {share * seconds:.0f} s")
            break


def train_here(
    peers: Peers, model: dict[str, Any], **choices: Any
) -> tuple[Path, list[dict[str, float]], float]:
    """Pretrain on the GPU; return the backbone's folder, the log, and the wall time in seconds."""
    out, seconds = train(
        peers, model, accelerator=DEVICE, precision="bf16", compile=True,
        **{"validate_every_steps": 10_000} | choices,
    )  # fmt: skip
    log = max(peers.folder.glob("*/metrics.jsonl"), key=lambda file: file.stat().st_mtime)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return (
        out,
        [line["metrics"] | {"step": line["step"]} for line in lines if "step" in line],
        seconds,
    )


if __name__ == "__main__":
    main(__doc__, (step, loop, shakespeare))
