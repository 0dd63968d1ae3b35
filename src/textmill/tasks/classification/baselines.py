"""Baselines of classification: the most frequent label, and logistic regression on TF-IDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from textmill.corpus.words import split_words
from textmill.evaluation.regression import LinearClassifier, logistic_regression
from textmill.tasks.baseline_files import VALUES, damaged, read_baseline, write_baseline
from textmill.tasks.classification.examples import Example, Spec

CLASSICAL_BASELINE = "tfidf_logistic_regression"
"""The baseline that the model is compared with, and that can be a part of it."""

TRIVIAL_BASELINE = "majority"
"""The baseline that learns almost nothing."""


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    label = majority([example.label for example in train])
    yield TRIVIAL_BASELINE, [{"label": label} for _ in test], ""
    model = fit(spec, train)
    scores = model.score([example.text for example in test])
    rows = [{"label": spec.labels[int(row.argmax())]} for row in scores]
    yield CLASSICAL_BASELINE, rows, model.note


def majority(labels: Sequence[str]) -> str:
    """Return the most frequent label; ties are broken by name."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def fit(spec: Spec, train: Sequence[Example]) -> TfidfLogisticRegression:
    """Return a logistic regression on TF-IDF of unigrams and bigrams."""
    vectorizer = _vectorizer()
    features = vectorizer.fit_transform([example.text for example in train])
    numbers = [spec.labels.index(example.label) for example in train]
    classifier, note = logistic_regression(features, numbers, C=10.0, max_iter=1000)
    ngrams = [str(ngram) for ngram in vectorizer.get_feature_names_out()]
    idf = vectorizer.idf_.astype(np.float32)
    return TfidfLogisticRegression(spec, ngrams, idf, classifier, note)


def load(spec: Spec, folder: Path) -> TfidfLogisticRegression:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """
    return TfidfLogisticRegression.load(spec, folder)


class TfidfLogisticRegression:
    """A fitted logistic regression on TF-IDF.

    Args:
        spec: the labels.
        ngrams: the words and pairs of words, in the order of the features.
        idf: their inverse document frequencies.
        classifier: on these features.
        note: how it was limited to save memory; empty if it was not.
    """

    def __init__(
        self,
        spec: Spec,
        ngrams: list[str],
        idf: NDArray[np.float32],
        classifier: LinearClassifier,
        note: str = "",
    ) -> None:
        self.n_labels = len(spec.labels)
        self.ngrams, self.idf, self.classifier, self.note = ngrams, idf, classifier, note
        self.vectorizer = _vectorizer(ngrams)
        self.vectorizer.idf_ = idf.astype(np.float64)

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return self.classifier.coefficients.size

    def score(self, prepared: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities of the labels, (texts, labels)."""
        return self.classifier.probabilities(self.vectorizer.transform(prepared), self.n_labels)

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        arrays = {"idf": self.idf, **self.classifier.arrays()}
        write_baseline(folder, {"ngrams": self.ngrams}, arrays)

    @classmethod
    def load(cls, spec: Spec, folder: Path) -> Self:
        """Return the model that was saved in a folder.

        Raises:
            InputError: a file is missing or damaged.
        """
        values, arrays = read_baseline(folder)
        try:
            ngrams = [str(ngram) for ngram in values["ngrams"]]
            classifier = LinearClassifier.from_arrays(arrays, len(ngrams), len(spec.labels))
            return cls(spec, ngrams, arrays["idf"], classifier)
        except (LookupError, TypeError, ValueError) as error:
            raise damaged(folder / VALUES, error) from None


def _vectorizer(ngrams: list[str] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        tokenizer=split_words,
        token_pattern=None,
        ngram_range=(1, 2),
        sublinear_tf=True,
        vocabulary=ngrams,
    )
