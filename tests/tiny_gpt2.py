"""A GPT-2 so small that tests compare it with other libraries."""

from __future__ import annotations

import torch

from textmill.config import ModelConfig
from textmill.model import GPT


def tiny_gpt2(block_size: int, vocab_size: int) -> GPT:
    """Return a model with random weights, none of which is as at the start of a training."""
    torch.manual_seed(0)
    shape = ModelConfig(
        n_layer=2,
        n_head=2,
        n_embd=16,
        block_size=block_size,
        vocab_size=vocab_size,
        position="learned",
        activation="gelu",
        norm="layer",
        bias=True,
        qk_norm=False,
    )
    network = GPT(shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return network.eval()
