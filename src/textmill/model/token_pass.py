"""The pass of one new token of each text through the GPT, as generation needs it.

It computes the same as `GPT.hidden` with a cache, in fewer and cheaper operations, of which the
time of a small model consists: layers are plain functions of their weights, and residuals are added
by matrix products.

Sizes in shape comments: R texts, C channels (n_embd), nh heads, hs channels per head, S tokens of
the longest text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.model.attention import attend
from textmill.model.gpt import GPT, Block
from textmill.model.slot_cache import SlotCache

Rotate = Callable[[Tensor], Tensor]


class TokenPass:
    """The pass over one new token of each of several texts.

    It holds views of the weights, so it takes no memory.

    Args:
        network: in eval mode; its weights must not change.
    """

    def __init__(self, network: GPT) -> None:
        self.network = network
        self.layers = [_Layer(cast(Block, block)) for block in network.h]
        self.rotation = _Rotation(network) if network.config.position == "rotary" else None

    def __call__(self, tokens: Tensor, slots: SlotCache) -> Tensor:
        """Return the final hidden states of new tokens after the last norm, (R, C).

        Args:
            tokens: (R,), int64, the new token of each text; it is added to its slot.
            slots: the tokens before, fewer than block_size in each slot.
        """
        R = len(tokens)
        lengths = slots.lengths[:R]
        rows = [slot * slots.capacity + n for slot, n in enumerate(lengths)]
        positions = torch.tensor(lengths, device=tokens.device)
        step = _Step(
            rotate=self.rotation.at(positions) if self.rotation is not None else None,
            rows=torch.tensor(rows, device=tokens.device),
            mask=_mask(lengths, positions, like=slots.memory),
        )
        x = self.network.embed(tokens, positions)
        caches = slots.read(R, max(lengths) + 1)
        for layer, memory, (k, v) in zip(self.layers, slots.layers, caches, strict=True):
            x = layer(x, step, _Memory(memory, k, v))
        slots.lengths[:R] = [length + 1 for length in lengths]
        normed: Tensor = self.network.ln_f(x)
        return normed


class _Step(NamedTuple):
    """What all layers need to know of the new tokens."""

    rotate: Rotate | None
    rows: Tensor
    """Where their keys and values are written, (R,)."""
    mask: Tensor | None
    """Added to the scores, (R, 1, 1, S); None: all texts are as long as the longest."""


class _Memory(NamedTuple):
    """The keys and values of a layer."""

    rows: Tensor
    keys: Tensor
    values: Tensor


def _add(residual: Tensor, x: Tensor, layer: nn.Module) -> Tensor:
    """Return the sum of the residual stream and a linear layer's output for x, (R, out)."""
    if type(layer) is not nn.Linear:
        return residual + cast(Tensor, layer(x))
    total = torch.addmm(residual, x, layer.weight.t())
    return total if layer.bias is None else total.add_(layer.bias)


class _Layer:
    """A layer of the network as a function of one new token of each text."""

    def __init__(self, block: Block) -> None:
        attention, mlp = block.attn, block.mlp
        self.is_pre_norm, self.is_parallel = block.is_pre_norm, block.is_parallel
        self.ln_1, self.ln_2 = block.ln_1, block.ln_2
        self.c_attn, self.attn_proj = attention.c_attn, attention.c_proj
        self.c_fc, self.mlp_proj = mlp.c_fc, mlp.c_proj
        self.n_head, self.n_kv_head = attention.n_head, attention.n_kv_head
        self.head_width, self.eps = attention.head_width, attention.eps
        self.qk_weight = attention.qk_weight()
        self.activate = mlp.activate

    def __call__(self, x: Tensor, step: _Step, memory: _Memory) -> Tensor:
        """Return the residual stream after this layer, (R, C)."""
        if self.is_parallel:
            attended = _add(x, self._attend(self.ln_1(x), step, memory), self.attn_proj)
            return _add(attended, self.activate(self.c_fc(self.ln_2(x))), self.mlp_proj)
        if self.is_pre_norm:
            x = _add(x, self._attend(self.ln_1(x), step, memory), self.attn_proj)
            return _add(x, self.activate(self.c_fc(self.ln_2(x))), self.mlp_proj)
        x = self.ln_1(_add(x, self._attend(x, step, memory), self.attn_proj))
        x = self.ln_2(_add(x, self.activate(self.c_fc(x)), self.mlp_proj))
        return x

    def _attend(self, x: Tensor, step: _Step, memory: _Memory) -> Tensor:
        """Return the attention output before its projection, (R, nh * hs)."""
        R, n_qk = len(x), self.n_head + self.n_kv_head
        heads = self.c_attn(x).view(R, n_qk + self.n_kv_head, self.head_width)
        heads = heads.to(memory.rows.dtype)
        qk = heads[:, :n_qk]
        if self.qk_weight is not None:
            qk = F.rms_norm(qk, qk.shape[-1:], eps=self.eps) * self.qk_weight
        if step.rotate is not None:
            qk = step.rotate(qk)
        heads[:, :n_qk] = qk
        memory.rows.index_copy_(0, step.rows, heads[:, self.n_head :].flatten(1))
        # Heads that share keys and values are queries of one head: all attend to the same keys.
        q = heads[:, : self.n_head].view(R, self.n_kv_head, -1, self.head_width)
        y = attend(q, memory.keys, memory.values, step.mask, is_causal=False)
        return y.reshape(R, -1).to(x.dtype)


def _mask(lengths: Sequence[int], positions: Tensor, like: Tensor) -> Tensor | None:
    """Return the attention mask, (R, 1, 1, S); None: all keys are attended to."""
    longest = max(lengths)
    if min(lengths) == longest:
        return None
    keys = torch.arange(longest + 1, device=positions.device)
    is_hidden = keys > positions[:, None]
    return like.new_zeros(is_hidden.shape).masked_fill_(is_hidden, -torch.inf)[:, None, None]


class _Rotation:
    """Rotary positions, as a product with cosines and one of swapped channels with signed sines."""

    def __init__(self, network: GPT) -> None:
        cos, sin = network.cos, network.sin  # (block_size, half of the rotated channels)
        half = cos.size(-1)
        n_kept = network.config.head_width - 2 * half
        self.cos = F.pad(torch.cat((cos, cos), -1), (0, n_kept), value=1.0)[:, None]
        self.sin = F.pad(torch.cat((-sin, sin), -1), (0, n_kept))[:, None]
        channels = torch.arange(network.config.head_width, device=cos.device)
        self.swapped = torch.cat((channels[half : 2 * half], channels[:half], channels[2 * half :]))

    def at(self, positions: Tensor) -> Rotate:
        """Return the rotation of heads, (R, heads, hs), at the positions, (R,)."""
        cos, sin = self.cos[positions], self.sin[positions]  # (R, 1, hs)

        def rotate(x: Tensor) -> Tensor:
            return torch.addcmul(x * cos, x.index_select(-1, self.swapped), sin)

        return rotate
