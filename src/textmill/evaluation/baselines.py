"""Simple models that a fine-tuned one has to beat."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from textmill.corpus.words import word_pattern
from textmill.evaluation.iob2 import OUTSIDE, best_tags, tags_of, types_in
from textmill.safety.characters import UNSPACED

Words = Sequence[str]
Tags = Sequence[str]

MODEL1_PAIRS = 50_000
"""Sentence pairs that a word table is learned from; more would take memory and add little."""
MODEL1_ENTRIES = 16_000_000
"""Of source words that a target word could come from, in all pairs together, some 200 bytes each:
fewer pairs are learned from where sentences are long."""
LBFGS_CELLS = 8_000_000
"""Classes times features or examples, whichever are more, up to which all classes are told apart in
one regression. Its solver holds some 25 arrays of classes times features."""
COEFFICIENTS = 64_000_000
"""Classes times features beyond that at most; the commonest features are kept."""
_NO_BLANK_BEFORE = re.compile(rf"[{UNSPACED}.,;:!?)\]}}%’”»、。，；：！？）】》」』…]")
_NO_BLANK_AFTER = re.compile(rf"[{UNSPACED}(\[{{‘“«„、。，；：！？（【《「『]")


def majority(labels: Sequence[str], n: int) -> list[str]:
    """Return the commonest label n times; among equally common ones the first by name."""
    counts = Counter(labels)
    return [min(counts, key=lambda label: (-counts[label], label))] * n


def tfidf_logistic_regression(
    texts: Sequence[str], labels: Sequence[str], test: Sequence[str]
) -> tuple[list[str], str]:
    """Return the labels for the test texts by logistic regression on TF-IDF of words and pairs.

    And what was done to save memory; empty: nothing.
    """
    vectorizer = TfidfVectorizer(
        tokenizer=_split, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True
    )
    model, columns, note = _regression(vectorizer.fit_transform(texts), labels, 10.0, 1000)
    return [str(label) for label in model.predict(vectorizer.transform(test)[:, columns])], note


def _regression(
    features: csr_matrix, labels: Sequence[Any], C: float, max_iter: int
) -> tuple[LogisticRegression | OneVsRestClassifier, slice | NDArray[np.int64], str]:
    """Return a logistic regression in bounded memory, the features that it is on, and a note.

    One regression of all classes holds many arrays of classes times features. Where these are too
    large, each class is told apart from the others by itself (Fan et al. 2008, LIBLINEAR), which
    takes the memory of the result alone; where even that is too large, the commonest features are
    kept.

    Args:
        features: (examples, features).
        labels: (examples,).
        C: inverse strength of the regularisation.
        max_iter: of the solver.

    Returns:
        The fitted model, the columns of features that it takes, and what was done to save memory.
    """
    n_examples, n_features = features.shape
    n_classes = len(set(labels))
    if n_classes * max(n_features, n_examples) <= LBFGS_CELLS or n_classes == 2:
        return LogisticRegression(C=C, max_iter=max_iter).fit(features, labels), slice(None), ""
    columns: slice | NDArray[np.int64] = slice(None)
    n_kept = COEFFICIENTS // n_classes
    note = f"{n_classes:,} classes, each told apart from all others by itself to save memory"
    if n_kept < n_features:
        counts = np.bincount(features.indices, minlength=n_features)
        columns = np.sort(np.argsort(-counts, kind="stable")[:n_kept])
        note += f"; on the {n_kept:,} commonest of {n_features:,} features"
    alone = LogisticRegression(
        C=C, max_iter=max_iter, solver="liblinear", dual=True, random_state=0
    )
    return OneVsRestClassifier(alone).fit(features[:, columns], labels), columns, note


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
) -> tuple[list[list[str]], str]:
    """Return the best valid tags by a logistic regression on each word, its shape and neighbours.

    And what was done to save memory; empty: nothing. The words are judged one by one; only the rule
    that an I- tag continues an entity joins them.
    """
    labels = tags_of(name for row in tags for name in types_in(row))
    used = {tag for row in tags for tag in row}
    if len(used) == 1:  # nothing to tell apart
        return [[*used] * len(row) for row in test], ""
    vectorizer = DictVectorizer()
    features = vectorizer.fit_transform(f for row in words for f in _word_features(row))
    numbers = [labels.index(tag) for row in tags for tag in row]
    model, columns, note = _regression(features, numbers, 1.0, 300)
    answers = []
    for row in test:
        scores = np.full((len(row), len(labels)), -np.inf)
        asked = vectorizer.transform(_word_features(row))[:, columns]
        probabilities = model.predict_proba(asked)
        scores[:, model.classes_] = np.log(np.maximum(probabilities, np.finfo(float).tiny))
        answers.append(best_tags(scores, labels))
    return answers, note


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


def copy_source(sources: Sequence[str]) -> list[str]:
    """Return the texts as they are: what translations share with their source scores something."""
    return list(sources)


def word_by_word(
    sources: Sequence[str], targets: Sequence[str], test: Sequence[str], n_iterations: int = 8
) -> tuple[list[str], str]:
    """Return the test texts with every word replaced by the likeliest one of the other language.

    And what was done to save memory; empty: nothing. The likelihoods are those of IBM Model 1; a
    word that training lacks stays as it is. In scripts without spaces every character counts as a
    word.
    """
    spelled = [_split(text) for text in targets[:MODEL1_PAIRS]]
    forms = _forms(spelled)
    pairs = [
        (_split(source.lower()), [word.lower() for word in target])
        for source, target in zip(sources, spelled, strict=False)
    ]
    n_entries = np.cumsum([(len(source) + 1) * len(target) for source, target in pairs])
    n_learned = max(1, int(np.searchsorted(n_entries, MODEL1_ENTRIES, side="right")))
    table = ibm_model_1(pairs[:n_learned], n_iterations)
    best = {
        word: min(likely, key=lambda target: (-likely[target], target))
        for word, likely in table.items()
    }
    answers = []
    for text in test:
        words = _split(text)
        found = [best.get(word.lower()) for word in words]
        answer = _join([forms[f] if f else w for f, w in zip(found, words, strict=True)])
        answers.append(answer[:1].upper() + answer[1:] if text[:1].isupper() else answer)
    is_bounded = n_learned < len(sources)
    note = f"learned from the first {n_learned:,} of {len(sources):,} pairs to save memory"
    return answers, note if is_bounded else ""


def ibm_model_1(
    pairs: Sequence[tuple[Words, Words]], n_iterations: int
) -> dict[str, dict[str, float]]:
    """Return t(target word | source word) for all that occur together, by expectation maximisation.

    Each target word comes from one of the source words, or from none of them, all equally likely
    beforehand. Source: Brown et al. 1993, section 4.1, with the empty word of section 3.
    """
    empty = ""
    source_ids: dict[str, int] = {empty: 0}
    target_ids: dict[str, int] = {}
    rows, columns, slots = [], [], []
    n_slots = 0
    for source, target in pairs:
        s = np.array([source_ids.setdefault(w, len(source_ids)) for w in (empty, *source)])
        t = np.array([target_ids.setdefault(w, len(target_ids)) for w in target], dtype=int)
        rows.append(np.tile(s, len(t)))
        columns.append(np.repeat(t, len(s)))
        slots.append(np.repeat(np.arange(n_slots, n_slots + len(t)), len(s)))
        n_slots += len(t)
    # One entry for each source word that a target word in its place (its slot) could come from.
    slot = np.concatenate(slots)
    together = np.concatenate(rows) * len(target_ids) + np.concatenate(columns)
    cells, cell = np.unique(together, return_inverse=True)
    of_source, of_target = np.divmod(cells, len(target_ids))
    probability: NDArray[np.float64] = np.full(len(cells), 1.0 / len(target_ids))
    for _ in range(n_iterations):
        likely = probability[cell]
        expected = likely / np.bincount(slot, likely)[slot]  # equations 16 and 17
        count = np.bincount(cell, expected, minlength=len(cells))
        probability = count / np.bincount(of_source, count)[of_source]  # equation 14
    sources, targets = list(source_ids), list(target_ids)
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for s, t, p in zip(of_source.tolist(), of_target.tolist(), probability.tolist(), strict=True):
        if s:
            table[sources[s]][targets[t]] = p
    return dict(table)


def _split(text: str) -> list[str]:
    return word_pattern().findall(text)


def _forms(texts: Sequence[Words]) -> dict[str, str]:
    """Return the commonest spelling of every lower-case word; a text's first word counts little."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for words in texts:
        for index, word in enumerate(words):
            # Capitals at the beginning say nothing, unless the word stands nowhere else.
            counts[word.lower()][word] += 1 if index == 0 else 1000
    return {word: min(seen, key=lambda form: (-seen[form], form)) for word, seen in counts.items()}


def _join(words: Sequence[str]) -> str:
    text = ""
    for before, word in pairwise(("", *words)):
        is_apart = text and not _NO_BLANK_BEFORE.match(word) and not _NO_BLANK_AFTER.match(before)
        text += f" {word}" if is_apart else word
    return text
