"""Simple taggers: a word's commonest tag, and logistic regression on its spelling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from textmill.tasks.tagging.examples import Example

CLASSICAL_BASELINE = "word_logistic_regression"
"""The baseline whose scores stand beside the model's."""

TRIVIAL_BASELINE = "word_lookup"
"""The baseline that learns next to nothing."""


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    from textmill.evaluation.baselines import word_logistic_regression, word_lookup

    words, tags = [e.words for e in train], [e.tags for e in train]
    asked = [e.words for e in test]
    yield "word_lookup", [{"tags": row} for row in word_lookup(words, tags, asked)], ""
    answers, note = word_logistic_regression(words, tags, asked)
    yield CLASSICAL_BASELINE, [{"tags": row} for row in answers], note
