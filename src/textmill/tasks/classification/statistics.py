"""Statistics of the metrics of classification, summable over examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.probabilities import N_BINS, calibration_error
from textmill.evaluation.significance import Counts, Floats, OfSums, f1_of, ratio
from textmill.tasks.classification.metrics import ORDINAL, gaps_of, ordinal_errors

EXAMPLE_FIELDS = ("text", "text_pair", "reference")
"""The fields of a row that identify its test example."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return the counts of correct, predicted and reference examples for every label.

    After them the errors of labels with an order, and the gaps of calibration, if all models have
    probabilities. AUROC is no function of sums over examples.
    """
    names = {row[field] for rows in models for row in rows for field in ("label", "reference")}
    labels = {label: i for i, label in enumerate(sorted(names))}
    n_counts, ordinal = 3 * len(labels), signatures.get(ORDINAL)
    has_scores = all("score" in row for rows in models for row in rows)
    n_bins = N_BINS if has_scores else 0
    statistics = np.zeros((len(models), len(models[0]), n_counts + 1 + n_bins))
    for model, rows in enumerate(models):
        examples = np.arange(len(rows))
        predicted = np.array([labels[row["label"]] for row in rows])
        expected = np.array([labels[row["reference"]] for row in rows])
        statistics[model, examples, 3 * predicted] = predicted == expected
        statistics[model, examples, 3 * predicted + 1] = 1
        statistics[model, examples, 3 * expected + 2] = 1
        if ordinal is not None:
            statistics[model, :, n_counts] = ordinal_errors(rows, ordinal)
        if has_scores:
            statistics[model, :, n_counts + 1 :] = gaps_of(rows)

    def parts(sums: Floats) -> Iterator[Floats]:
        """Yield correct, predicted and reference examples by label."""
        return (sums[:, part:n_counts:3] for part in range(3))

    def accuracy(sums: Floats) -> Floats:
        right, _, expected = parts(sums)
        return ratio(right.sum(axis=1), expected.sum(axis=1))

    def f1_macro(sums: Floats) -> Floats:
        f1, occurs = _f1(*parts(sums))
        return ratio(f1.sum(axis=1), (occurs > 0).sum(axis=1).astype(np.float64))

    def f1_weighted(sums: Floats) -> Floats:
        *_, expected = parts(sums)
        f1, _ = _f1(*parts(sums))
        return ratio((f1 * expected).sum(axis=1), expected.sum(axis=1))

    def mean_error(sums: Floats) -> Floats:
        *_, expected = parts(sums)
        return ratio(sums[:, n_counts], expected.sum(axis=1))

    def error_of_calibration(sums: Floats) -> Floats:
        *_, expected = parts(sums)
        return calibration_error(sums[:, n_counts + 1 :], expected.sum(axis=1))

    metrics: dict[str, OfSums] = {
        "accuracy": accuracy,
        "f1_macro": f1_macro,
        "f1_weighted": f1_weighted,
        "matthews_correlation": lambda sums: _correlation(*parts(sums)),
        **({ORDINAL: mean_error} if ordinal is not None else {}),
        **({"calibration_error": error_of_calibration} if has_scores else {}),
        **{f"class/{label}/f1": partial(f1_of, group=i) for label, i in labels.items()},
    }
    return Counts(statistics, metrics)


def _f1(right: Floats, predicted: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Return the F1 of every label, and a number above 0 if it occurs; (M, labels) as all."""
    occurs = predicted + expected
    return ratio(2 * right, occurs), occurs


def _correlation(right: Floats, predicted: Floats, expected: Floats) -> Floats:
    """Return Matthews' correlation (Gorodkin 2004, equation 8, in counts); 0 if undefined."""
    n = expected.sum(axis=1)
    covariance = right.sum(axis=1) * n - (predicted * expected).sum(axis=1)
    variances = [n**2 - (part**2).sum(axis=1) for part in (predicted, expected)]
    return ratio(covariance, np.sqrt(variances[0] * variances[1]))
