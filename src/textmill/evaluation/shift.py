"""How unlike new text is to the text that a model was trained on: pure measures and limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from textmill.config import DriftConfig


def rare_share(counts: NDArray[np.int64], training: NDArray[np.int64], at_most: int) -> float:
    """Return the share of tokens that were rare in training.

    Args:
        counts: (vocab_size,), how often each token occurs in the text that is judged.
        training: (vocab_size,), how often it occurs in the training split.
        at_most: occurrences in training up to which a token is rare.
    """
    return float(counts[training <= at_most].sum() / max(1, counts.sum()))


def label_shift(new: Iterable[str], known: Iterable[str]) -> float:
    """Return the total variation distance between the shares of labels, from 0 to 1.

    Given a model's predictions on both sides, it shows a shift of the labels without new labels:
    what the model does wrong, it does wrong on both (Lipton et al. 2018, "Detecting and Correcting
    for Label Shift with Black Box Predictors").
    """
    left, right = Counter(new), Counter(known)
    n_left, n_right = max(1, left.total()), max(1, right.total())
    labels = left.keys() | right.keys()
    return sum(abs(left[x] / n_left - right[x] / n_right) for x in labels) / 2


def crossed_limits(metrics: Mapping[str, float], config: DriftConfig) -> list[str]:
    """Return a sentence part for each limit that the measures of the drift step exceed."""
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
