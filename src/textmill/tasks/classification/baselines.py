"""Baselines of classification: the most frequent label, and logistic regression on TF-IDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer

from textmill.corpus.words import split_words
from textmill.evaluation.regression import logistic_regression
from textmill.tasks.classification.examples import Example

CLASSICAL_BASELINE = "tfidf_logistic_regression"
"""The baseline that the model is compared with."""

TRIVIAL_BASELINE = "majority"
"""The baseline that learns almost nothing."""


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    texts, labels = [e.text for e in train], [e.label for e in train]
    yield "majority", [{"label": label} for label in majority(labels, len(test))], ""
    answers, note = tfidf_logistic_regression(texts, labels, [e.text for e in test])
    yield CLASSICAL_BASELINE, [{"label": label} for label in answers], note


def majority(labels: Sequence[str], n: int) -> list[str]:
    """Return the most frequent label n times; ties are broken by name."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * n


def tfidf_logistic_regression(
    texts: Sequence[str], labels: Sequence[str], test: Sequence[str]
) -> tuple[list[str], str]:
    """Return labels of the test texts by logistic regression on TF-IDF of unigrams and bigrams.

    Also returns a note on how it was limited to save memory; empty if it was not.
    """
    vectorizer = TfidfVectorizer(
        tokenizer=split_words, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True
    )
    model, columns, note = logistic_regression(vectorizer.fit_transform(texts), labels, 10.0, 1000)
    return [str(label) for label in model.predict(vectorizer.transform(test)[:, columns])], note
