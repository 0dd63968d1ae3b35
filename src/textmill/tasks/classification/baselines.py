"""Simple classifiers: the commonest label, and logistic regression on TF-IDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.tasks.classification.examples import Example

CLASSICAL_BASELINE = "tfidf_logistic_regression"
"""The baseline whose scores stand beside the model's."""

TRIVIAL_BASELINE = "majority"
"""The baseline that learns next to nothing."""


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    from textmill.evaluation.baselines import majority, tfidf_logistic_regression

    texts, labels = [e.text for e in train], [e.label for e in train]
    yield "majority", [{"label": label} for label in majority(labels, len(test))], ""
    answers, note = tfidf_logistic_regression(texts, labels, [e.text for e in test])
    yield CLASSICAL_BASELINE, [{"label": label} for label in answers], note
