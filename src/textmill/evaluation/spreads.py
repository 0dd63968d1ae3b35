"""Scores of several trainings of one task: those of each, their mean and standard deviation.

The trainings are the networks of one model, which differ in their seeds, or those of a
cross-validation, each of which is scored on the examples that it was not trained on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

SEEDS, FOLDS = "seeds/", "folds/"
"""Prefixes of the metrics, by what the trainings differ in."""
TRAININGS = "training_deviation/"
"""Prefix of the metric with the deviation of a score that the examples do not explain."""
MEAN, DEVIATION = "mean", "deviation"


@dataclass(frozen=True)
class Spread:
    """A score over several trainings."""

    mean: float
    deviation: float
    """Sample standard deviation over the trainings."""
    n: int
    """Trainings."""

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


def spread_metrics(
    names: Iterable[str], scores: Mapping[str, Mapping[str, float]], prefix: str
) -> dict[str, float]:
    """Return the metrics `<prefix><metric>/<training>`, and mean and deviation for all trainings.

    Args:
        names: of the metrics.
        scores: of each training, by its name; of fewer than two, there are no such metrics.
        prefix: of the names, such as `SEEDS`.
    """
    if len(scores) < 2:
        return {}
    found: dict[str, float] = {}
    for name in names:
        of_training = {training: values[name] for training, values in scores.items()}
        values = of_training.values()
        both = {MEAN: fmean(values), DEVIATION: stdev(values)}
        found |= {f"{prefix}{name}/{part}": value for part, value in (of_training | both).items()}
    return found


def read_spreads(metrics: Mapping[str, float], prefix: str) -> dict[str, Spread]:
    """Return the scores over several trainings in the metrics of a step, by name of the metric."""
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in metrics.items():
        name, _, part = key.removeprefix(prefix).rpartition("/")
        if key.startswith(prefix) and name:
            parts[name][part] = value
    return {
        name: Spread(found.pop(MEAN), found.pop(DEVIATION), len(found))
        for name, found in parts.items()
        if {MEAN, DEVIATION} <= found.keys()
    }


def deviation_of_trainings(deviation: float, sampling: Sequence[float]) -> float:
    """Return the standard deviation of scores that is not explained by their examples.

    Scores of folds vary because the trainings differ, and because each fold is a small sample of
    examples. The variances of both add up, so that of the samples is subtracted: the estimate by
    moments of DerSimonian & Laird 1986 ("Meta-analysis in clinical trials"), with equal weights.

    Args:
        deviation: of the scores of all folds.
        sampling: the standard error of the score of each fold.
    """
    return math.sqrt(max(0.0, deviation**2 - fmean(error**2 for error in sampling)))
