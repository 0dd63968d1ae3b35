"""Autoregressive generation with a KV cache: sampling token by token."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from textmill.model.gpt import GPT


@torch.inference_mode()
def generate(
    model: GPT,
    input_ids: Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield the next token of every sequence, (B,), max_new_tokens times.

    When the context is full, its newer half is encoded again and generation continues from there.

    Args:
        model: in eval mode.
        input_ids: (B, T), the prompts, on the model's device, at least one token; the last
            block_size - 1 are used.
        max_new_tokens: number of tokens to generate.
        temperature: divides the logits; 0 is greedy decoding.
        top_k: sample from the k most likely tokens only.
        generator: random number generator, on the model's device.
    """
    block_size = model.config.block_size
    context = input_ids[:, -(block_size - 1) :]
    cache = model.new_cache(context.size(0))
    unread = context
    for _ in range(max_new_tokens):
        if cache.length + unread.size(1) > block_size:
            unread = context[:, -(block_size // 2) :]
            cache.length = 0
        logits = model(unread, cache=cache)[:, -1]  # (B, vocab_size)
        token = sample(logits, temperature, top_k, generator)
        yield token
        unread = token[:, None]
        context = torch.cat((context, unread), dim=1)[:, -block_size:]


def sample(
    logits: Tensor,
    temperature: float,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return one token per row, (B,), sampled from the softmax of the logits (B, vocab_size)."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    if top_k is not None and top_k < logits.size(-1):
        floor = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < floor, float("-inf"))
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
