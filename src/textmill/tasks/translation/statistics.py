"""Statistics of the metrics of translation, summable over examples."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.evaluation.metrics import Row
from textmill.evaluation.significance import Counts, Floats, OfSums

EXAMPLE_FIELDS = ("text", "reference")
"""The fields of a row that identify its test example."""


def count(models: Sequence[Sequence[Row]], signatures: Mapping[str, str]) -> Counts:
    """Return sacreBLEU's statistics of every sentence, for BLEU and chrF.

    The tokenizer of BLEU is taken from its signature.

    Raises:
        ValueError: the signature does not name a tokenizer.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    named = re.search(r"(?:^|\|)tok:([^|]+)", signatures.get("bleu", ""))
    if named is None:
        raise ValueError("the signature of bleu does not name its tokenizer")
    scorers = {"bleu": BLEU(tokenize=named[1], force=True), "chrf": CHRF()}
    columns: list[NDArray[np.float64]] = []
    metrics: dict[str, OfSums] = {}
    at = 0
    for name, scorer in scorers.items():
        counted = np.array(
            [
                scorer._extract_corpus_statistics(
                    [row["translation"] for row in rows], [[row["reference"] for row in rows]]
                )
                for rows in models
            ],
            dtype=np.float64,
        )
        columns.append(counted)
        metrics[name] = partial(_sacrebleu_scores, scorer, at, at + counted.shape[2])
        at += counted.shape[2]
    return Counts(np.concatenate(columns, axis=2), metrics)


def _sacrebleu_scores(scorer: Any, start: int, stop: int, sums: Floats) -> Floats:
    rows = sums[:, start:stop].round().astype(int).tolist()
    return np.array([scorer._compute_score_from_stats(row).score for row in rows])
