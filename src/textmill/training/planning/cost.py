"""The time and memory of trainings of any size, derived from a few that were measured.

Within a width, time is linear in the number of layers and in the size of the vocabulary. Between
measured widths, the speed of each part, in operations per second, is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.optimize import nnls

FORWARD_SHARE = 1 / 3
"""Share of the forward pass in the time of a training step."""
MIN_PART = 0.1
"""Minimum of a part's measured time, as a share of that at the mean speed: for a small part, the
difference of two measurements may even be negative."""
PROCESS_BYTES = 0.7 * 2**30
"""Memory of a training process before it has a model: Python, torch and Lightning."""
PARAMETER_BYTES = 16
"""Weights, gradients and the two moments of AdamW, 4 bytes each."""
LOGIT_BYTES = 14
"""Per token and entry of the vocabulary: in 16 and 32 bits, their exponentials and gradients."""
ACTIVATION_BYTES = 50
"""Per token, layer and channel, kept for the backward pass."""


class Point(BaseModel):
    """A measured training: the time of one micro-batch, and that of the optimizer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_layer: int
    n_embd: int
    vocab_size: int
    rows: int
    """Sequences of the micro-batch."""
    block_size: int
    parameters: int
    micro_batch_s: float
    optimizer_s: float


class Cost:
    """Predicts times and memory of trainings on one machine.

    Args:
        points: for each width, trainings that differ in layers, and in the vocabulary's size.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        ordered = sorted(points, key=lambda point: point.n_embd)
        parts = [_parts(list(group)) for _, group in groupby(ordered, lambda point: point.n_embd)]
        self._widths = np.log([width for width, *_ in parts])
        self._layers, self._output, self._rest, self._optimizer = np.array(
            [speeds for _, *speeds in parts]
        ).T

    def _at(self, values: NDArray[np.float64], n_embd: int) -> float:
        return float(np.interp(np.log(n_embd), self._widths, values))

    def tokens_s(
        self,
        n_layer: int,
        n_embd: int,
        vocab_size: int,
        width: int,
        n_tokens: float,
        n_targets: float,
    ) -> float:
        """Return the seconds of forward and backward pass over some tokens.

        Args:
            n_layer: layers.
            n_embd: channels.
            vocab_size: entries of the output layer.
            width: tokens that each token attends among, those of its row.
            n_tokens: number of tokens, padding included.
            n_targets: number of them at which the output layer is computed.
        """
        layers = n_layer * n_tokens * _layer_flops(n_embd, width) / self._at(self._layers, n_embd)
        output = n_targets * vocab_size * 6 * n_embd / self._at(self._output, n_embd)
        return layers + output + n_tokens * self._at(self._rest, n_embd)

    def optimizer_s(self, parameters: int, n_embd: int) -> float:
        """Return the seconds of an update of the weights."""
        return parameters * self._at(self._optimizer, n_embd)


def n_parameters(n_layer: int, n_embd: int, vocab_size: int) -> int:
    """Return the number of parameters, with a tied output layer, without norms and biases."""
    return n_layer * 12 * n_embd**2 + vocab_size * n_embd


def memory_bytes(
    n_layer: int, n_embd: int, vocab_size: int, n_tokens: float, n_targets: float
) -> float:
    """Return the peak memory of a training process; arguments as of `Cost.tokens_s`."""
    return (
        PROCESS_BYTES
        + PARAMETER_BYTES * n_parameters(n_layer, n_embd, vocab_size)
        + LOGIT_BYTES * n_targets * vocab_size
        + ACTIVATION_BYTES * n_tokens * n_layer * n_embd
    )


def _parts(points: Sequence[Point]) -> tuple[int, float, float, float, float]:
    """Return what the points of one width have in common.

    Returns:
        The width; FLOP/s of the layers; those of the output layer; other seconds per token; seconds
        of the optimizer per parameter.
    """
    n_embd, block_size = points[0].n_embd, points[0].block_size
    n_tokens = points[0].rows * block_size
    layer, entry = n_tokens * _layer_flops(n_embd, block_size), n_tokens * 6 * n_embd
    seconds = np.array([point.micro_batch_s for point in points])
    parts = np.array([(p.n_layer * layer, p.vocab_size * entry, n_tokens) for p in points])
    # Weighted for relative errors.
    found = nnls(parts / seconds[:, None], np.ones(len(points)))[0]
    least = MIN_PART * seconds.sum() / parts[:, :2].sum()
    return (
        n_embd,
        1 / max(float(found[0]), least),
        1 / max(float(found[1]), least),
        float(found[2]),
        sum(p.optimizer_s for p in points) / sum(p.parameters for p in points),
    )


def _layer_flops(n_embd: int, width: int) -> float:
    """Return the FLOPs of a layer's training per token (Chowdhery et al. 2022, appendix B)."""
    return 6 * 12 * n_embd**2 + 12 * n_embd * width
