"""The KV cache of texts that are generated together, each as long as it happens to be."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from textmill.config import ModelConfig
from textmill.model.kv_cache import KVCache

RESERVED = 64
"""Tokens by which the memory in use grows."""


class SlotCache:
    """Keys and values of several texts of any lengths, in memory that is allocated once.

    Every text has a slot, whose first tokens are its own: texts join and leave without moving the
    others, and there is no padding but behind the shorter ones.

    Args:
        config: shape of the model.
        n_slots: maximum number of texts.
        capacity: maximum tokens of a text.
        like: a tensor with the dtype and device of the model, such as its embedding.
    """

    def __init__(self, config: ModelConfig, n_slots: int, capacity: int, like: Tensor) -> None:
        self.n_kv_head = config.kv_heads
        self.capacity = capacity
        # Attention of one query takes seven times as long in bf16 as in fp32 on a CPU.
        dtype = torch.promote_types(like.dtype, torch.float32) if like.is_cpu else like.dtype
        # Keys and values of a token are adjacent: both are written at once.
        self.memory = like.new_empty(
            (config.n_layer, n_slots, capacity, 2 * self.n_kv_head, config.head_width), dtype=dtype
        )
        self.layers = [layer.flatten(0, 1).flatten(1) for layer in self.memory]
        """The memory of each layer, a row for each token of each slot."""
        self.lengths = [0] * n_slots
        """Number of tokens in each slot."""
        self._n_reserved = 0

    def begin(self, slot: int, n_tokens: int) -> KVCache:
        """Return a cache that reads the first tokens of a text into a slot.

        Args:
            slot: its number; what was in it is lost.
            n_tokens: how many tokens are read.
        """
        self._reserve(n_tokens)
        self.lengths[slot] = n_tokens
        memory = self.memory[:, slot : slot + 1].transpose(2, 3)  # (layers, 1, heads, tokens, hs)
        keys, values = memory[:, :, : self.n_kv_head], memory[:, :, self.n_kv_head :]
        return KVCache(keys.unbind(), values.unbind())

    def move(self, slot: int, to: int) -> None:
        """Copy the text in a slot to another."""
        length = self.lengths[slot]
        self.memory[:, to, :length] = self.memory[:, slot, :length]
        self.lengths[to] = length

    def read(self, n_slots: int, n_tokens: int) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of every layer, (n_slots, n_kv_head, n_tokens, hs), as views."""
        self._reserve(n_tokens)
        memory = self.memory[:, :n_slots, :n_tokens].transpose(2, 3)
        keys, values = memory[:, :, : self.n_kv_head], memory[:, :, self.n_kv_head :]
        return list(zip(keys.unbind(), values.unbind(), strict=True))

    def _reserve(self, n_tokens: int) -> None:
        """Initialise the memory of the first n_tokens of all slots.

        It may hold NaN, which a mask would not hide; all at once, it would be in use at once.
        """
        if n_tokens > self._n_reserved:
            end = min(self.capacity, RESERVED * math.ceil(n_tokens / RESERVED))
            self.memory[:, :, self._n_reserved : end].zero_()
            self._n_reserved = end
