"""Scores of the networks of one model, which differ in their seeds: each, mean and deviation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

PREFIX = "seeds/"
MEAN, DEVIATION = "mean", "deviation"


@dataclass(frozen=True)
class Spread:
    """A score over the seeds of a model's networks."""

    mean: float
    deviation: float
    """Sample standard deviation over the seeds."""
    n: int
    """Networks."""

    @property
    def deviation_of_average(self) -> float:
        """The standard deviation of the score of an average of that many networks.

        For parts of a score that vary together over all examples, which a paired test does not see,
        it is that of a mean (docs/decisions.md has a simulation).
        """
        return self.deviation / math.sqrt(self.n)

    def __str__(self) -> str:
        """Return mean and deviation for tables."""
        return f"{self.mean:.3f} ± {self.deviation:.3f}"


def seed_metrics(
    names: Iterable[str], scores: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return the metrics `seeds/<metric>/<network>`, and mean and deviation in place of a network.

    Args:
        names: of the metrics.
        scores: of each network, by its name; of fewer than two, there are no such metrics.
    """
    if len(scores) < 2:
        return {}
    found: dict[str, float] = {}
    for name in names:
        of_network = {network: values[name] for network, values in scores.items()}
        values = of_network.values()
        both = {MEAN: fmean(values), DEVIATION: stdev(values)}
        found |= {f"{PREFIX}{name}/{part}": value for part, value in (of_network | both).items()}
    return found


def read_spreads(metrics: Mapping[str, float]) -> dict[str, Spread]:
    """Return the scores over seeds in the metrics of an evaluation, by name of the metric."""
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in metrics.items():
        name, _, part = key.removeprefix(PREFIX).rpartition("/")
        if key.startswith(PREFIX) and name:
            parts[name][part] = value
    return {
        name: Spread(found.pop(MEAN), found.pop(DEVIATION), len(found))
        for name, found in parts.items()
        if {MEAN, DEVIATION} <= found.keys()
    }
