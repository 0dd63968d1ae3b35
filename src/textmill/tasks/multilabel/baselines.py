"""Baselines of multi-label classification: the most frequent labels, and a regression of each.

The second is that of classification, on the same n-grams, for each label against its absence
(binary relevance; Zhang & Zhou 2014, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textmill.evaluation.regression import IndependentClassifier, independent_regressions
from textmill.tasks.classification import baselines as single
from textmill.tasks.classification.baselines import (
    CLASSICAL_BASELINE,
    C,
    NgramClassifier,
    fit_ngrams,
    prepared_texts,
)
from textmill.tasks.ensemble.held_out import decide_on_held_out
from textmill.tasks.multilabel.answers import answer, details, fit_decision
from textmill.tasks.multilabel.examples import Example, Spec, label_numbers

__all__ = ["CLASSICAL_BASELINE", "TRIVIAL_BASELINE", "baselines", "fit", "load"]

TRIVIAL_BASELINE = "most_frequent_labels"
"""The baseline that learns almost nothing."""


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    frequent = [{"label": label} for label in most_frequent(spec)]
    yield TRIVIAL_BASELINE, [{"labels": frequent} for _ in test], ""
    model = fit(spec, train)
    decided = decide_on_held_out(
        spec,
        train,
        lambda rest, others: fit(spec, rest).score(prepared_texts(spec, others)),
        fit_decision,
    )
    prepared = prepared_texts(spec, test)
    scores = [*model.score(prepared)]
    answers = zip(answer(decided, prepared, scores), scores, strict=True)
    yield CLASSICAL_BASELINE, [one | details(spec, row) for one, row in answers], model.note


def most_frequent(spec: Spec) -> list[str]:
    """Return the labels that all texts get: as many as give the highest micro-averaged F1."""
    order = sorted(range(len(spec.labels)), key=lambda number: -spec.shares[number])
    right = np.cumsum([spec.shares[number] for number in order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + right[-1])
    return [spec.labels[number] for number in order[: int(f1.argmax()) + 1]]


def fit(spec: Spec, train: Sequence[Example]) -> NgramClassifier:
    """Return naive-Bayes logistic regressions of the labels on n-grams of words and characters."""
    numbers, n = label_numbers(spec, train), len(spec.labels)
    weights = [*zip(spec.absence_weights, spec.weights, strict=True)]
    return fit_ngrams(
        spec, train, lambda features: independent_regressions(features, numbers, n, C, weights)
    )


def load(spec: Spec, folder: Path) -> NgramClassifier:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """
    return single.load(spec, folder, IndependentClassifier)
