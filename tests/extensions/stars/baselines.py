"""A simple model: the median of the training examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from textmill.tasks.classification.examples import Example, Spec
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline

CLASSICAL_BASELINE = TRIVIAL_BASELINE = "median"


class Median:
    """Gives every text the median of the stars."""

    n_parameters = 1

    def __init__(self, spec: Spec, label: str) -> None:
        self.spec, self.label = spec, label

    def score(self, prepared: Sequence[str]) -> list[np.ndarray]:
        """Return all probability on the median."""
        return [np.array([label == self.label for label in self.spec.labels], float)] * len(
            prepared
        )

    def save(self, folder: Path) -> None:
        """Write the median."""
        write_baseline(folder, {"median": self.label}, {})


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield the median for every text."""
    yield CLASSICAL_BASELINE, [{"label": fit(spec, train).label}] * len(test), ""


def fit(spec: Spec, train: Sequence[Example]) -> Median:
    """Return the median of the training examples."""
    return Median(spec, str(median_low([int(example.label) for example in train])))


def load(spec: Spec, folder: Path) -> Median:
    """Return the median that was saved in a folder."""
    return load_baseline(folder, lambda values, _: Median(spec, values["median"]))
