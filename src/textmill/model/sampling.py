"""The choice of the next token: filters of the logits, and sampling from what they keep.

Filters and their order are those of `transformers`. Sizes in shape comments: R rows, V tokens of
the vocabulary, K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from textmill.config import SamplingConfig

MIN_TEMPERATURE = 1e-4
"""Lower temperatures are greedy decoding: the logits divided by them could exceed 32 bits."""


def choose_tokens(
    logits: Tensor,
    config: SamplingConfig,
    generators: Sequence[torch.Generator | None],
    used: Tensor | None = None,
) -> Tensor:
    """Return the next token of each row, (R,).

    Args:
        logits: (R, V).
        config: settings of all rows.
        generators: the random number generator of each row, on the device of the logits; None:
            torch's own. A row's token does not depend on the other rows.
        used: (R, V), bool, the tokens of the prompt and the text; needed only if the configuration
            has a repetition penalty.
    """
    if used is not None:
        logits = penalize(logits, used, config.repetition_penalty)
    if config.temperature < MIN_TEMPERATURE:
        return logits.argmax(dim=-1)
    scores, ids = candidates(logits.float() / config.temperature, config)
    probabilities = scores.softmax(dim=-1)
    rows = zip(probabilities, generators, strict=True)
    drawn = torch.stack([torch.multinomial(row, 1, generator=own) for row, own in rows])  # (R, 1)
    return (drawn if ids is None else ids.gather(1, drawn))[:, 0]


def penalize(logits: Tensor, used: Tensor, penalty: float) -> Tensor:
    """Return the logits, (R, V), with those of used tokens lowered (Keskar et al. 2019, eq. 2)."""
    lowered = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(used, lowered, logits)


def candidates(scores: Tensor, config: SamplingConfig) -> tuple[Tensor, Tensor | None]:
    """Return the scores that the filters keep, (R, K), and their tokens; None: all in order.

    Scores of tokens that a filter removes are minus infinity, unless they are left out.

    Args:
        scores: (R, V), the logits divided by the temperature.
        config: the filters: top_k, top_p and min_p.
    """
    ids, vocab_size = None, scores.size(-1)
    k = min(config.top_k or vocab_size, vocab_size)
    if k < vocab_size or config.top_p < 1:
        scores, ids = scores.topk(k)  # the likeliest first
    if config.top_p < 1:
        # The probability of a token and of all less likely ones: the last ones are left out.
        tail = scores.flip(-1).softmax(dim=-1).cumsum(dim=-1).flip(-1)
        is_removed = tail <= 1 - config.top_p
        is_removed[:, 0] = False
        scores = scores.masked_fill(is_removed, -torch.inf)
    if config.min_p > 0:
        probabilities = scores.softmax(dim=-1)
        least = config.min_p * probabilities.amax(dim=-1, keepdim=True)
        scores = scores.masked_fill(probabilities < least, -torch.inf)
    return scores, ids
