"""Autoregressive generation with a KV cache: sampling and greedy decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

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
        input_ids: (B, T), the prompts, at least one token; the last block_size - 1 are used.
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


@torch.inference_mode()
def complete(
    model: GPT, prompts: Sequence[Sequence[int]], end_id: int
) -> list[tuple[list[int], bool]]:
    """Return the greedy completion of every prompt, and whether it ended with end_id.

    A completion stops before end_id, or when the context is full. It does not depend on the other
    prompts of the batch. Prompts of similar length are fastest.

    Args:
        model: in eval mode.
        prompts: token ids, from 1 to block_size per prompt.
        end_id: the end-of-text token.
    """
    device = model.wte.weight.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    room = model.config.block_size + 1 - lengths  # the last token is never an input
    # Left padding: all rows append to the same column.
    unread = pad_sequence(
        [torch.tensor(prompt, device=device) for prompt in prompts],
        batch_first=True,
        padding_value=end_id,
        padding_side="left",
    )
    capacity = longest + int(room.max())
    padding = longest - lengths
    cache = model.new_cache(len(prompts), capacity, padding if padding.any() else None)
    written = torch.full((len(prompts), int(room.max())), end_id, device=device)
    rows = torch.arange(len(prompts), device=device)  # of the prompts still in the batch
    is_live = torch.ones_like(rows, dtype=torch.bool)
    for step in range(written.size(1)):
        logits = model.lm_head(model.hidden(unread, cache=cache)[:, -1])  # (B, vocab_size)
        tokens = logits.argmax(dim=-1)
        written[rows[is_live], step] = tokens[is_live]
        has_room = step + 1 < room[rows]
        is_live &= (tokens != end_id) & has_room
        n_live = int(is_live.sum())
        if n_live == 0:
            break
        # Dropping rows copies the cache: not done for every row that ends.
        if n_live <= len(rows) // 2 or not has_room.all():
            kept = is_live.nonzero()[:, 0]
            cache.keep(kept)
            rows, tokens, is_live = rows[kept], tokens[kept], is_live[kept]
        unread = tokens[:, None]
    answers = []
    for row, limit in zip(written.tolist(), room.tolist(), strict=True):
        has_ended = end_id in row[:limit]
        answers.append((row[: row.index(end_id)] if has_ended else row[:limit], has_ended))
    return answers
