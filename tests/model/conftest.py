from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from textmill.config import ModelConfig
from textmill.model.gpt import GPT

VOCAB_SIZE = 23
POSITIONS = ["learned", "sinusoidal", "rotary"]
ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "gpt2": dict(position="learned", activation="gelu", norm="layer", bias=True, qk_norm=False),
    "attention is all you need": dict(
        position="sinusoidal", activation="relu", norm="layer", norm_placement="post", bias=True
    ),
    "modern": dict(position="rotary", activation="relu_squared", norm="rms", qk_norm=True),
    "llama": dict(position="rotary", activation="swiglu", tie_embeddings=False, qk_norm=False),
    "grouped": dict(n_head=4, n_kv_head=2),
    "one head of keys and values": dict(position="learned", n_kv_head=1, bias=True),
    "gpt-neox": dict(
        position="rotary",
        rotary_share=0.5,
        activation="gelu_exact",
        norm="layer",
        bias=True,
        parallel_residual=True,
        qk_norm=False,
        tie_embeddings=False,
    ),
    "qwen3": dict(
        position="rotary",
        rotary_base=1e6,
        activation="swiglu",
        n_kv_head=1,
        head_dim=12,
        n_inner=24,
        norm_eps=1e-3,
    ),
    "long context": dict(
        position="rotary",
        head_dim=4,
        rotary_base=1e4,
        rotary_scaling=dict(
            kind="llama3", factor=2, low_turns=1, high_turns=4, original_block_size=16
        ),
    ),
    "rms after": dict(position="rotary", activation="swiglu", norm="rms", norm_placement="post"),
}


def tiny(**choices: Any) -> ModelConfig:
    shape = dict(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=VOCAB_SIZE)
    return ModelConfig.model_validate(shape | choices)


def build(**choices: Any) -> GPT:
    """A model in float64 whose weights, biases and gains are large enough to matter."""
    torch.manual_seed(0)
    model = GPT(tiny(**choices)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(VOCAB_SIZE, shape, generator=torch.Generator().manual_seed(seed))
