"""Statistics of the metrics of classification, summable over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, f1_of, ratio

EXAMPLE_FIELDS = ("text", "text_pair", "reference")
"""The fields of a row that identify its test example."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return the counts of correct, predicted and reference examples for every label."""
    names = {row[field] for rows in models for row in rows for field in ("label", "reference")}
    labels = {label: i for i, label in enumerate(sorted(names))}
    statistics = np.zeros((len(models), len(models[0]), 3 * len(labels)))
    for model, rows in enumerate(models):
        examples = np.arange(len(rows))
        predicted = np.array([labels[row["label"]] for row in rows])
        expected = np.array([labels[row["reference"]] for row in rows])
        statistics[model, examples, 3 * predicted] = predicted == expected
        statistics[model, examples, 3 * predicted + 1] = 1
        statistics[model, examples, 3 * expected + 2] = 1

    def accuracy(sums: Floats) -> Floats:
        return ratio(sums[:, 0::3].sum(axis=1), sums[:, 2::3].sum(axis=1))

    def f1_macro(sums: Floats) -> Floats:
        occurs = sums[:, 1::3] + sums[:, 2::3]
        f1: Floats = ratio(2 * sums[:, 0::3], occurs)
        return ratio(f1.sum(axis=1), (occurs > 0).sum(axis=1).astype(np.float64))

    by_label = {f"class/{label}/f1": partial(f1_of, group=i) for label, i in labels.items()}
    return Counts(statistics, {"accuracy": accuracy, "f1_macro": f1_macro, **by_label})
