"""Statistics of the metrics of generation, summable over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, no_counts, ratio
from textmill.tasks.generation.metrics import MAX_LOSS

EXAMPLE_FIELDS = ("prompt", "reference")
"""The fields of a row that identify its test example."""
_FIELDS = ("nll", "tokens")


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return the loss (nats) and number of tokens of every reference, if all models have them."""
    if not all("nll" in row for rows in models for row in rows):
        return no_counts(models, signatures)
    statistics = [[[row[field] for field in _FIELDS] for row in rows] for rows in models]

    def perplexity(sums: Floats) -> Floats:
        loss = ratio(sums[:, 0], sums[:, 1])
        return np.exp(np.minimum(loss, MAX_LOSS))

    return Counts(np.array(statistics, np.float64), {"perplexity": perplexity})
