"""Statistics of the metrics of a language model, summable over documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, ratio
from textmill.tasks.language_model.metrics import BITS_PER_BYTE

EXAMPLE_FIELDS = ("bytes",)
"""The fields of a row that identify its document."""
_FIELDS = ("nll", "targets", "bytes")


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return negative log-likelihood (nats), targets and bytes of every document, by language."""
    # Evaluations of earlier versions have no languages.
    tags = [row.get("language", "") for row in models[0]]
    languages = sorted({*tags})
    statistics = np.zeros((len(models), len(tags), len(_FIELDS) * len(languages)))
    for model, rows in enumerate(models):
        for document, (row, tag) in enumerate(zip(rows, tags, strict=True)):
            at = len(_FIELDS) * languages.index(tag)
            statistics[model, document, at : at + len(_FIELDS)] = [row[f] for f in _FIELDS]

    def of(field: str, sums: Floats) -> Floats:
        total: Floats = sums[:, _FIELDS.index(field) :: len(_FIELDS)].sum(axis=1)
        return total

    def bits_per_byte(sums: Floats) -> Floats:
        bits: Floats = ratio(of("nll", sums), of("bytes", sums)) / np.log(2)
        return bits

    def val_loss(sums: Floats) -> Floats:
        return ratio(of("nll", sums), of("targets", sums))

    def of_language(number: int, sums: Floats) -> Floats:
        at = len(_FIELDS) * number
        return bits_per_byte(sums[:, at : at + len(_FIELDS)])

    by_language = {
        f"{BITS_PER_BYTE}/{tag}": partial(of_language, number)
        for number, tag in enumerate(languages)
        if len(languages) > 1
    }
    return Counts(
        statistics,
        {
            BITS_PER_BYTE: bits_per_byte,
            "val_loss": val_loss,
            "perplexity": lambda sums: np.exp(np.minimum(val_loss(sums), 700.0)),
            **by_language,
        },
    )
