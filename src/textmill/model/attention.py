"""Scaled dot-product attention with the fastest kernel for the device, and masks.

Sizes in shape comments: B sequences, T queries, S keys, nh heads, hs channels per head.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

# FlexAttention and torch.compiler load torch's compiler, which takes a second: imported where used.
if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

FLEX_BLOCK = 128
"""Block size of FlexAttention's masks, in tokens."""
MIN_FLEX_WIDTH = 16
"""Minimum channels per head of FlexAttention's kernels."""

MAX_UNFUSED_BYTES = 1024
"""Bytes of one query's scores up to which unfused attention with oneDNN's large matrix products is
faster than torch's fused CPU kernel with its small ones."""

Mask: TypeAlias = "Tensor | BlockMask"
"""Attention mask: (T, S) or (B, 1, T, S), bool (True: attend) or added to the scores; or a block
mask (FlexAttention, Dong et al. 2024)."""


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask | None, is_causal: bool, dropout: float = 0.0
) -> Tensor:
    """Return softmax(QKᵀ/√hs)V of every head, (B, nh, T, hs), computed by the fastest kernel.

    Args:
        q: (B, nh, T, hs).
        k: (B, n_kv_head, S, hs); equal groups of the nh heads share one of them.
        v: same shape as k.
        mask: the attention mask; a floating-point one is added to the scores. None: no mask.
        is_causal: without a mask, whether query t attends only to keys up to t.
        dropout: probability of dropping an attention weight.
    """
    is_grouped = k.size(1) < q.size(1)
    if mask is not None and not isinstance(mask, Tensor):
        from torch.nn.attention.flex_attention import flex_attention

        flex = _compiled_on(flex_attention, q.device)
        attended: Tensor = flex(q, k, v, block_mask=mask, enable_gqa=is_grouped)
        return attended
    if _uses_onednn(v) and k.size(2) * v.element_size() <= MAX_UNFUSED_BYTES:
        return _attend_unfused(q, k, v, mask, is_causal, dropout)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=is_causal, enable_gqa=is_grouped
    )


def _uses_onednn(x: Tensor) -> bool:
    """Return whether oneDNN computes matrix products of such a tensor."""
    if x.device.type != "cpu":
        return False
    return x.dtype == torch.bfloat16 or (x.dtype == torch.float32 and _onednn_handles_fp32())


def _onednn_handles_fp32() -> bool:
    return torch.get_float32_matmul_precision() == "medium"


def mark_constants() -> None:
    """Declare constants to torch.compile; without that it breaks the graph."""
    torch.compiler.assume_constant_result(_onednn_handles_fp32)  # type: ignore[no-untyped-call]


def _attend_unfused(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, is_causal: bool, dropout: float
) -> Tensor:
    """Return the attention output, by two matrix products with the scores materialised."""
    groups = q.size(1) // k.size(1)
    if groups > 1:
        k, v = (heads.repeat_interleave(groups, dim=1) for heads in (k, v))
    if is_causal:
        mask = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=q.device).tril()
    scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)  # (B, nh, T, S)
    if mask is not None:
        scores += additive_mask(mask, scores.dtype)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ v if dropout else weights @ v


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the mask as values to add to the scores: 0 to attend, minus infinity to ignore."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)


def block_mask(documents: Tensor, is_causal: bool) -> BlockMask:
    """Return FlexAttention's block mask for packed documents.

    Args:
        documents: (B, T); tokens attend only to tokens of the same document.
        is_causal: whether a token attends only to itself and the tokens before it.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    def mask_mod(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = documents[row, query] == documents[row, key]
        return same & (query >= key) if is_causal else same

    B, T = documents.shape
    # Compiled: otherwise it would materialise all pairs of tokens.
    create = _compiled_on(create_block_mask, documents.device)
    mask: BlockMask = create(mask_mod, B, None, T, T, device=documents.device)
    return mask


def _compiled_on(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """Return the function compiled on a GPU; unchanged on a CPU, or inside torch.compile."""
    is_compiled = device.type == "cuda" and not torch.compiler.is_compiling()
    return _compiled(function) if is_compiled else function


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)
