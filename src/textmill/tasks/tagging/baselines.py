"""Baselines of tagging: a word's most frequent tag, and logistic regression on its spelling."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction import DictVectorizer

from textmill.evaluation.regression import logistic_regression
from textmill.tasks.tagging.examples import Example
from textmill.tasks.tagging.iob2 import OUTSIDE, best_tags, tags_of, types_in
from textmill.tasks.tagging.spelling import spelling_features

CLASSICAL_BASELINE = "word_logistic_regression"
"""The baseline that the model is compared with."""

TRIVIAL_BASELINE = "word_lookup"
"""The baseline that learns almost nothing."""

Words = Sequence[str]
Tags = Sequence[str]


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    words, tags = [e.words for e in train], [e.tags for e in train]
    test_words = [e.words for e in test]
    yield "word_lookup", [{"tags": row} for row in word_lookup(words, tags, test_words)], ""
    answers, note = word_logistic_regression(words, tags, test_words)
    yield CLASSICAL_BASELINE, [{"tags": row} for row in answers], note


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


def word_logistic_regression(
    words: Sequence[Words], tags: Sequence[Tags], test: Sequence[Words]
) -> tuple[list[list[str]], str]:
    """Return the best valid tags by a logistic regression on each word, its shape and neighbours.

    Also returns a note on how it was limited to save memory; empty if it was not. Words are
    classified independently; decoding then enforces valid IOB2.
    """
    labels = tags_of(name for row in tags for name in types_in(row))
    used = {tag for row in tags for tag in row}
    if len(used) == 1:  # logistic regression needs two classes
        return [[*used] * len(row) for row in test], ""
    vectorizer = DictVectorizer()
    is_by_character = all(len(word) == 1 for row in words for word in row)
    features = vectorizer.fit_transform(
        feature for row in words for feature in _word_features(row, is_by_character)
    )
    numbers = [labels.index(tag) for row in tags for tag in row]
    model, columns, note = logistic_regression(features, numbers, 1.0, 300)
    answers = []
    for row in test:
        scores = np.full((len(row), len(labels)), -np.inf)
        row_features = vectorizer.transform(_word_features(row, is_by_character))[:, columns]
        probabilities = model.predict_proba(row_features)
        scores[:, model.classes_] = np.log(np.maximum(probabilities, np.finfo(float).tiny))
        answers.append(best_tags(scores, labels))
    return answers, note


def _word_features(words: Words, is_by_character: bool) -> Iterator[dict[str, bool]]:
    """Yield the features of each word: spelling, shape, neighbours."""
    for features in spelling_features(words, is_by_character):
        yield dict.fromkeys(features, True)
