"""Statistics of the metrics of multi-label classification, summable over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, f1_of, ratio
from textmill.tasks.multilabel.metrics import predicted

EXAMPLE_FIELDS = ("text", "text_pair", "reference")
"""The fields of a row that identify its test example."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return the counts of correct, predicted and reference texts of every label.

    Before them, whether all labels of an example are correct, and 1 for the example itself.
    """
    found = [[{*predicted(row)} for row in rows] for rows in models]
    expected = [{*row["reference"]} for row in models[0]]
    labels = {label: i for i, label in enumerate(sorted(set().union(*expected, *sum(found, []))))}
    statistics = np.zeros((len(models), len(expected), 2 + 3 * len(labels)))
    for model, rows in enumerate(found):
        for example, (own, true) in enumerate(zip(rows, expected, strict=True)):
            statistics[model, example, :2] = own == true, 1
            for part, names in enumerate((own & true, own, true)):
                statistics[model, example, [2 + 3 * labels[name] + part for name in names]] = 1

    def f1_micro(sums: Floats) -> Floats:
        parts = [sums[:, 2 + part :: 3].sum(axis=1) for part in range(3)]
        return f1_of(np.stack(parts, axis=1), group=0)

    def f1_macro(sums: Floats) -> Floats:
        occurs = sums[:, 3::3] + sums[:, 4::3]
        f1: Floats = ratio(2 * sums[:, 2::3], occurs)
        return ratio(f1.sum(axis=1), (occurs > 0).sum(axis=1).astype(np.float64))

    def f1_of_label(sums: Floats, number: int) -> Floats:
        return f1_of(sums[:, 2:], number)

    by_label = {f"class/{label}/f1": partial(f1_of_label, number=i) for label, i in labels.items()}
    return Counts(
        statistics,
        {
            "f1_micro": f1_micro,
            "f1_macro": f1_macro,
            "subset_accuracy": lambda sums: ratio(sums[:, 0], sums[:, 1]),
            **by_label,
        },
    )
