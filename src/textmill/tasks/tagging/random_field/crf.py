"""A linear-chain conditional random field over the tags of a text's words.

Sources: Lafferty et al. 2001 (the model), Sutton & McCallum 2012, section 4.1 (its recursions).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from textmill.tasks.tagging.iob2 import OUTSIDE, can_follow

IMPOSSIBLE = -1e4
"""Score of a transition that IOB2 does not allow; finite, so that gradients are."""


class ConditionalRandomField(nn.Module):
    """Scores of sequences of tags: of each word's tag, and of each pair of adjacent tags.

    The word before the first counts as outside. Only the scores of valid pairs are learned.

    Args:
        labels: the tags, in the order of the scores' columns.
    """

    is_valid: Tensor

    def __init__(self, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.outside = labels.index(OUTSIDE)
        self.pairs = nn.Parameter(torch.zeros(len(labels), len(labels)))
        valid = torch.tensor([[can_follow(before, tag) for tag in labels] for before in labels])
        self.register_buffer("is_valid", valid, persistent=False)

    def loss(self, scores: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """Return the sum of the texts' negative log-likelihoods, in nats.

        Args:
            scores: (B, W, L), of the words of each text, padded.
            labels: (B, W), the tags, padded with any tag.
            lengths: (B,), words of each text.
        """
        transitions = self._transitions()
        before = torch.cat([torch.full_like(labels[:, :1], self.outside), labels[:, :-1]], dim=1)
        of_words = scores.gather(2, labels.unsqueeze(2)).squeeze(2) + transitions[before, labels]
        texts, words = (torch.arange(n, device=scores.device) for n in scores.shape[:2])
        is_word = words < lengths.unsqueeze(1)
        totals = self._forward(scores, transitions)[texts, lengths - 1]
        return totals.logsumexp(dim=-1).sum() - (of_words * is_word).sum()

    def log_probabilities(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Return the log-probability of each tag of each word, (B, W, L), given the whole text.

        The arguments are those of `loss`.
        """
        transitions = self._transitions()
        after = torch.zeros_like(scores[:, 0])
        backward = [after]
        for word in range(scores.size(1) - 1, 0, -1):
            paths = transitions + (scores[:, word] + after).unsqueeze(1)
            after = torch.where((word < lengths).unsqueeze(1), paths.logsumexp(dim=2), 0.0)
            backward.append(after)
        joint = self._forward(scores, transitions) + torch.stack(backward[::-1], dim=1)
        return joint.log_softmax(dim=-1)

    def _forward(self, scores: Tensor, transitions: Tensor) -> Tensor:
        """Return the log of the summed scores of all beginnings that end in a tag, (B, W, L)."""
        total = scores[:, 0] + transitions[self.outside]
        totals = [total]
        for word in range(1, scores.size(1)):
            total = (total.unsqueeze(2) + transitions).logsumexp(dim=1) + scores[:, word]
            totals.append(total)
        return torch.stack(totals, dim=1)

    def _transitions(self) -> Tensor:
        return torch.where(self.is_valid, self.pairs, IMPOSSIBLE)
