"""The GPT: one decoder-only transformer whose arrangement is a matter of configuration.

Sources: Vaswani et al. 2017 (attention, sinusoidal positions), Radford et al. 2019 (GPT-2: norms
before the sublayers, scaled initial weights), Su et al. 2021 (rotary positions), Zhang & Sennrich
2019 (RMS norm), So et al. 2021 (squared ReLU), Shazeer 2020 (SwiGLU), Henry et al. 2020 (QK norm),
Ainslie et al. 2023 (grouped-query attention).

Sizes in shape comments: B sequences, T tokens, C channels (n_embd), nh heads, hs channels a head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

from textmill.config import ModelConfig

INIT_STD = 0.02
FLEX_BLOCK = 128
"""Tokens of a block of FlexAttention's masks."""
FLEX_WIDTH = 16
"""Least width of a head that its kernels multiply."""

MATRIX_BYTES = 1024
"""Of a query's scores: up to so many, oneDNN attends faster by whole matrices than by the small
products of torch's fused kernel for the CPU."""

Mask = Tensor | BlockMask
"""Where a query may look: (T, S) or (B, 1, T, S), bool, or added to the scores; or the same by
blocks (FlexAttention, Dong et al. 2024)."""


class KVCache:
    """Keys and values of the tokens read so far, for every layer of one model.

    Args:
        model: the model whose layers write to the cache.
        batch_size: sequences that are decoded side by side.
        capacity: tokens to make room for, padding included; None: the model's block_size.
        padding: (B,), int64, how many tokens at the start of each row stand for nothing: no token
            attends to them, and positions count from the first one after them. None: none do.
    """

    def __init__(
        self,
        model: GPT,
        batch_size: int,
        capacity: int | None = None,
        padding: Tensor | None = None,
    ) -> None:
        config = model.config
        size = capacity or config.block_size
        n_kv_head = config.n_kv_head or config.n_head
        shape = (batch_size, n_kv_head, size, config.n_embd // config.n_head)
        like = model.wte.weight
        self.keys = [like.new_empty(shape) for _ in range(config.n_layer)]
        self.values = [like.new_empty(shape) for _ in range(config.n_layer)]
        self.padding = padding
        self.least_padding = int(padding.min()) if padding is not None else 0
        self.length = 0
        """Tokens held; `GPT.hidden` advances it once all layers have written."""

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values and return those of all tokens so far."""
        end = self.length + k.size(2)
        self.keys[layer][:, :, self.length : end] = k
        self.values[layer][:, :, self.length : end] = v
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Drop the rows whose numbers are not among those given, and renumber the others."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        if self.padding is not None:
            self.padding = self.padding[rows]
            self.least_padding = int(self.padding.min())

    def attention_mask(self, n_new: int) -> Tensor | None:
        """Return what new tokens may look at, (T, S) or (B, 1, T, S), or None where all is.

        T is the number of new tokens and S that of all tokens with them.
        """
        if self.padding is None and (n_new == 1 or self.length == 0):
            return None  # the kernel's own causal mask, if any, does
        device = self.keys[0].device
        keys = torch.arange(self.length + n_new, device=device)
        queries = keys[self.length :, None]
        is_past = keys <= queries  # (T, S)
        if self.padding is None:
            return is_past
        is_token = (keys >= self.padding[:, None])[:, None, None]  # (B, 1, 1, S)
        # Padding looks at itself: a softmax over nothing is not a number, and would spread.
        return is_past & is_token | (keys == queries)

    def positions(self, n_new: int) -> Tensor:
        """Return the positions of new tokens, (T,) or (B, T); padding has position 0."""
        end = self.length + n_new
        positions = torch.arange(self.length, end, device=self.keys[0].device)
        if self.padding is None:
            return positions
        return (positions - self.padding[:, None]).clamp(min=0)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention, softmax(QKᵀ/√hs)V (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.n_head = config.n_head
        self.n_kv_head = config.n_kv_head or config.n_head
        self.qk_norm = config.qk_norm
        self.dropout = config.dropout
        width = (self.n_head + 2 * self.n_kv_head) * (config.n_embd // config.n_head)
        self.c_attn = nn.Linear(config.n_embd, width, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        attention_mask: Mask | None,
        is_causal: bool,
        cache: KVCache | None,
    ) -> Tensor:
        """Return what each token gathers from the tokens it sees, (B, T, C)."""
        B, T, C = x.shape
        heads = self.c_attn(x).view(B, T, -1, C // self.n_head)  # those of q, of k and of v
        # Queries and keys are treated alike: at once, which takes half the calls.
        qk, v = heads.split((self.n_head + self.n_kv_head, self.n_kv_head), dim=2)
        if self.qk_norm:
            qk = F.rms_norm(qk, qk.shape[-1:])
        if rotation is not None:
            qk = rotate(qk, *rotation)
        q, k = qk.transpose(1, 2).split((self.n_head, self.n_kv_head), dim=1)  # (B, nh, T, hs)
        v = v.transpose(1, 2)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        dropout = self.dropout if self.training else 0.0
        y = attend(q, k, v, attention_mask, is_causal, dropout)
        projected: Tensor = self.c_proj(y.transpose(1, 2).reshape(B, T, C))
        return projected


class MLP(nn.Module):
    """The feed-forward sublayer, four times as wide inside (SwiGLU: 8/3, at equal size)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        gated = config.activation == "swiglu"
        width = 8 * math.ceil(config.n_embd / 3) if gated else 4 * config.n_embd
        self.c_fc = nn.Linear(config.n_embd, 2 * width if gated else width, bias=config.bias)
        self.c_proj = nn.Linear(width, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the change to each token by itself, (B, T, C)."""
        x = self.c_fc(x)
        match self.activation:
            case "relu":
                x = F.relu(x)
            case "gelu":
                x = F.gelu(x, approximate="tanh")  # the form of the released GPT-2
            case "relu_squared":
                x = F.relu(x)
                x = x * x  # square() gives the same numbers, and computes a power going back
            case "swiglu":
                gate, x = x.chunk(2, dim=-1)
                x = F.silu(gate) * x
        projected: Tensor = self.c_proj(x)
        return projected


class Block(nn.Module):
    """One layer: attention and MLP, each with its norm and a residual connection."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.is_pre_norm = config.norm_placement == "pre"
        self.ln_1 = _norm(config)
        self.attn = Attention(config, layer)
        self.ln_2 = _norm(config)
        self.mlp = MLP(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        attention_mask: Mask | None,
        is_causal: bool,
        cache: KVCache | None,
    ) -> Tensor:
        """Return the residual stream after this layer, (B, T, C)."""
        attend = (rotation, attention_mask, is_causal, cache)
        if self.is_pre_norm:
            x = x + self.drop(self.attn(self.ln_1(x), *attend))
            x = x + self.drop(self.mlp(self.ln_2(x)))
        else:
            x = self.ln_1(x + self.drop(self.attn(x, *attend)))
            x = self.ln_2(x + self.drop(self.mlp(x)))
        return x


class GPT(nn.Module):
    """The transformer from token ids to logits.

    Parameter names are those of the released GPT-2 (`wte`, `h.0.attn.c_attn`, …), so that a model
    in its arrangement exchanges weights with it by name.

    Raises:
        ValueError: the configuration has no vocab_size.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.vocab_size is None:
            raise ValueError("model.vocab_size is not set: give the number of token ids.")
        self.config = config
        self.activation_checkpointing = False
        """Whether the layers' activations are computed again in the backward pass, and not kept
        for it (Chen et al. 2016): less memory, a third more time, the same numbers."""
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = (
            nn.Embedding(config.block_size, config.n_embd) if config.position == "learned" else None
        )
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = _norm(config)
        output = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_embeddings:
            output.weight = self.wte.weight
        self.lm_head: nn.Module = output
        if config.position != "learned":
            angles = _angles(config)
            self.register_buffer("cos", angles.cos(), persistent=False)
            self.register_buffer("sin", angles.sin(), persistent=False)
        self.apply(_init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                # Each layer adds twice to the residual stream: keep its variance constant.
                nn.init.normal_(parameter, std=INIT_STD / math.sqrt(2 * config.n_layer))

    def n_multiplied(self) -> int:
        """Return the number of parameters that every token is multiplied with.

        The output layer has none where a task has put its own in its place.
        """
        matrices = sum(p.numel() for layer in self.h for p in layer.parameters() if p.dim() == 2)
        return matrices + sum(p.numel() for p in self.lm_head.parameters())

    def flops_per_token(self, n_tokens: int) -> int:
        """Return the operations of a training step for each token of rows of that many.

        Two for a weight and a token, and as many for each pair of tokens; the backward pass costs
        twice the forward pass (Chowdhery et al. 2022, appendix B).
        """
        config = self.config
        return 6 * self.n_multiplied() + 12 * config.n_layer * config.n_embd * n_tokens

    def forward(
        self,
        input_ids: Tensor,
        documents: Tensor | None = None,
        is_causal: bool = True,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the logits (B, T, vocab_size); the arguments are those of `hidden`."""
        logits: Tensor = self.lm_head(self.hidden(input_ids, documents, is_causal, cache))
        return logits

    def hidden(
        self,
        input_ids: Tensor,
        documents: Tensor | None = None,
        is_causal: bool = True,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Return the final hidden states, (B, T, n_embd), normalised.

        Args:
            input_ids: (B, T), int64.
            documents: (B, T), integer; tokens attend only to tokens with the same number, and
                positions count from the first of them. Equal numbers must be adjacent. None: each
                row is one document.
            is_causal: whether a token sees only itself and the tokens before it.
            cache: keys and values of the tokens before these; extended by these. With a cache,
                attention is causal and rows are one document each, after the cache's padding.

        Raises:
            ValueError: more tokens than block_size.
        """
        T = input_ids.size(1)
        n_tokens = T if cache is None else cache.length + T - cache.least_padding
        if n_tokens > self.config.block_size:
            raise ValueError(
                f"{n_tokens} tokens do not fit into model.block_size={self.config.block_size}: "
                "shorten the text, or train a model with a larger block_size."
            )
        mask: Mask | None
        if cache is not None:
            mask, positions = cache.attention_mask(T), cache.positions(T)
        else:
            mask = self._attention_mask(documents, is_causal)
            positions = torch.arange(T, device=input_ids.device)
            if documents is not None and self.config.position != "rotary":
                positions = positions_within(documents)  # rotary attention sees distances alone
        is_causal = is_causal and mask is None and T > 1

        x = self.drop(self._embed(input_ids, positions))
        rotation = None
        if self.config.position == "rotary":
            angles = self.cos[positions], self.sin[positions]  # (T, hs/2) or (B, T, hs/2)
            cos, sin = (part.to(x.dtype).unsqueeze(-2) for part in angles)
            rotation = (cos, sin)
        for block in self.h:
            if self.activation_checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, rotation, mask, is_causal, cache, use_reentrant=False)
            else:
                x = block(x, rotation, mask, is_causal, cache)
        if cache is not None:
            cache.length += T
        normed: Tensor = self.ln_f(x)
        return normed

    def _attention_mask(self, documents: Tensor | None, is_causal: bool) -> Mask | None:
        """Return where a query may look, or None where no mask is needed."""
        if documents is None:
            return None
        if self._uses_blocks(documents):
            return _block_mask(documents, is_causal)
        same = documents[:, None, :, None] == documents[:, None, None, :]
        mask = same.tril() if is_causal else same
        if not documents.is_cpu:
            return mask
        is_mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_mixed else self.wte.weight.dtype
        return _added(mask, dtype)  # once for all layers

    def _uses_blocks(self, documents: Tensor) -> bool:
        """Return whether attention can go by blocks, with no mask of all pairs, on a GPU.

        Its kernels have no dropout. They are compiled for each width of a batch: so only for whole
        blocks, as in pretraining, and not for texts of any length.
        """
        config = self.config
        has_dropout = self.training and config.dropout > 0
        is_wide = config.n_embd // config.n_head >= FLEX_WIDTH
        is_whole = documents.size(1) % FLEX_BLOCK == 0
        return documents.is_cuda and is_whole and is_wide and not has_dropout

    def _embed(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        x: Tensor = self.wte(input_ids)  # (B, T, C)
        if self.wpe is not None:
            x = x + self.wpe(positions)
        elif self.config.position == "sinusoidal":
            # Vaswani et al. 2017, section 3.4: embeddings are scaled up to the table's size.
            table = torch.stack((self.sin[positions], self.cos[positions]), dim=-1)
            x = x * math.sqrt(self.config.n_embd) + table.flatten(-2)[..., : x.size(-1)]
        return x


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask | None, is_causal: bool, dropout: float = 0.0
) -> Tensor:
    """Return softmax(QKᵀ/√hs)V of every head, (B, nh, T, hs), by the kernel that is fastest.

    Args:
        q: (B, nh, T, hs).
        k: (B, kv, S, hs); equal groups of the nh heads share one of the kv.
        v: the same.
        mask: where a query may look; a floating-point one is added to the scores. None: everywhere.
        is_causal: without a mask: whether query t sees the keys up to t alone.
        dropout: share of the weights that are dropped.
    """
    is_grouped = k.size(1) < q.size(1)
    if isinstance(mask, BlockMask):
        flex = _compiled_on(flex_attention, q.device)
        by_blocks: Tensor = flex(q, k, v, block_mask=mask, enable_gqa=is_grouped)
        return by_blocks
    if _is_by_onednn(v) and k.size(2) * v.element_size() <= MATRIX_BYTES:
        return _attend_by_matrices(q, k, v, mask, is_causal, dropout)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal, enable_gqa=is_grouped
    )


def _is_by_onednn(x: Tensor) -> bool:
    """Return whether it is oneDNN that multiplies such a tensor."""
    if x.device.type != "cpu":
        return False
    return x.dtype == torch.bfloat16 or (x.dtype == torch.float32 and _takes_fp32())


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # it would break the graph
def _takes_fp32() -> bool:
    return torch.get_float32_matmul_precision() == "medium"


def _attend_by_matrices(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, is_causal: bool, dropout: float
) -> Tensor:
    """Return what `attend` does, by two products of whole matrices with the scores between them."""
    groups = q.size(1) // k.size(1)
    if groups > 1:
        k, v = (heads.repeat_interleave(groups, dim=1) for heads in (k, v))
    if is_causal:
        mask = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=q.device).tril()
    scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)  # (B, nh, T, S)
    if mask is not None:
        scores += _added(mask, scores.dtype)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ v if dropout else weights @ v


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask that is added to scores: 0 where a query may look, and minus infinity."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return (B, T, nh, hs) turned pairwise by the angles of its positions (Su et al. 2021).

    Args:
        x: (B, T, nh, hs); channel i is paired with channel i + hs/2.
        cos: (T, 1, hs/2), or (B, T, 1, hs/2) where the rows' positions differ.
        sin: the same.
    """
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def positions_within(documents: Tensor) -> Tensor:
    """Return the position of each token in its document, (B, T), counted from 0."""
    index = torch.arange(documents.size(1), device=documents.device).expand_as(documents)
    is_first = F.pad(documents[:, 1:] != documents[:, :-1], (1, 0), value=True)
    return index - (index * is_first).cummax(dim=1).values


def _block_mask(documents: Tensor, is_causal: bool) -> BlockMask:
    """Return which blocks of the pairs of tokens have to be computed, and which in part."""

    def may_look(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = documents[row, query] == documents[row, key]
        return same & (query >= key) if is_causal else same

    B, T = documents.shape
    # Not compiled, it would look at all pairs at once.
    create = _compiled_on(create_block_mask, documents.device)
    mask: BlockMask = create(may_look, B, None, T, T, device=documents.device)
    return mask


def _compiled_on(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """Return a function compiled for a GPU; on a CPU, where tests run it, as it is.

    So too while a function around it is compiled.
    """
    is_compiled = device.type == "cuda" and not torch.compiler.is_compiling()
    return _compiled(function) if is_compiled else function


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


def _angles(config: ModelConfig) -> Tensor:
    """Return the angle of every position and frequency, (block_size, half the width)."""
    width = config.n_embd if config.position == "sinusoidal" else config.n_embd // config.n_head
    frequency = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    positions = torch.arange(config.block_size, dtype=torch.float64)
    return torch.outer(positions, frequency).float()


def _norm(config: ModelConfig) -> nn.Module:
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, eps=1e-6)
    return nn.LayerNorm(config.n_embd, bias=config.bias)


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
