"""Baselines of tagging: a word's most frequent tag, and logistic regression on its spelling."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer

from textmill.evaluation.regression import LinearClassifier, logistic_regression
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline
from textmill.tasks.ensemble.held_out import decide_on_held_out
from textmill.tasks.tagging.answers import Prepared, decide, fit_decision
from textmill.tasks.tagging.examples import Example, Spec
from textmill.tasks.tagging.iob2 import OUTSIDE
from textmill.tasks.tagging.spelling import predicate_features, spelling_features

CLASSICAL_BASELINE = "word_logistic_regression"
"""The baseline that the model is compared with, and that can be a part of it."""

TRIVIAL_BASELINE = "word_lookup"
"""The baseline that learns almost nothing."""

MAX_CELLS = 10_000_000
"""Maximum words times tags that the regression is fitted on."""

Words = Sequence[str]
Scores = list[NDArray[np.float64]]
Tags = Sequence[str]


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    words, tags = [e.words for e in train], [e.tags for e in train]
    test_words = [e.words for e in test]

    def scores_of(fitted: WordLogisticRegression, examples: Sequence[Example]) -> Scores:
        return [*fitted.score([Prepared(e.words, predicate=e.predicate) for e in examples])]

    looked_up = word_lookup(words, tags, test_words)
    yield TRIVIAL_BASELINE, [{"tags": row} for row in looked_up], ""
    model = fit(spec, train)
    decided = decide_on_held_out(
        spec, train, lambda rest, others: scores_of(fit(spec, rest), others), fit_decision
    )
    rows = [{"tags": decide(decided, row)} for row in scores_of(model, test)]
    yield CLASSICAL_BASELINE, rows, model.note


def word_lookup(
    words: Sequence[Words], tags: Sequence[Tags], test: Sequence[Words]
) -> list[list[str]]:
    """Return the most frequent training tag of each test word; O for unknown words.

    An I- tag that does not continue an entity becomes the B- tag of its type.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, row_tags in zip(words, tags, strict=True):
        for word, tag in zip(row, row_tags, strict=True):
            counts[word][tag] += 1
    known = {word: min(seen, key=lambda tag: (-seen[tag], tag)) for word, seen in counts.items()}
    answers = []
    for row in test:
        guessed = [known.get(word, OUTSIDE) for word in row]
        for index, tag in enumerate(guessed):
            before = guessed[index - 1] if index else OUTSIDE
            if tag.startswith("I-") and before[2:] != tag[2:]:
                guessed[index] = f"B-{tag[2:]}"
        answers.append(guessed)
    return answers


def fit(spec: Spec, train: Sequence[Example]) -> WordLogisticRegression:
    """Return a logistic regression on each word, its shape and its neighbours."""
    vectorizer = DictVectorizer()
    used = _used(spec, train)
    features = vectorizer.fit_transform(
        feature
        for e in used
        for feature in _word_features(e.words, e.predicate, spec.is_by_character)
    )
    numbers = [spec.labels.index(tag) for example in used for tag in example.tags]
    classifier, note = logistic_regression(features, numbers, C=1.0, max_iter=300)
    if len(used) < len(train):
        share = f"fitted on {len(used):,} of {len(train):,} examples to save time"
        note = f"{share}; {note}" if note else share
    return WordLogisticRegression(spec, vectorizer.feature_names_, classifier, note)


def _used(spec: Spec, train: Sequence[Example]) -> Sequence[Example]:
    """Return the training examples, or as many as can be fitted in minutes, evenly spaced."""
    n_cells = len(spec.labels) * sum(len(example.words) for example in train)
    return train[:: -(-n_cells // MAX_CELLS)]


def load(spec: Spec, folder: Path) -> WordLogisticRegression:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """

    def build(values: Any, arrays: dict[str, NDArray[Any]]) -> WordLogisticRegression:
        names = [str(name) for name in values["features"]]
        classifier = LinearClassifier.from_arrays(arrays, len(names), len(spec.labels))
        return WordLogisticRegression(spec, names, classifier)

    return load_baseline(folder, build)


class WordLogisticRegression:
    """A fitted logistic regression that classifies words independently.

    Args:
        spec: the tags.
        names: the features, such as `word=London`.
        classifier: on these features.
        note: how it was limited to save memory; empty if it was not.
    """

    def __init__(
        self, spec: Spec, names: list[str], classifier: LinearClassifier, note: str = ""
    ) -> None:
        self.n_labels, self.is_by_character = len(spec.labels), spec.is_by_character
        self.names, self.classifier, self.note = names, classifier, note
        self.vectorizer = DictVectorizer()
        self.vectorizer.feature_names_ = names
        self.vectorizer.vocabulary_ = {name: index for index, name in enumerate(names)}

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return self.classifier.coefficients.size

    def score(self, prepared: Sequence[Prepared]) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities of the tags of each text's words, (words, tags)."""
        for item in prepared:
            if not item.words:
                yield np.empty((0, self.n_labels))
                continue
            words = _word_features(item.words, item.predicate, self.is_by_character)
            features = self.vectorizer.transform(words)
            yield self.classifier.probabilities(features, self.n_labels)

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        write_baseline(folder, {"features": self.names}, self.classifier.arrays())


def _word_features(
    words: Words, predicate: int | None, is_by_character: bool
) -> Iterator[dict[str, bool]]:
    """Yield the features of each word: spelling, shape, neighbours, and the predicate if any."""
    of_predicate: Iterable[list[str]] = repeat([])
    if predicate is not None:
        of_predicate = predicate_features(words, predicate)
    for features, further in zip(
        spelling_features(words, is_by_character), of_predicate, strict=False
    ):
        yield dict.fromkeys([*features, *further], True)
