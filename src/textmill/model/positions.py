"""Positions of tokens: angles of sinusoidal and rotary ones, and rotation.

Sizes in shape comments: B sequences, T tokens, nh heads, hs channels per head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from textmill.config import ModelConfig, RotaryScaling


def angles(config: ModelConfig) -> Tensor:
    """Return the angle of every position and frequency, (block_size, half of the width)."""
    width = config.n_embd if config.position == "sinusoidal" else config.rotary_width
    exponents = -torch.arange(0, width, 2, dtype=torch.float64) / width
    frequency = config.rotary_base**exponents
    if config.rotary_scaling is not None:
        frequency = _scaled(frequency, config.rotary_scaling)
    positions = torch.arange(config.block_size, dtype=torch.float64)
    return torch.outer(positions, frequency).float()


def _scaled(frequency: Tensor, scaling: RotaryScaling) -> Tensor:
    """Return rotary frequencies for a context longer than that of the original training.

    Only those of long wavelengths are divided by the factor, as in Llama 3.1 (Grattafiori et al.
    2024, section 3.4.2, and its released code): wavelengths are compared with fractions of the
    original context, and frequencies between them interpolated. Without fractions, all are divided
    (position interpolation; Chen et al. 2023).
    """
    if scaling.kind == "linear":
        return frequency / scaling.factor
    turns = scaling.original_block_size * frequency / (2 * math.pi)
    kept = (turns - scaling.low_turns) / (scaling.high_turns - scaling.low_turns)
    kept = kept.clamp(0, 1)
    return kept * frequency + (1 - kept) * frequency / scaling.factor


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x with rotary position embeddings applied, (B, T, nh, hs) (Su et al. 2021).

    Args:
        x: (B, T, nh, hs); of the first r channels, i is paired with i + r/2; others are kept.
        cos: (T, 1, r/2), or (B, T, 1, r/2) if positions differ between rows.
        sin: same shape as cos.
    """
    width = cos.size(-1)
    a, b = x[..., :width], x[..., width : 2 * width]
    return torch.cat((a * cos - b * sin, a * sin + b * cos, x[..., 2 * width :]), dim=-1)


def positions_within(documents: Tensor) -> Tensor:
    """Return the position of each token in its document, (B, T), counted from 0."""
    index = torch.arange(documents.size(1), device=documents.device).expand_as(documents)
    is_first = F.pad(documents[:, 1:] != documents[:, :-1], (1, 0), value=True)
    return index - (index * is_first).cummax(dim=1).values
