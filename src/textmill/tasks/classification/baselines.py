"""Baselines of classification: the most frequent label, and naive-Bayes regression on n-grams.

The second is NB-SVM (Wang & Manning 2012) with logistic regression, on words, pairs of words, and
character n-grams within words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from textmill.config import UNREDACTED
from textmill.corpus.words import split_words
from textmill.evaluation.regression import LinearClassifier, naive_bayes_regression
from textmill.tasks.classification.answers import Texts, answer, details, prepare
from textmill.tasks.classification.examples import Example, OfTexts, Spec, model_input
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline

CLASSICAL_BASELINE = "naive_bayes_logistic_regression"
"""The baseline that the model is compared with, and that can be a part of it."""

TRIVIAL_BASELINE = "majority"
"""The baseline that learns almost nothing."""

MIN_TEXTS_WITHOUT_RARE = 1000
"""Training texts from which n-grams that occur in only one text are left out: most do."""

C = 4.0
"""Inverse of the regularization strength."""

NEW = "\u2260"
"""Before the words of a second text that the first one lacks."""
KINDS_OF_NGRAMS = ("words", "characters")


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    labels = [example.label for example in train]
    share = {"label": majority(labels), "score": labels.count(majority(labels)) / len(labels)}
    yield TRIVIAL_BASELINE, [share for _ in test], ""
    model, prepared = fit(spec, train), prepared_texts(spec, test)
    scores = [*model.score(prepared)]
    answers = zip(answer(spec, prepared, scores), scores, strict=True)
    yield CLASSICAL_BASELINE, [one | details(spec, row) for one, row in answers], model.note


def majority(labels: Sequence[str]) -> str:
    """Return the most frequent label; ties are broken by name."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def fit(spec: Spec, train: Sequence[Example]) -> NgramClassifier:
    """Return a naive-Bayes logistic regression on n-grams of words and characters."""
    numbers = [spec.labels.index(example.label) for example in train]
    weights = np.array(spec.weights)[numbers] if spec.weights else None
    return fit_ngrams(
        spec, train, lambda features: naive_bayes_regression(features, numbers, C, weights)
    )


def fit_ngrams(
    spec: Spec,
    train: Sequence[OfTexts],
    fit_classifier: Callable[[csr_matrix], tuple[LinearClassifier, str]],
) -> NgramClassifier:
    """Return a classifier on n-grams of words and characters.

    Args:
        spec: the labels.
        train: the training examples.
        fit_classifier: returns the classifier of their features, and a note.
    """
    texts = [*map(_as_text, prepared_texts(spec, train))]
    vectorizers = _vectorizers(min_df=2 if len(texts) >= MIN_TEXTS_WITHOUT_RARE else 1)
    features = hstack([vectorizer.fit_transform(texts) for vectorizer in vectorizers]).tocsr()
    classifier, note = fit_classifier(features)
    ngrams = tuple([*map(str, v.get_feature_names_out())] for v in vectorizers)
    idf = np.concatenate([v.idf_ for v in vectorizers]).astype(np.float32)
    return NgramClassifier(spec, ngrams, idf, classifier, note)


def load(
    spec: Spec, folder: Path, of: type[LinearClassifier] = LinearClassifier
) -> NgramClassifier:
    """Return the model that was saved in a folder.

    Args:
        spec: the labels.
        folder: from `NgramClassifier.save`.
        of: the class of its classifier.

    Raises:
        InputError: a file is missing or damaged.
    """

    def build(values: Any, arrays: dict[str, NDArray[Any]]) -> NgramClassifier:
        ngrams = tuple([*map(str, values[name])] for name in KINDS_OF_NGRAMS)
        n_features = sum(map(len, ngrams))
        classifier = of.from_arrays(arrays, n_features, len(spec.labels))
        return NgramClassifier(spec, ngrams, arrays["idf"], classifier)

    return load_baseline(folder, build)


class NgramClassifier:
    """A linear classifier on the TF-IDF of n-grams.

    Args:
        spec: the labels.
        ngrams: of words and of characters, in the order of the features.
        idf: their inverse document frequencies.
        classifier: on these features.
        note: how it was limited to save memory; empty if it was not.
    """

    def __init__(
        self,
        spec: Spec,
        ngrams: tuple[list[str], ...],
        idf: NDArray[np.float32],
        classifier: LinearClassifier,
        note: str = "",
    ) -> None:
        self.n_labels = len(spec.labels)
        self.ngrams, self.idf, self.classifier, self.note = ngrams, idf, classifier, note
        self.vectorizers = _vectorizers(ngrams)
        parts = np.split(idf.astype(np.float64), np.cumsum([*map(len, ngrams)])[:-1])
        for vectorizer, part in zip(self.vectorizers, parts, strict=True):
            vectorizer.idf_ = part

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return self.classifier.coefficients.size

    def score(self, prepared: Sequence[Texts]) -> NDArray[np.float64]:
        """Return the probabilities of the labels, in the form of the classifier."""
        texts = [*map(_as_text, prepared)]
        features = hstack([vectorizer.transform(texts) for vectorizer in self.vectorizers])
        return self.classifier.probabilities(features.tocsr(), self.n_labels)

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        arrays = {"idf": self.idf, **self.classifier.arrays()}
        write_baseline(folder, dict(zip(KINDS_OF_NGRAMS, self.ngrams, strict=True)), arrays)


def prepared_texts(spec: Spec, examples: Sequence[OfTexts]) -> list[Texts]:
    """Return the texts of examples as the models get them."""
    return prepare(spec, [model_input(example) for example in examples], UNREDACTED)


def _as_text(texts: Texts) -> str:
    """Return a text; of a pair both, and marked again the words of the second that are new."""
    known = {*split_words(texts[0].lower())} if len(texts) > 1 else set()
    new = [NEW + w for t in texts[1:] for w in split_words(t.lower()) if w not in known]
    return "\n".join([*texts, *new])


def _vectorizers(
    ngrams: tuple[list[str] | None, ...] = (None, None), min_df: int = 1
) -> tuple[TfidfVectorizer, TfidfVectorizer]:
    words, characters = ngrams
    shared = {"sublinear_tf": True, "min_df": min_df}
    return (
        TfidfVectorizer(
            tokenizer=split_words,
            token_pattern=None,
            ngram_range=(1, 2),
            vocabulary=words,
            **shared,
        ),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), vocabulary=characters, **shared),
    )
