"""Statistics of the metrics of tagging, summable over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, OfSums, f1_of, ratio
from textmill.tasks.tagging.iob2 import count_entities

EXAMPLE_FIELDS = ("tokens", "predicate", "reference")
"""The fields of a row that identify its test example."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return the counts of correct, predicted and reference entities of every type."""
    found = [[count_entities(row["tags"], row["reference"]) for row in rows] for rows in models]
    names = {name for rows in found for counts in rows for name in counts}
    types = {name: i for i, name in enumerate(sorted(names))}
    statistics = np.zeros((len(models), len(models[0]), 3 * max(1, len(types))))
    for model, rows in enumerate(found):
        for example, by_type in enumerate(rows):
            for name, counts in by_type.items():
                at = 3 * types[name]
                statistics[model, example, at : at + 3] = counts

    def overall(metric: OfSums, sums: Floats) -> Floats:
        return metric(np.stack([sums[:, part::3].sum(axis=1) for part in range(3)], axis=1))

    return Counts(
        statistics,
        {
            "f1": partial(overall, partial(f1_of, group=0)),
            "precision": partial(overall, lambda sums: ratio(sums[:, 0], sums[:, 1])),
            "recall": partial(overall, lambda sums: ratio(sums[:, 0], sums[:, 2])),
            **{f"type/{name}/f1": partial(f1_of, group=i) for name, i in types.items()},
        },
    )
