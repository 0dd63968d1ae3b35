"""Simple models that a fine-tuned one has to beat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textmill.evaluation.iob2 import OUTSIDE, best_tags, tags_of, types_in

Words = Sequence[str]
Tags = Sequence[str]


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


def word_lookup(
    words: Sequence[Words], tags: Sequence[Tags], test: Sequence[Words]
) -> list[list[str]]:
    """Return for each test word the tag that it has most often in training; O if it is new.

    An I- tag that continues nothing becomes the B- of its type.
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
) -> list[list[str]]:
    """Return the best valid tags by a logistic regression on each word, its shape and neighbours.

    The words are judged one by one; only the rule that an I- tag continues an entity joins them.
    """
    labels = tags_of(name for row in tags for name in types_in(row))
    vectorizer = DictVectorizer()
    features = vectorizer.fit_transform(f for row in words for f in _word_features(row))
    model = LogisticRegression(C=1.0, max_iter=300)
    model.fit(features, [labels.index(tag) for row in tags for tag in row])
    answers = []
    for row in test:
        scores = np.full((len(row), len(labels)), -np.inf)
        asked = vectorizer.transform(_word_features(row))
        scores[:, model.classes_] = model.predict_log_proba(asked)
        answers.append(best_tags(scores, labels))
    return answers


def _word_features(words: Words) -> Iterator[dict[str, str | bool]]:
    """Yield what is known of each word without its meaning: spelling, shape, neighbours."""
    for index, word in enumerate(words):
        features: dict[str, str | bool] = {
            "word": word,
            "lower": word.lower(),
            "prefix": word[:3],
            "suffix": word[-3:],
            "shape": _shape(word),
        }
        for offset in (-2, -1, 1, 2):
            at = index + offset
            neighbour = words[at] if 0 <= at < len(words) else ""
            features[f"{offset}:lower"] = neighbour.lower()
            features[f"{offset}:shape"] = _shape(neighbour)
        yield features


def _shape(word: str) -> str:
    """Return the classes of a word's characters, runs shortened: "McDonald" becomes "XxXx"."""
    shape = ""
    for character in word:
        kind = "X" if character.isupper() else "x" if character.isalpha() else character
        kind = "0" if character.isdigit() else kind
        if not shape.endswith(kind):
            shape += kind
    return shape
