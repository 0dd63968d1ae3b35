"""Slices of a test set: its examples by the value of a column, or by language or length of a text.

Scores of a whole test set hide where a model fails, such as in one language or on long texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from textmill.config import TaskConfig
from textmill.corpus.cleaning.language import UNKNOWN
from textmill.evaluation.metrics import SLICE, Row
from textmill.tasks.checks.multilingual import common, language_of, shares_of
from textmill.tasks.inputs import size_of
from textmill.tasks.kinds import definitions, examples_of
from textmill.tasks.predictions import score
from textmill.tasks.rows import Rows

FIELD = "slices"
"""The field of a row of predictions with the values of its slices, by the name of the column."""
LANGUAGE, LENGTH = "language", "length"
QUARTERS = ("shortest quarter", "second quarter", "third quarter", "longest quarter")
MIN_EXAMPLES_BY_LENGTH = 100
"""Test examples from which on there are slices by length: quarters of few say nothing."""
MAX_VALUES = 20
"""Maximum slices of a column; the examples of less frequent values are one slice."""
OTHERS = "other values"


def slices_of(config: TaskConfig, examples: Rows[Any]) -> list[dict[str, str]]:
    """Return the slices that each test example belongs to: values by column, language and length.

    Languages are those of a test set in several. A column of the name takes precedence.

    Args:
        config: the task.
        examples: the test examples.
    """
    found = [dict(examples.slices.get(example.place, {})) for example in examples]
    for column in config.slices:
        counts = Counter(values[column] for values in found)
        # Others are a slice, too.
        n_named = MAX_VALUES - 1 if len(counts) > MAX_VALUES else MAX_VALUES
        frequent = {value for value, _ in counts.most_common(n_named)}
        for values in found:
            values[column] = values[column] if values[column] in frequent else OTHERS
    kind = examples_of(config.kind)
    languages = [] if LANGUAGE in config.slices else common(shares_of(kind, examples))
    if len(languages) > 1:
        for values, example in zip(found, examples, strict=True):
            tag = language_of(kind, example)
            if tag != UNKNOWN:
                values[LANGUAGE] = tag if tag in languages else OTHERS
    if len(examples) >= MIN_EXAMPLES_BY_LENGTH:
        sizes = [size_of(kind.model_input(example)) for example in examples]
        order = sorted(range(len(sizes)), key=lambda number: (sizes[number], number))
        for rank, number in enumerate(order):
            found[number].setdefault(LENGTH, QUARTERS[4 * rank // len(order)])
    return found


def rows_by_slice(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each slice, by its column and value; sorted, lengths last."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        for place in row.get(FIELD, {}).items():
            groups.setdefault(place, []).append(row)

    def order(place: tuple[str, str]) -> tuple[bool, str, int, str]:
        name, value = place
        return name == LENGTH, name, QUARTERS.index(value) if value in QUARTERS else -1, value

    return {place: groups[place] for place in sorted(groups, key=order)}


def slice_metrics(config: TaskConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the main metrics of every slice, by name, and its number of examples."""
    names = main_metrics(config.kind, config.metrics)
    metrics: dict[str, float] = {}
    for place, part in rows_by_slice(rows).items():
        scores = score(config, part)
        metrics |= {metric_name(place, name): scores[name] for name in names if name in scores}
        metrics[metric_name(place, "examples")] = len(part)
    return metrics


def main_metrics(kind: str, extensions: Sequence[str] = ()) -> list[str]:
    """Return the names of the metrics that slices have: those of the parent run."""
    return [metric.name for metric in definitions(kind, extensions) if metric.on_parent]


def metric_name(place: tuple[str, str], metric: str) -> str:
    """Return the name of a metric of a slice."""
    return SLICE + "/".join((*place, metric))
