"""The scores of a learning curve, and their means over seeds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

FILE = "curve.json"
"""Name of the file of a learning curve in the output of its step."""
ALL = "all"
"""Name of the size that contains all training examples."""


def metric_name(arm: str, size: int, largest: int) -> str:
    """Return the name of the metric of an arm at a size; that of all examples is `ALL`."""
    return f"curve/{arm}/{ALL if size == largest else size}"


@dataclass(frozen=True)
class Summary:
    """The scores of an arm at one size."""

    mean: float
    deviation: float | None
    """Sample standard deviation over the seeds; None for one seed."""


class Point(BaseModel):
    """The test score of one trained model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arm: str
    """What was trained."""
    labels: int
    """Number of training examples."""
    seed: int
    score: float
    parameters: int
    """Number of parameters of the model."""


class LearningCurve(BaseModel):
    """The test scores of several models after training on more and more examples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    lower_is_better: bool
    points: tuple[Point, ...] = Field(min_length=1)

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the arms, in the order of the points."""
        return tuple(dict.fromkeys(point.arm for point in self.points))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of training examples, ascending; the last is that of all examples."""
        return tuple(sorted({point.labels for point in self.points}))

    @property
    def n_seeds(self) -> int:
        """Number of repetitions."""
        return len({point.seed for point in self.points})

    def summary(self, arm: str, size: int) -> Summary:
        """Return mean and standard deviation of the scores of an arm at one size."""
        scores = [p.score for p in self.points if (p.arm, p.labels) == (arm, size)]
        deviation = statistics.stdev(scores) if len(scores) > 1 else None
        return Summary(statistics.fmean(scores), deviation)

    def metrics(self) -> dict[str, float]:
        """Return means and standard deviations by the names of metrics."""
        found = {}
        for arm in self.arms:
            for size in self.sizes:
                name, summary = metric_name(arm, size, self.sizes[-1]), self.summary(arm, size)
                found[name] = summary.mean
                if summary.deviation is not None:
                    found[f"{name}/deviation"] = summary.deviation
        return found
