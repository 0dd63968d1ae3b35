"""The exposure of a secret: how much better than chance a model ranks it among alternatives.

Source: Carlini et al. 2019, "The Secret Sharer: Evaluating and Testing Unintended Memorization in
Neural Networks", sections 4.2 and 4.3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CHANCE = 1 / math.log(2)
"""Mean exposure of secrets that a model has not read, in bits: that of uniform ranks."""
TAIL = 10.0
"""Standard deviations of the tail that is integrated: the rest is below 2^-70."""
GRID = 4001


def exposure(loss: float, others: NDArray[np.float64], n_secrets: int) -> float:
    """Return log2 of the number of possible secrets, minus log2 of the rank of one, in bits.

    The rank is estimated from alternatives at random, so that 2 to the power of minus the exposure
    is the p-value of a permutation test: a secret that the model has not read has an exposure above
    x with a probability of at most 2^-x. If the loss is below those of all n alternatives, their
    skew-normal distribution is extrapolated: beyond log2(n + 1) bits, this depends on how well that
    fits.

    Args:
        loss: of the secret, as a text's negative log-likelihood.
        others: (n,), the losses of alternatives that the model has not read; with all of them, the
            rank is exact.
        n_secrets: number of possible secrets, the maximum of ranks.
    """
    n_better = int((others <= loss).sum())
    found = math.log2((len(others) + 1) / (n_better + 1))
    if n_better == 0 and len(others) + 1 < n_secrets and np.ptp(others) > 0:
        found = max(found, -log2_share_below(loss, others))
    return min(found, math.log2(n_secrets))


def log2_share_below(loss: float, others: NDArray[np.float64]) -> float:
    """Return log2 of the share of losses up to this one in the skew-normal fitted to others.

    The density is integrated on a logarithmic scale: SciPy's distribution function has too large
    an absolute error for shares of 10^-9 and less.
    """
    from scipy.special import logsumexp
    from scipy.stats import skewnorm  # takes a second, which readers of outcomes need not wait

    shape, mean, scale = skewnorm.fit(others)
    end = (loss - mean) / scale
    points = np.linspace(min(end, 0.0) - TAIL, end, GRID)
    width = points[1] - points[0]
    return float(logsumexp(skewnorm.logpdf(points, shape)) + math.log(width)) / math.log(2)
