"""Baselines of question answering: the sentence with most words of the question, and a regression.

The regression is on features of words as in Rajpurkar et al. 2016 (section 5.1), but of the first
and the last word of an answer instead of constituents of a parse tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from textmill.config import UNREDACTED
from textmill.evaluation.regression import LinearClassifier, logistic_regression
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline
from textmill.tasks.ensemble.held_out import decide_on_held_out
from textmill.tasks.question_answering.answers import (
    Floats,
    Prepared,
    answer,
    first_and_last,
    fit_decision,
    prepare,
)
from textmill.tasks.question_answering.examples import Example, Spec, group, model_input
from textmill.tasks.question_answering.overlap import best_sentence, overlap_rows

CLASSICAL_BASELINE = "span_logistic_regression"
"""The baseline that the model is compared with, and that can be a part of it."""

TRIVIAL_BASELINE = "best_sentence"
"""The baseline that learns almost nothing."""

N_ROWS = 2**18
"""Rows of the table of features."""
N_OTHERS = 20
"""Words of each context that are compared with the right one: others would only cost time."""
SEED = 0


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    prepared = _prepared(spec, test)
    yield TRIVIAL_BASELINE, [_answer_of_sentence(spec, item) for item in prepared], ""
    model = fit(spec, train)
    decided = spec
    if spec.has_no_answer:
        decided = decide_on_held_out(
            spec,
            train,
            lambda rest, others: fit(spec, rest).score(_prepared(spec, others)),
            fit_decision,
            group,
        )
    yield CLASSICAL_BASELINE, [*answer(decided, prepared, [*model.score(prepared)])], model.note


def _answer_of_sentence(spec: Spec, item: Prepared) -> dict[str, Any]:
    passage = item.passage
    span = best_sentence(spec, item.question.words, passage.words)
    start, end = passage.characters_of(span) if passage.words else (0, 0)
    return {"answer": passage.text[start:end], "start": start, "end": end, "is_cut": item.is_cut}


def _prepared(spec: Spec, examples: Sequence[Example]) -> list[Prepared]:
    return prepare(spec, [model_input(example) for example in examples], UNREDACTED)


def fit(spec: Spec, train: Sequence[Example]) -> SpanLogisticRegression:
    """Return logistic regressions of the first and the last word of an answer."""
    rng = np.random.default_rng(SEED)
    sampled: list[csr_matrix] = []
    labels: tuple[list[int], list[int]] = ([], [])
    for item, example in zip(_prepared(spec, train), train, strict=True):
        features = _features(spec, item)
        right = first_and_last(item.passage, example)
        n_units = features.shape[0] if spec.has_no_answer else features.shape[0] - 1
        others = rng.permutation(n_units)[:N_OTHERS].tolist()
        units = sorted({*right, *others})
        sampled.append(features[units])
        for side, unit in enumerate(right):
            labels[side].extend(int(number == unit) for number in units)
    stacked = vstack(sampled, format="csr")
    first, last = (logistic_regression(stacked, side, C=0.3, max_iter=200) for side in labels)
    return SpanLogisticRegression(spec, (first[0], last[0]), first[1])


def load(spec: Spec, folder: Path) -> SpanLogisticRegression:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """

    def build(values: Any, arrays: dict[str, NDArray[Any]]) -> SpanLogisticRegression:
        first, last = (
            LinearClassifier.from_arrays(
                {name.removeprefix(f"{side}."): array for name, array in arrays.items()}, N_ROWS, 2
            )
            for side in values["sides"]
        )
        return SpanLogisticRegression(spec, (first, last))

    return load_baseline(folder, build)


class SpanLogisticRegression:
    """Fitted logistic regressions of the first and the last word of an answer.

    Args:
        spec: the kind's settings.
        classifiers: of the first and the last word.
        note: how they were limited to save memory; empty if they were not.
    """

    def __init__(
        self, spec: Spec, classifiers: tuple[LinearClassifier, LinearClassifier], note: str = ""
    ) -> None:
        self.spec, self.classifiers, self.note = spec, classifiers, note

    @property
    def n_parameters(self) -> int:
        """Number of coefficients."""
        return sum(classifier.coefficients.size for classifier in self.classifiers)

    def score(self, prepared: Sequence[Prepared]) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities to be the first and the last word of each answer."""
        for item in prepared:
            features = _features(self.spec, item)
            sides = [_normalized(self.spec, c, features) for c in self.classifiers]
            yield np.stack(sides)

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        sides = dict(zip(("first", "last"), self.classifiers, strict=True))
        arrays = {
            f"{side}.{name}": array
            for side, classifier in sides.items()
            for name, array in classifier.arrays().items()
        }
        write_baseline(folder, {"sides": [*sides]}, arrays)


def _features(spec: Spec, item: Prepared) -> csr_matrix:
    """Return the features of all words and of "no answer", (words + 1, N_ROWS)."""
    rows = overlap_rows(spec, item.question.words, item.passage.words, N_ROWS, is_lexical=True)
    n_units, n_features = rows.shape
    ends = np.arange(0, n_units * n_features + 1, n_features)
    return csr_matrix((np.ones(rows.size, np.float32), rows.ravel(), ends), (n_units, N_ROWS))


def _normalized(spec: Spec, classifier: LinearClassifier, features: csr_matrix) -> Floats:
    """Return the probabilities of all units, in proportion to their odds."""
    p = np.clip(classifier.probabilities(features, 2)[:, 1], 1e-9, 1 - 1e-9)
    odds = p / (1 - p)
    if not spec.has_no_answer and len(odds) > 1:
        odds[-1] = 0.0
    return np.asarray(odds / odds.sum())
