"""Measures of drift between new text and training text, and their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from textmill.config import DriftConfig


def rare_share(counts: NDArray[np.int64], training: NDArray[np.int64], at_most: int) -> float:
    """Return the share of tokens that were rare in training.

    Args:
        counts: (vocab_size,), count of each token in the evaluated text.
        training: (vocab_size,), count of each token in the training split.
        at_most: maximum count in training of a rare token.
    """
    return float(counts[training <= at_most].sum() / max(1, counts.sum()))


def label_shift(new: Iterable[str], known: Iterable[str]) -> float:
    """Return the total variation distance between the label distributions, from 0 to 1.

    Applied to a model's predictions for both texts, it detects label shift without labelled data,
    as the model's errors are the same on both (Lipton et al. 2018, "Detecting and Correcting for
    Label Shift with Black Box Predictors").
    """
    left, right = Counter(new), Counter(known)
    n_left, n_right = max(1, left.total()), max(1, right.total())
    labels = left.keys() | right.keys()
    return sum(abs(left[x] / n_left - right[x] / n_right) for x in labels) / 2


def share_shift(new: Sequence[Collection[str]], known: Sequence[Collection[str]]) -> float:
    """Return the largest difference of a label's share of the texts, from 0 to 1.

    It is the total variation distance of the one label, where texts have any number of them.
    """
    left, right = (Counter(chain.from_iterable(side)) for side in (new, known))
    n_left, n_right = max(1, len(new)), max(1, len(known))
    labels = left.keys() | right.keys()
    return max((abs(left[x] / n_left - right[x] / n_right) for x in labels), default=0.0)


def crossed_limits(metrics: Mapping[str, float], config: DriftConfig) -> list[str]:
    """Return a description of each limit that the metrics of the drift step exceed."""
    found = []
    if metrics["bits_ratio"] > config.max_bits_ratio:
        found.append(
            f"the backbone needs {metrics['bits_ratio']:.2f} times the bits per byte of its "
            f"validation split (limit {config.max_bits_ratio})"
        )
    if metrics["rare_increase"] > config.max_rare_increase:
        found.append(
            f"the share of rare tokens is {metrics['rare_increase']:.3f} above that of the "
            f"validation split (limit {config.max_rare_increase})"
        )
    for name in config.tasks:
        shift = metrics[f"label_shift/{name}"]
        if shift > config.max_label_shift:
            found.append(
                f"the labels of {name} have shifted by {shift:.2f} (limit {config.max_label_shift})"
            )
    return found
