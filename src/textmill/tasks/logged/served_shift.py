"""Differences between the logged predictions of a model and those for its test examples.

A difference counts if it is larger than a limit, and if chance explains it in fewer than one of a
thousand checks of a model: with few predictions, distances are large by chance, and with many, any
difference is significant.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from statistics import median

import numpy as np

from textmill.config import DriftConfig, TaskConfig
from textmill.evaluation.shift import label_shift, share_shift
from textmill.tasks.ensemble.model_folder import read_task
from textmill.tasks.kinds import answers_of
from textmill.tasks.logged.traits import Traits, length_of, traits_of
from textmill.tasks.predictions import PREDICTIONS

FALSE_ALARMS = 0.001
"""Maximum share of checks of a model in which a difference by chance counts."""
LABELS = "labels"
ROUNDING = 1e-12
N_SHUFFLES = 10_000
"""Random divisions of labels, which make the smallest p-value a small part of FALSE_ALARMS."""


@dataclass(frozen=True)
class Shift:
    """The difference of a trait."""

    what: str
    distance: float
    """From 0 to 1: the total variation distance of labels, and the Kolmogorov-Smirnov distance of
    numbers."""
    p_value: float
    """Probability of such a distance if there is no difference."""
    detail: str
    """How the trait has changed."""


def known_traits(task: TaskConfig, model: Path, evaluation: Path) -> list[Traits]:
    """Return the traits of a model's predictions for the test examples.

    Args:
        task: the task.
        model: the model's folder.
        evaluation: folder of the step evaluate.
    """
    answers = answers_of(task.kind)
    columns = answers.columns(read_task(model).spec)
    found = []
    with (evaluation / PREDICTIONS).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            # A column may have the name that it has in training data.
            names = [
                name if name in row else task.INPUT_COLUMNS.get(name, name) for name in columns
            ]
            is_whole = all(name in row for name in names)
            given = length_of({name: row[name] for name in names}) if is_whole else None
            written = None if answers.WRITES is None else length_of(row[answers.WRITES])
            found.append(traits_of(row, given, written))
    return found


def shifts(new: Sequence[Traits], known: Sequence[Traits], min_rows: int) -> list[Shift]:
    """Return the differences of the traits that at least `min_rows` answers have on both sides."""
    found = []
    for what, trait, measure in _MEASURES:
        values = attrgetter(trait)
        sides = [[v for one in side if (v := values(one)) is not None] for side in (new, known)]
        if min(map(len, sides)) >= min_rows:
            found.append(Shift(what, *measure(*sides)))
    return found


def drifted(found: Sequence[Shift], config: DriftConfig) -> list[Shift]:
    """Return the differences that count."""
    return [
        shift
        for shift in found
        if shift.distance > limit_of(shift, config) and shift.p_value * len(found) < FALSE_ALARMS
    ]


def limit_of(shift: Shift, config: DriftConfig) -> float:
    """Return the maximum distance of a trait."""
    return config.max_label_shift if shift.what == LABELS else config.max_ks_distance


def _label_shift(new: Sequence[str], known: Sequence[str]) -> tuple[float, float, str]:
    """Return the shift of one label for each text, with the p-value of random divisions."""
    distance = label_shift(new, known)
    pooled = np.array([*(Counter(new) + Counter(known)).values()])
    generator = np.random.default_rng(0)
    drawn = generator.multivariate_hypergeometric(pooled, len(new), N_SHUFFLES, method="marginals")
    by_chance = np.abs(drawn / len(new) - (pooled - drawn) / len(known)).sum(1) / 2
    p_value = (1 + (by_chance >= distance - ROUNDING).sum()) / (1 + N_SHUFFLES)
    return (
        distance,
        float(p_value),
        _most_different(*([{x} for x in side] for side in (new, known))),
    )


def _label_set_shift(
    new: Sequence[AbstractSet[str]], known: Sequence[AbstractSet[str]]
) -> tuple[float, float, str]:
    """Return the shift of any number of labels, with the p-value of Fisher's exact tests."""
    from scipy.stats import fisher_exact

    left, right = (Counter(chain.from_iterable(side)) for side in (new, known))
    names = left.keys() | right.keys()
    tables = (
        [[left[name], len(new) - left[name]], [right[name], len(known) - right[name]]]
        for name in names
    )
    smallest = min((float(fisher_exact(table).pvalue) for table in tables), default=1.0)
    p_value = min(1.0, smallest * len(names))  # of so many tests
    return share_shift(new, known), p_value, _most_different(new, known)


def _number_shift(new: Sequence[float], known: Sequence[float]) -> tuple[float, float, str]:
    """Return the shift of numbers, with the p-value of the Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    # The exact p-value takes long for many rows; ties make this one too large, not too small.
    result = ks_2samp(new, known, method="asymp")
    detail = f"median {median(new):.3g} instead of {median(known):.3g}"
    return float(result.statistic), float(result.pvalue), detail


def _most_different(new: Sequence[AbstractSet[str]], known: Sequence[AbstractSet[str]]) -> str:
    """Return the share of the label that has changed most, in both."""
    left, right = (Counter(chain.from_iterable(side)) for side in (new, known))
    shares = {
        name: (left[name] / len(new), right[name] / len(known))
        for name in sorted(left.keys() | right.keys())
    }
    if not shares:
        return "none in either"
    name, (now, before) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
    return f"{name} {now:.0%} instead of {before:.0%}"


_MEASURES: tuple[tuple[str, str, Callable[..., tuple[float, float, str]]], ...] = (
    (LABELS, "label", _label_shift),
    (LABELS, "labels", _label_set_shift),
    ("lengths of inputs", "input_length", _number_shift),
    ("lengths of outputs", "output_length", _number_shift),
    ("confidences", "confidence", _number_shift),
)
"""What is measured, the trait, and the function that returns distance, p-value and detail."""
