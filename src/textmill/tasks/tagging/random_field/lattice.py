"""The sums over all sequences of tags of many texts, by the forward-backward algorithm.

Words are ordered by their position in their text, and texts by their length, so that one product
of matrices advances all texts by a word.

Sources: Sutton & McCallum 2012, section 4.1; Rabiner 1989, section V.A (the sums of each word are
scaled, instead of computing with logarithms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.tagging.iob2 import OUTSIDE, transition_scores

Floats = NDArray[np.floating]

MIN_FACTOR = 1e-30
"""Lower bound of a factor relative to the largest, so that no product underflows."""


@dataclass(frozen=True)
class Sums:
    """Sums over the sequences of tags of some texts."""

    log_partition: float
    """Of all sequences, the log of the sum, added up over texts, in nats."""
    marginals: NDArray[np.float64]
    """(words, tags), the probability of each tag of each word, in the order of the lattice."""
    pairs: NDArray[np.float64]
    """(tags, tags), the expected number of each pair of adjacent tags."""


class Lattice:
    """The words of some texts, in the order in which their sums are computed.

    Args:
        lengths: the number of words of each text.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        sizes = np.asarray(lengths, np.int64)
        starts = (np.cumsum(sizes) - sizes)[np.argsort(-sizes, kind="stable")]
        positions = np.arange(sizes.max(initial=0))
        counts = len(sizes) - np.searchsorted(np.sort(sizes), positions, side="right")
        each = [starts[:n] + at for at, n in enumerate(counts.tolist())]
        self.rows = np.concatenate([np.empty(0, np.int64), *each])
        """The number of each word among the words of all texts."""
        ends = np.cumsum(counts).tolist()
        self.steps = [slice(end - n, end) for end, n in zip(ends, counts.tolist(), strict=True)]
        """The words at each position."""

    def sums(self, scores: Floats, pairs: Floats, tags: tuple[str, ...]) -> Sums:
        """Return the sums over the sequences that IOB2 allows; the word before a text is outside.

        Args:
            scores: (words, tags), in the order of the lattice.
            pairs: (tags, tags), the score of each tag after each other.
            tags: the names of the columns.
        """
        allowed = pairs + transition_scores(tags)
        transitions = np.maximum(np.exp(allowed - allowed.max(), dtype=np.float64), MIN_FACTOR)
        transitions[np.isneginf(allowed)] = 0.0
        highest = scores.max(axis=1, keepdims=True)
        factors = np.maximum(np.exp(scores - highest, dtype=np.float64), MIN_FACTOR)
        outside = tags.index(OUTSIDE)
        totals, scales = self._forward(factors, transitions, outside)
        factors /= scales[:, None]
        expected = self._backward(totals, factors, transitions)
        if self.steps:
            expected[outside] += totals[self.steps[0]].sum(axis=0)
        # Each word has one score and one transition, of which the highest were divided by.
        taken = highest.sum(dtype=np.float64) + len(scores) * float(allowed.max())
        return Sums(float(np.log(scales).sum() + taken), totals, expected)

    def _forward(
        self, factors: Floats, transitions: Floats, outside: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums of all beginnings that end in a tag, (words, tags), and their scales.

        The sums of a word are divided by its scale, so that they add up to 1.
        """
        totals, scales = np.empty_like(factors, np.float64), np.empty(len(factors))
        before: Floats | None = None
        for step in self.steps:
            n = step.stop - step.start
            paths = transitions[outside] if before is None else before[:n] @ transitions
            before = paths * factors[step]
            scales[step] = before.sum(axis=1)
            before /= scales[step][:, None]
            totals[step] = before
        return totals, scales

    def _backward(
        self, totals: Floats, factors: Floats, transitions: Floats
    ) -> NDArray[np.float64]:
        """Multiply the sums of beginnings by those of continuations; return the expected pairs.

        Args:
            totals: from `_forward`; they become the probabilities of tags.
            factors: divided by the scales.
            transitions: the factors of pairs.
        """
        expected = np.zeros(transitions.shape)
        later: Floats | None = None
        for step in reversed(self.steps):
            after = np.ones(totals[step].shape)
            if later is not None:
                expected += totals[step][: len(later)].T @ later
                after[: len(later)] = later @ transitions.T
            later = factors[step] * after
            totals[step] *= after
        return expected * transitions
