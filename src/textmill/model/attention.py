"""What attention computes, by the kernel that is fastest where it runs, and what limits it.

Sizes in shape comments: B sequences, T tokens that ask, S tokens that are looked at, nh heads, hs
channels a head.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

# FlexAttention and all of torch.compiler load torch's compiler, for a second: imported where used.
if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

FLEX_BLOCK = 128
"""Tokens of a block of FlexAttention's masks."""
FLEX_WIDTH = 16
"""Least width of a head that its kernels multiply."""

MATRIX_BYTES = 1024
"""Of a query's scores: up to so many, oneDNN attends faster by whole matrices than by the small
products of torch's fused kernel for the CPU."""

Mask: TypeAlias = "Tensor | BlockMask"
"""Where a query may look: (T, S) or (B, 1, T, S), bool, or added to the scores; or the same by
blocks (FlexAttention, Dong et al. 2024)."""


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
    if mask is not None and not isinstance(mask, Tensor):
        from torch.nn.attention.flex_attention import flex_attention

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


def _takes_fp32() -> bool:
    return torch.get_float32_matmul_precision() == "medium"


def mark_constants() -> None:
    """Tell torch's compiler what stays as it is; without that a compiled pass is several graphs."""
    torch.compiler.assume_constant_result(_takes_fp32)  # type: ignore[no-untyped-call]


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
        scores += added_mask(mask, scores.dtype)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ v if dropout else weights @ v


def added_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
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


def block_mask(documents: Tensor, is_causal: bool) -> BlockMask:
    """Return which blocks of the pairs of tokens have to be computed, and which in part.

    Args:
        documents: (B, T), tokens attend only to those with the same number.
        is_causal: whether a token sees only itself and the tokens before it.
    """
    from torch.nn.attention.flex_attention import create_block_mask

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
