"""The standard error of any score, by the delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

N_GROUPS = 20


def standard_error(n: int, score: Callable[[NDArray[np.bool_]], float]) -> float:
    """Return the standard error of a score of examples, which may have any form.

    Source: Efron & Tibshirani 1993 ("An Introduction to the Bootstrap"), section 11.5.

    Args:
        n: number of examples; of a single one, the error is infinite.
        score: returns the score of the examples in a mask, (n,).
    """
    if n < 2:
        return float("inf")
    groups = np.arange(n) % min(N_GROUPS, n)
    without = np.array([score(groups != group) for group in range(groups.max() + 1)])
    k = len(without)
    return float(np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum()))
