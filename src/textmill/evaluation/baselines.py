"""Simple models that a fine-tuned one has to beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def majority(labels: Sequence[str], n: int) -> list[str]:
    """Return the commonest label n times; among equally common ones the first by name."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * n


def tfidf_logistic_regression(
    texts: Sequence[str], labels: Sequence[str], test: Sequence[str]
) -> list[str]:
    """Return the labels for the test texts by logistic regression on TF-IDF of words and pairs."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    model.fit(texts, labels)
    return [str(label) for label in model.predict(test)]
