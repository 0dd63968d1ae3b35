"""Statistics of the metrics of a language model, summable over documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, ratio

EXAMPLE_FIELDS = ("bytes",)
"""The fields of a row that identify its document."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return negative log-likelihood (nats), targets and bytes of every document."""
    fields = ("nll", "targets", "bytes")
    statistics = np.array([[[r[f] for f in fields] for r in rows] for rows in models], np.float64)

    def val_loss(sums: Floats) -> Floats:
        return ratio(sums[:, 0], sums[:, 1])

    return Counts(
        statistics,
        {
            "bits_per_byte": lambda sums: ratio(sums[:, 0], sums[:, 2]) / np.log(2),
            "val_loss": val_loss,
            "perplexity": lambda sums: np.exp(np.minimum(val_loss(sums), 700.0)),
        },
    )
