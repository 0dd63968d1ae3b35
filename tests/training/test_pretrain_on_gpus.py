"""Specifies pretraining that is compiled, and on a GPU: the losses and the memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import VOCAB_SIZE, logged, run
from textmill import model as models
from textmill.config import ModelConfig
from textmill.errors import RunError
from textmill.model import GPT
from textmill.training.objectives import causal_loss

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_a_compiled_training_has_the_losses_of_one_that_is_not(inputs: dict[str, Path]) -> None:
    choices = dict(objective="hybrid", activation_checkpointing=True, average_decay=0.5)
    torch._dynamo.reset()
    plain, compiled = (run(inputs, str(c), compile=c, **choices) for c in (False, True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for metric in ("train/loss", "validation/loss", "train/gradient_norm"):
        assert logged(compiled, metric) == pytest.approx(logged(plain, metric), abs=1e-4)
    assert (compiled / "config.json").read_bytes() == (plain / "config.json").read_bytes()
    assert set(models.load(compiled).state_dict()) == set(models.load(plain).state_dict())


@pytest.mark.gpu
@pytest.mark.parametrize("is_compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"objective": "hybrid", "activation_checkpointing": True, "average_decay": 0.5},
        {"optimizer": "muon", "z_loss": 1e-4},
    ],
    ids=["causal", "hybrid", "muon"],
)
def test_a_gpu_trains_as_the_cpu_does(
    inputs: dict[str, Path], choices: dict[str, Any], is_compiled: bool
) -> None:
    """Masks that another device draws differ; Muon multiplies in bf16."""
    wide = {"block_size": 128, "n_embd": 64}  # whole blocks of FlexAttention
    torch._dynamo.reset()
    cpu = run(inputs, "cpu", wide, **choices)
    gpu = run(inputs, "gpu", wide, **choices, accelerator="cuda", compile=is_compiled)
    tolerance = 0.3 if "objective" in choices else 0.02 if "optimizer" in choices else 2e-3
    for metric in ("train/loss", "validation/loss", "train/gradient_norm"):
        assert logged(gpu, metric) == pytest.approx(logged(cpu, metric), rel=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("is_compiled", [False, True], ids=["plain", "compiled"])
def test_a_gpu_learns_in_bf16_and_resumes(inputs: dict[str, Path], is_compiled: bool) -> None:
    wide = {"block_size": 128, "n_embd": 64}
    choices = dict(accelerator="cuda", precision="bf16", compile=is_compiled, max_steps=40)
    torch._dynamo.reset()
    whole = run(inputs, "whole", wide, **choices)
    assert logged(whole, "validation/loss")[-1] < math.log(VOCAB_SIZE) / 2
    with pytest.raises(RunError, match="max_hours"):
        run(inputs, "parts", wide, **choices, max_hours=1e-9)
    parts = run(inputs, "parts", wide, **choices)
    assert logged(parts, "train/loss") == pytest.approx(logged(whole, "train/loss"), rel=0.05)


@pytest.mark.gpu
def test_a_compiled_training_is_one_graph_on_a_gpu() -> None:
    """Forward, backward, and the masks of new documents in it, without compiling again."""
    torch.manual_seed(0)
    model = GPT(ModelConfig(n_layer=2, n_head=2, n_embd=64, block_size=256, vocab_size=512)).cuda()
    torch._dynamo.reset()
    loss = torch.compile(causal_loss, fullgraph=True)
    for n_documents in range(1, 6):
        ids = torch.randint(512, (4, 256), device="cuda")
        batch = {
            "input_ids": ids,
            "targets": ids.roll(-1, 1),
            "documents": torch.randint(n_documents, (4, 256), device="cuda").sort().values,
            "loss_mask": torch.ones_like(ids, dtype=torch.bool),
            "n_targets": torch.tensor(ids.numel(), device="cuda"),
        }
        model.zero_grad()
        loss(model, batch, 0.0).backward()
        compiled = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        causal_loss(model, batch, 0.0).backward()
        plain = [p.grad for p in model.parameters() if p.grad is not None]
        for one, other in zip(compiled, plain, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-2)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 4  # two of them of the plain


@pytest.mark.gpu
def test_a_gpu_holds_no_mask_of_all_pairs() -> None:
    T = 16_384
    config = ModelConfig(n_layer=1, n_head=1, n_embd=32, block_size=T, vocab_size=64)
    model = GPT(config).cuda()
    ids = torch.randint(64, (1, T), device="cuda")
    documents = torch.arange(T, device="cuda")[None] // 1000
    model(ids, documents).mean().backward()  # compiles
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model(ids, documents).mean().backward()
    assert torch.cuda.max_memory_allocated() - before < T * T / 2  # bytes
