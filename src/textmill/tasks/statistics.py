"""Statistics per test example of models' predictions, for significance tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, ExampleStatistics, OfSums, ratio
from textmill.tasks.kinds import definitions, load_part


class Statistics(Protocol):
    """Sufficient statistics of the metrics, to compare models: `statistics.py`."""

    EXAMPLE_FIELDS: tuple[str, ...]
    """The fields of a row that identify its test example; rows may lack some."""

    def count(self, models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
        """Return the statistics of models on the same examples, from the rows of each model."""


def statistics_of(kind: str) -> Statistics:
    """Return the statistics module of a kind, or of the language model.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Statistics, load_part(kind, "statistics"))


def tabulate(
    kind: str,
    models: Sequence[Sequence[Row]],
    signatures: Mapping[str, str] | None = None,
    extensions: Sequence[str] = (),
) -> ExampleStatistics:
    """Return the statistics per example of models' predictions for the same test examples.

    Args:
        kind: the kind of task, or `LANGUAGE_MODEL`.
        models: the rows of each model's predictions file.
        signatures: by metric; translation needs that of `bleu`.
        extensions: names of extensions with further metrics.

    Raises:
        ValueError: the examples differ, also in order, or there are none.
    """
    fields = statistics_of(kind).EXAMPLE_FIELDS
    first = [[row.get(field) for field in fields] for row in models[0]]
    for rows in models[1:]:
        if [[row.get(field) for field in fields] for row in rows] != first:
            raise ValueError("the test examples are not the same, in the same order")
    if not first:
        raise ValueError("there are no test examples")
    counts = statistics_of(kind).count(models, signatures or {})
    metrics_of_kind = definitions(kind, extensions)
    n_counted = counts.statistics.shape[2]
    metrics = {name: _of_columns(slice(n_counted), of) for name, of in counts.metrics.items()}
    statistics = [counts.statistics, np.ones((*counts.statistics.shape[:2], 1))]
    for metric in metrics_of_kind:
        if metric.of_example is not None:
            column = n_counted + len(statistics) - 1
            metrics[metric.name] = _mean_of(column, n_counted)
            values = [[[metric.of_example(row)] for row in rows] for rows in models]
            statistics.append(np.array(values, np.float64))
    return ExampleStatistics(np.concatenate(statistics, axis=2), metrics, metrics_of_kind)


def _of_columns(columns: slice, of: OfSums) -> OfSums:
    return lambda sums: of(sums[:, columns])


def _mean_of(column: int, count: int) -> OfSums:
    """Return the mean of a statistic, given the columns of its sum and of the example count."""
    return lambda sums: ratio(sums[:, column], sums[:, count])
