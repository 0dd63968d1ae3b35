"""The GPT: a decoder-only transformer with a configurable architecture.

Sources: Vaswani et al. 2017 (attention, sinusoidal positions), Radford et al. 2019 (GPT-2: norms
before the sublayers, scaled initial weights), Su et al. 2021 (rotary positions), Zhang & Sennrich
2019 (RMS norm), So et al. 2021 (squared ReLU), Shazeer 2020 (SwiGLU), Henry et al. 2020 (QK norm),
Ainslie et al. 2023 (grouped-query attention).

Sizes in shape comments: B sequences, T tokens, C channels (n_embd), nh heads, hs channels per head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from textmill.config import ModelConfig
from textmill.model.attention import (
    FLEX_BLOCK,
    MIN_FLEX_WIDTH,
    Mask,
    additive_mask,
    attend,
    block_mask,
)
from textmill.model.kv_cache import KVCache
from textmill.model.positions import angles, positions_within, rotate

INIT_STD = 0.02


class Attention(nn.Module):
    """Multi-head scaled dot-product attention, softmax(QKᵀ/√hs)V (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.n_head, self.n_kv_head = config.n_head, config.kv_heads
        self.head_width = config.head_width
        self.dropout = config.dropout
        self.eps = config.eps
        width = (self.n_head + 2 * self.n_kv_head) * self.head_width
        self.c_attn = nn.Linear(config.n_embd, width, bias=config.has_qkv_bias)
        self.q_norm, self.k_norm = (
            nn.RMSNorm(self.head_width, eps=config.eps) if config.qk_norm else None
            for _ in range(2)
        )
        self.c_proj = nn.Linear(self.n_head * self.head_width, config.n_embd, bias=config.bias)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor] | None,
        attention_mask: Mask | None,
        is_causal: bool,
        cache: KVCache | None,
    ) -> Tensor:
        """Return the attention output, (B, T, C)."""
        B, T, _ = x.shape
        heads = self.c_attn(x).view(B, T, -1, self.head_width)  # heads of q, k and v
        # Queries and keys are normalised and rotated together, which takes half the calls.
        qk, v = heads.split((self.n_head + self.n_kv_head, self.n_kv_head), dim=2)
        if (weight := self.qk_weight()) is not None:
            # In mixed precision, a product with 32-bit weights would have 32 bits.
            qk = F.rms_norm(qk, qk.shape[-1:], eps=self.eps) * weight.to(qk.dtype)
        if rotation is not None:
            qk = rotate(qk, *rotation)
        q, k = qk.transpose(1, 2).split((self.n_head, self.n_kv_head), dim=1)  # (B, nh, T, hs)
        v = v.transpose(1, 2)
        if cache is not None:
            k, v = cache.extend(self.layer, k, v)
        dropout = self.dropout if self.training else 0.0
        y = attend(q, k, v, attention_mask, is_causal, dropout)
        projected: Tensor = self.c_proj(y.transpose(1, 2).reshape(B, T, -1))
        return projected

    def qk_weight(self) -> Tensor | None:
        """Return the weights of the norms of queries and keys, a row per head; None: no norms."""
        if self.q_norm is None or self.k_norm is None:
            return None
        q, k = self.q_norm.weight, self.k_norm.weight
        return torch.cat((q.expand(self.n_head, -1), k.expand(self.n_kv_head, -1)))


class MLP(nn.Module):
    """The feed-forward sublayer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        width = config.inner_width
        wide = 2 * width if config.is_gated else width
        self.c_fc = nn.Linear(config.n_embd, wide, bias=config.bias)
        self.c_proj = nn.Linear(width, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the MLP output, (B, T, C)."""
        projected: Tensor = self.c_proj(self.activate(self.c_fc(x)))
        return projected

    def activate(self, x: Tensor) -> Tensor:
        """Return the activations, (..., inner width), of the output of the first layer."""
        match self.activation:
            case "relu":
                x = F.relu(x)
            case "gelu":
                x = F.gelu(x, approximate="tanh")  # as in the released GPT-2
            case "gelu_exact":
                x = F.gelu(x)
            case "relu_squared":
                x = F.relu(x)
                x = x * x  # same values as square(), whose backward pass computes a power
            case "swiglu":
                gate, x = x.chunk(2, dim=-1)
                x = F.silu(gate) * x
        return x


class Block(nn.Module):
    """One layer: attention and MLP, each with its norm and a residual connection."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.is_pre_norm = config.norm_placement == "pre"
        self.is_parallel = config.parallel_residual
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
        if self.is_parallel:
            x = x + self.drop(self.attn(self.ln_1(x), *attend)) + self.drop(self.mlp(self.ln_2(x)))
        elif self.is_pre_norm:
            x = x + self.drop(self.attn(self.ln_1(x), *attend))
            x = x + self.drop(self.mlp(self.ln_2(x)))
        else:
            x = self.ln_1(x + self.drop(self.attn(x, *attend)))
            x = self.ln_2(x + self.drop(self.mlp(x)))
        return x


class GPT(nn.Module):
    """The transformer, from token ids to logits.

    Parameter names are those of the released GPT-2 (`wte`, `h.0.attn.c_attn`, …), so that models
    with its architecture exchange weights with it by name.

    Raises:
        ValueError: the configuration has no vocab_size.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.vocab_size is None:
            raise ValueError("model.vocab_size is not set: set it to the number of token ids.")
        self.config = config
        self.activation_checkpointing = False
        """Whether to recompute the layers' activations in the backward pass instead of storing them
        (Chen et al. 2016): less memory, a third more time, the same result."""
        self.compiles_attention = True
        """Whether a GPU may use FlexAttention, which is compiled; not worthwhile for texts of any
        length, nor possible on machines without a C compiler."""
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
            table = angles(config)
            self.register_buffer("cos", table.cos(), persistent=False)
            self.register_buffer("sin", table.sin(), persistent=False)
        self.apply(_init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                # Each layer adds twice to the residual stream: keeps its variance constant.
                nn.init.normal_(parameter, std=INIT_STD / math.sqrt(2 * config.n_layer))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.wte.weight.device

    def n_matmul_parameters(self) -> int:
        """Return the number of parameters in matrix products: those of layers and output head.

        A task may have replaced the output head by one without parameters.
        """
        matrices = sum(p.numel() for layer in self.h for p in layer.parameters() if p.dim() == 2)
        return matrices + sum(p.numel() for p in self.lm_head.parameters())

    def flops_per_token(self, n_tokens: int) -> int:
        """Return the FLOPs of a training step per token, for rows of n_tokens.

        The backward pass costs twice the forward pass (Chowdhery et al. 2022, appendix B).
        """
        config = self.config
        width = config.n_head * config.head_width
        return 6 * self.n_matmul_parameters() + 12 * config.n_layer * width * n_tokens

    def new_cache(
        self, batch_size: int, capacity: int | None = None, padding: Tensor | None = None
    ) -> KVCache:
        """Return an empty cache for decoding a batch of sequences.

        Args:
            batch_size: rows, B.
            capacity: maximum tokens per row, padding included; None: block_size.
            padding: (B,), int64, number of padding tokens at the start of each row.
        """
        config = self.config
        shape = (
            batch_size,
            config.kv_heads,
            capacity or config.block_size,
            config.head_width,
        )
        keys, values = (
            [self.wte.weight.new_empty(shape) for _ in range(config.n_layer)] for _ in range(2)
        )
        return KVCache(keys, values, padding)

    def forward(
        self,
        input_ids: Tensor,
        documents: Tensor | None = None,
        is_causal: bool = True,
        cache: KVCache | None = None,
        predicted: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, vocab_size); the other arguments are those of `hidden`.

        With predicted, (B, T), bool, these are of its N positions alone, (N, vocab_size): the
        output layer is expensive.
        """
        hidden = self.hidden(input_ids, documents, is_causal, cache)
        logits: Tensor = self.lm_head(hidden if predicted is None else hidden[predicted])
        return logits

    def hidden(
        self,
        input_ids: Tensor,
        documents: Tensor | None = None,
        is_causal: bool = True,
        cache: KVCache | None = None,
        prefix: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states after the last norm, (B, T, n_embd).

        Args:
            input_ids: (B, T), int64.
            documents: (B, T), integer document ids; tokens attend only within their document, and
                positions count from its first token. Equal ids must be adjacent. None: each row is
                one document.
            is_causal: whether a token attends only to itself and the tokens before it.
            cache: keys and values of the preceding tokens; extended by these. With a cache, each
                row is one document, after the cache's padding.
            prefix: (B,), int64, number of tokens at the start of each row that attend to each other
                in both directions, the others being causal (prefix language model; Raffel et al.
                2020, section 3.2.1). Only without documents and cache.

        Raises:
            ValueError: more tokens than block_size.
        """
        T = input_ids.size(1)
        n_tokens = T if cache is None else cache.length + T - cache.min_padding
        if n_tokens > self.config.block_size:
            raise ValueError(
                f"{n_tokens} tokens do not fit into model.block_size={self.config.block_size}: "
                "shorten the text, or train a model with a larger block_size."
            )
        mask: Mask | None
        if cache is not None:
            mask, positions = cache.attention_mask(T, is_causal), cache.positions(T)
        else:
            if prefix is None:
                mask = self._attention_mask(documents, is_causal)
            else:
                mask = self._prefix_mask(prefix, T)
            positions = torch.arange(T, device=input_ids.device)
            if documents is not None and self.config.position != "rotary":
                positions = positions_within(
                    documents
                )  # rotary attention depends on distances only
        is_causal = is_causal and mask is None and T > 1

        x = self.drop(self.embed(input_ids, positions))
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
        """Return the attention mask, or None if none is needed."""
        if documents is None:
            return None
        if self._uses_flex_attention(documents):
            return block_mask(documents, is_causal)
        same = documents[:, None, :, None] == documents[:, None, None, :]
        return self._prepared(same.tril() if is_causal else same)

    def _prefix_mask(self, prefix: Tensor, n_tokens: int) -> Tensor:
        keys = torch.arange(n_tokens, device=prefix.device)
        is_past = keys <= keys[:, None]
        return self._prepared(is_past | (keys < prefix[:, None, None, None]))

    def _prepared(self, mask: Tensor) -> Tensor:
        """Return the mask in the form that the device's kernel needs."""
        if not mask.is_cpu:
            return mask
        is_mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_mixed else self.wte.weight.dtype
        return additive_mask(mask, dtype)  # once for all layers

    def _uses_flex_attention(self, documents: Tensor) -> bool:
        """Return whether to use FlexAttention, which needs no mask of all token pairs.

        Its GPU kernels have no dropout. They are compiled for each sequence length, so they are
        used only for multiples of its block size, as in pretraining, not for texts of any length.
        """
        config = self.config
        has_dropout = self.training and config.dropout > 0
        is_wide = config.head_width >= MIN_FLEX_WIDTH
        is_whole = documents.size(1) % FLEX_BLOCK == 0
        return (
            self.compiles_attention
            and documents.is_cuda
            and is_whole
            and is_wide
            and not has_dropout
        )

    def embed(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        """Return the embeddings of tokens, (..., n_embd), at positions of the last dimensions."""
        x: Tensor = self.wte(input_ids)
        if self.wpe is not None:
            x = x + self.wpe(positions)
        elif self.config.position == "sinusoidal":
            # Vaswani et al. 2017, section 3.4: embeddings are scaled by the square root of n_embd.
            table = torch.stack((self.sin[positions], self.cos[positions]), dim=-1)
            x = x * math.sqrt(self.config.n_embd) + table.flatten(-2)[..., : x.size(-1)]
        return x


def _norm(config: ModelConfig) -> nn.Module:
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, eps=config.eps)
    return nn.LayerNorm(config.n_embd, eps=config.eps, bias=config.bias)


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
