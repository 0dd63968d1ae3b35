"""Scores of lm-eval as metrics in MLflow; does not import lm-eval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFIX = "harness/"
STDERR = "_stderr"
"""What lm-eval adds to the name of a metric for its standard error."""


@dataclass(frozen=True)
class Score:
    """A metric of a task of lm-eval."""

    task: str
    metric: str
    value: float
    stderr: float | None
    """Its standard error, if lm-eval estimates one."""
    n_examples: int | None
    """None for the mean of a group."""
    shots: int | None
    """Number of examples before each prompt, if it is not the task's own."""

    @property
    def name(self) -> str:
        """Its name in MLflow."""
        shots = "" if self.shots is None else f"-{self.shots}-shot"
        return f"{PREFIX}{self.task}{shots}/{self.metric}"


def metrics_of_scores(scores: Iterable[Score]) -> dict[str, float]:
    """Return the metrics of scores in MLflow, with their standard errors."""
    metrics = {}
    for score in scores:
        metrics[score.name] = score.value
        if score.stderr is not None:
            metrics[f"{score.name}{STDERR}"] = score.stderr
    return metrics


def scores_in(metrics: Mapping[str, float]) -> dict[str, tuple[float, float | None]]:
    """Return the scores among the metrics of an evaluation, with standard errors, by name."""
    return {
        name: (value, metrics.get(f"{name}{STDERR}"))
        for name, value in metrics.items()
        if name.startswith(PREFIX) and not name.endswith(STDERR)
    }
