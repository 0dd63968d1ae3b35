"""The labels that follow from their probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.tasks.classification import answers as single
from textmill.tasks.classification.answers import PREDICT_BATCH, WRITES, Texts, columns, prepare
from textmill.tasks.multilabel.examples import Example, Spec, label_numbers

__all__ = [
    "PREDICT_BATCH",
    "WRITES",
    "ThresholdCounts",
    "answer",
    "columns",
    "details",
    "fit_decision",
    "prepare",
    "targets",
]

THRESHOLDS = (0.01, 0.02, 0.03, *(n / 20 for n in range(1, 20)))
"""Thresholds that are tried."""

Floats = NDArray[np.floating]


def details(spec: Spec, score: Floats) -> dict[str, Any]:
    """Return the probabilities of all labels, unless these are very many."""
    return single.details(spec, np.asarray(score)[:, 1])


def targets(spec: Spec, example: Example) -> list[int]:
    """Return 1 for each label that the example has, and 0 for the others, in their order."""
    [numbers] = label_numbers(spec, [example])
    found = np.zeros(len(spec.labels), int)
    found[[*numbers]] = 1
    return [*map(int, found)]


def answer(
    spec: Spec, prepared: Sequence[Texts], scores: Sequence[Floats]
) -> Iterator[dict[str, Any]]:
    """Yield the labels of each text with their probabilities, the most probable first.

    No text is truncated.

    Args:
        spec: the labels, and the threshold.
        prepared: the texts.
        scores: the probabilities of each text to lack and to have the labels, (labels, 2).
    """
    for rows in scores:
        p = np.asarray(rows)[:, 1]
        chosen = [
            int(number) for number in np.argsort(-p, kind="stable") if p[number] >= spec.threshold
        ]
        labels = [{"label": spec.labels[number], "score": float(p[number])} for number in chosen]
        yield {"labels": labels, "is_cut": False}


def fit_decision(spec: Spec, scores: Sequence[Floats], examples: Sequence[Example]) -> Spec:
    """Return the settings with the threshold that gives the highest micro-averaged F1.

    It is the same for all labels: for calibrated probabilities, the best threshold is half of the
    best F1 (Lipton et al. 2014), and few examples of a rare label tell little about its own.
    """
    counts = ThresholdCounts()
    for rows, example in zip(scores, examples, strict=True):
        counts.add(np.asarray(rows)[:, 1], np.array(targets(spec, example), bool))
    return replace(spec, threshold=counts.best()[0])


class ThresholdCounts:
    """Counts labels by threshold, for the threshold with the highest micro-averaged F1."""

    def __init__(self) -> None:
        self._thresholds = np.array(THRESHOLDS)
        self._right = np.zeros(len(THRESHOLDS), np.int64)
        self._predicted = np.zeros(len(THRESHOLDS), np.int64)
        self._n_expected = 0

    def add(self, probabilities: Floats, is_label: NDArray[np.bool_]) -> None:
        """Count the labels of some examples; both arguments have the same shape."""
        for counts, values in (
            (self._right, probabilities[is_label]),
            (self._predicted, probabilities.ravel()),
        ):
            # The number of thresholds that each value reaches.
            reached = np.searchsorted(self._thresholds, values, side="right")
            of_each = np.bincount(reached, minlength=len(THRESHOLDS) + 1)
            counts += of_each[::-1].cumsum()[::-1][1:]
        self._n_expected += int(is_label.sum())

    def best(self) -> tuple[float, float]:
        """Return the best threshold, of equals the nearest to 0.5, and its F1."""
        f1 = 2 * self._right / np.maximum(1, self._predicted + self._n_expected)
        best = max(range(len(f1)), key=lambda i: (f1[i], -abs(THRESHOLDS[i] - 0.5)))
        return THRESHOLDS[best], float(f1[best])
