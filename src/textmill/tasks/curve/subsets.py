"""Nested subsets of training examples, with all labels in the proportions of the whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textmill.config import CurveConfig
from textmill.errors import InputError


def sizes_of(
    config: CurveConfig, task: str, examples: Sequence[Any], stratum: Callable[[Any], str] | None
) -> list[int]:
    """Return the sizes of the subsets, ascending; the last contains all examples.

    Args:
        config: the curve section.
        task: name of the task, for messages.
        examples: the training examples.
        stratum: returns the label of an example, if it has one.

    Raises:
        InputError: there are fewer examples than in the smallest subset, or than labels in it.
    """
    n = len(examples)
    sizes = [*(size for size in config.labels if size < n), n]
    setting = f"tasks.{task}.curve.labels"
    if config.labels and n < config.labels[0]:
        raise InputError(
            f"{setting} begins with {config.labels[0]}, but the task has only {n} training "
            f"examples: lower it, or set {setting}=[]."
        )
    n_labels = len(set(map(stratum, examples))) if stratum is not None else 1
    if sizes[0] < n_labels:
        raise InputError(
            f"{setting} begins with {sizes[0]}, fewer than the {n_labels} labels of the task: "
            f"raise it to {n_labels} or more, or remove it."
        )
    return sizes


def ranked(examples: Sequence[Any], stratum: Callable[[Any], str] | None, seed: int) -> list[int]:
    """Return the indices of examples in an order of which every beginning is a subset.

    A beginning with at least as many examples as there are labels contains every label. Otherwise
    labels are spread evenly: the k-th of n examples of a label is at (k + 1/2) / n.

    Args:
        examples: the training examples.
        stratum: returns the label of an example; None: the order is random.
        seed: of the order.
    """
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(examples)).tolist():
        groups["" if stratum is None else stratum(examples[index])].append(index)
    due = [
        (k > 0, (k + 0.5) / len(group), index)
        for group in groups.values()
        for k, index in enumerate(group)
    ]
    due.sort(key=lambda one: one[:2])  # stable: labels at the same place are in random order
    return [index for _, _, index in due]


def subset(examples: Sequence[Any], order: Sequence[int], size: int) -> list[Any]:
    """Return the first examples of an order, in the order of the examples themselves."""
    return [examples[index] for index in sorted(order[:size])]
