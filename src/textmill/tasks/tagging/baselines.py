"""Baselines of tagging: a word's most frequent tag, and a random field on features of words."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline
from textmill.tasks.ensemble.held_out import decide_on_held_out
from textmill.tasks.tagging.answers import PREDICT_BATCH, Prepared, decide, fit_decision
from textmill.tasks.tagging.examples import Example, Spec, group
from textmill.tasks.tagging.iob2 import OUTSIDE
from textmill.tasks.tagging.random_field.linear_chain import LinearChain, fit_linear_chain
from textmill.tasks.tagging.spelling import (
    character_features,
    predicate_features,
    spelling_features,
)

CLASSICAL_BASELINE = "conditional_random_field"
"""The baseline that the model is compared with, and that can be a part of it."""

TRIVIAL_BASELINE = "word_lookup"
"""The baseline that learns almost nothing."""

MAX_CELLS = 10_000_000
"""Maximum words times tags that the field is fitted on, for its time."""
MAX_WORDS = 1_000_000
"""Maximum words that it is fitted on, for the memory of their features."""

Words = Sequence[str]
Scores = list[NDArray[np.float64]]
Tags = Sequence[str]


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    words, tags = [e.words for e in train], [e.tags for e in train]
    test_words = [e.words for e in test]

    def scores_of(fitted: WordFeatureField, examples: Sequence[Example]) -> Scores:
        return [*fitted.score([Prepared(e.words, predicate=e.predicate) for e in examples])]

    looked_up = word_lookup(words, tags, test_words)
    yield TRIVIAL_BASELINE, [{"tags": row} for row in looked_up], ""
    model = fit(spec, train)
    decided = decide_on_held_out(
        spec, train, lambda rest, others: scores_of(fit(spec, rest), others), fit_decision, group
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


def fit(spec: Spec, train: Sequence[Example]) -> WordFeatureField:
    """Return a conditional random field on each word, its shape and its neighbours."""
    used = _used(spec, train)
    vocabulary: dict[str, int] = {}
    lengths = [len(example.words) for example in used]
    rows = chain.from_iterable(_word_features(spec, e.words, e.predicate) for e in used)
    features = _matrix(rows, vocabulary, is_growing=True)
    labels = np.array([spec.labels.index(tag) for example in used for tag in example.tags])
    field, columns, note = fit_linear_chain(features, lengths, labels, spec.labels)
    names = [*vocabulary]
    if len(columns):
        names = [names[column] for column in columns.tolist()]
    if len(used) < len(train):
        share = f"fitted on {len(used):,} of {len(train):,} examples to save time"
        note = f"{share}; {note}" if note else share
    return WordFeatureField(spec, names, field, note)


def _used(spec: Spec, train: Sequence[Example]) -> Sequence[Example]:
    """Return the training examples, or as many as can be fitted in minutes, evenly spaced."""
    n_words = sum(len(example.words) for example in train)
    share = max(n_words / MAX_WORDS, n_words * len(spec.labels) / MAX_CELLS)
    return train[:: max(1, math.ceil(share))]


def load(spec: Spec, folder: Path) -> WordFeatureField:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """

    def build(values: Any, arrays: dict[str, NDArray[Any]]) -> WordFeatureField:
        names = [str(name) for name in values["features"]]
        if len({*names}) < len(names):
            raise ValueError("a feature occurs twice")
        field = LinearChain.from_arrays(arrays, len(names), len(spec.labels))
        return WordFeatureField(spec, names, field)

    return load_baseline(folder, build)


class WordFeatureField:
    """A fitted conditional random field on features of words.

    Args:
        spec: the tags.
        names: the features, such as `word=London`.
        field: on these features.
        note: how it was limited to save time and memory; empty if it was not.
    """

    def __init__(self, spec: Spec, names: list[str], field: LinearChain, note: str = "") -> None:
        self.spec, self.names, self.field, self.note = spec, names, field, note
        self.vocabulary = {name: index for index, name in enumerate(names)}

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return self.field.weights.size + self.field.pairs.size

    def score(self, prepared: Sequence[Prepared]) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities of the tags of each text's words, (words, tags)."""
        for at in range(0, len(prepared), PREDICT_BATCH):
            texts = prepared[at : at + PREDICT_BATCH]
            rows = (_word_features(self.spec, text.words, text.predicate) for text in texts)
            features = _matrix(chain.from_iterable(rows), self.vocabulary, is_growing=False)
            lengths = [len(text.words) for text in texts]
            yield from self.field.marginals(features, lengths, self.spec.labels)

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        write_baseline(folder, {"features": self.names}, self.field.arrays())


def _matrix(
    rows: Iterable[list[str]], vocabulary: dict[str, int], *, is_growing: bool
) -> csr_matrix:
    """Return the features of words as a matrix of 1s, (words, features).

    Args:
        rows: the features of each word; none twice.
        vocabulary: the column of each feature.
        is_growing: whether unknown features are added to the vocabulary; otherwise they are left
            out.
    """
    columns, ends = array("i"), array("q", [0])
    for names in rows:
        if is_growing:
            columns.extend([vocabulary.setdefault(name, len(vocabulary)) for name in names])
        else:
            columns.extend([vocabulary[name] for name in names if name in vocabulary])
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    return csr_matrix((ones, columns, ends), (len(ends) - 1, len(vocabulary)))


def _word_features(spec: Spec, words: Words, predicate: int | None) -> Iterator[list[str]]:
    """Yield the features of each word: spelling, shape, neighbours, and the predicate if any."""
    parts = [spelling_features(words, spec.is_by_character)]
    if spec.is_by_character:
        parts.append(character_features(words))
    if predicate is not None:
        parts.append(predicate_features(words, predicate))
    for features in zip(*parts, strict=True):
        yield [*chain.from_iterable(features)]
