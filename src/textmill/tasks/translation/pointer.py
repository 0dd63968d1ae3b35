"""A pointer to the tokens of the source, which a translation may copy.

Source: See et al. 2017 (the pointer-generator network), section 2.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INITIAL_GATE = -3.0
"""Initial log-odds of copying."""


class Pointer(nn.Module):
    """Attention of hidden states to those of the source, and the choice to copy or to generate.

    Sizes in shape comments: N positions, S source tokens, C channels, V tokens of the vocabulary.
    """

    def __init__(self, n_embd: int) -> None:
        super().__init__()
        self.query = nn.Linear(n_embd, n_embd, bias=False)
        self.key = nn.Linear(2 * n_embd, n_embd, bias=False)
        self.gate = nn.Linear(n_embd, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, INITIAL_GATE)

    def keys(self, hidden: Tensor, is_source: Tensor) -> Tensor:
        """Return the keys of the tokens of the source, (B, S, C).

        The key of a token is that of its own hidden state and of the one before, which predicts it:
        similar contexts continue with the same token (Khandelwal et al. 2020).

        Args:
            hidden: (B, S, C).
            is_source: (B, S), bool, the tokens of the source, which are adjacent.
        """
        before = F.pad(hidden * is_source[..., None], (0, 0, 1, -1))
        keys: Tensor = self.key(torch.cat((before, hidden), dim=-1))
        return keys

    def attend(self, hidden: Tensor, keys: Tensor, is_source: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attention to the source, (B, T, S), and the log-odds of copying, (B, T).

        Args:
            hidden: (B, T, C).
            keys: (B, S, C), of the source.
            is_source: (B, S), bool, at least one True per row.
        """
        scores = (self.query(hidden) @ keys.transpose(1, 2)).float() * keys.size(-1) ** -0.5
        weights = scores.masked_fill(~is_source[:, None], -torch.inf).softmax(dim=-1)
        return weights, self.gate(hidden)[..., 0].float()


def target_log_probability(
    log_p: Tensor, weights: Tensor, gate: Tensor, source: Tensor, targets: Tensor
) -> Tensor:
    """Return the log-probability of every target, (N,).

    Args:
        log_p: (N, V), the log-probabilities of the vocabulary.
        weights: (N, S), the attention to the source.
        gate: (N,), the log-odds of copying.
        source: (N, S), the tokens of the source.
        targets: (N,).
    """
    generated = log_p.gather(1, targets[:, None])[:, 0]
    copied = (weights * (source == targets[:, None])).sum(dim=-1).clamp(min=1e-12).log()
    return torch.logaddexp(F.logsigmoid(-gate) + generated, F.logsigmoid(gate) + copied)


def log_probabilities(logits: Tensor, weights: Tensor, gate: Tensor, source: Tensor) -> Tensor:
    """Return the log-probabilities of all tokens, (N, V).

    Args:
        logits: (N, V), of the vocabulary.
        weights: (N, S), the attention to the source.
        gate: (N,), the log-odds of copying.
        source: (N, S), the tokens of the source.
    """
    share = gate.sigmoid()[:, None]
    generated = logits.softmax(dim=-1) * (1 - share)
    return generated.scatter_add_(1, source, (weights * share).to(generated.dtype)).log()
