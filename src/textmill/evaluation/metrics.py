"""What a metric is, and how metrics are computed with `evaluate`, whatever they measure.

`evaluate.load("accuracy")` fetches a script from the hub; a metric that is built directly does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

Row = Mapping[str, Any]
"""An entry of a predictions file: a test example, its reference and a model's prediction."""


@dataclass(frozen=True)
class Metric:
    """A metric of a kind of task: all that summaries, gate, report and comparisons know of it."""

    name: str
    lower_is_better: bool = False
    leads: bool = False
    """The metric that a model of its kind is promoted by; each kind has one."""
    on_parent: bool = True
    """Stands on the parent run, as `<task>/<metric>`, and so in the table of scores."""
    of_example: Callable[[Row], float] | None = None
    """The metric of one row, if that of a test set is their mean: then nothing else is needed."""


def leading(metrics: Iterable[Metric]) -> Metric:
    """Return the metric that a model is promoted by."""
    return next(metric for metric in metrics if metric.leads)


def lower_is_better(metrics: Iterable[Metric], name: str) -> bool:
    """Return whether a score is an error; those without a definition, as of a class, are not."""
    return any(metric.lower_is_better for metric in metrics if metric.name == name)


def means(metrics: Iterable[Metric], rows: Sequence[Row]) -> dict[str, float]:
    """Return by name the metrics that are means over the rows; 0 of no rows."""
    return {
        metric.name: sum(map(metric.of_example, rows)) / max(1, len(rows))
        for metric in metrics
        if metric.of_example is not None
    }


def compute(
    function: Callable[..., dict[str, float]],
    values: datasets.Features,
    predictions: Sequence[Any],
    references: Sequence[Any],
    **settings: str,
) -> dict[str, float]:
    """Return the scores of a test set, by name, computed as a metric of `evaluate`.

    Args:
        function: takes predictions and references as lists, and the settings.
        values: the features of `predictions` and `references`.
        predictions: one for each test example.
        references: theirs.
        settings: of the function.
    """
    import evaluate

    class Scores(evaluate.Metric):  # type: ignore[misc]
        def _info(self) -> evaluate.MetricInfo:
            return evaluate.MetricInfo(
                description=function.__doc__ or "",
                citation="",
                inputs_description="predictions and references",
                features=values,
            )

        def _compute(self, **arguments: Any) -> dict[str, float]:
            return function(**arguments)

    # In memory: the default writes to a cache that processes running side by side would share.
    metric = Scores(keep_in_memory=True)
    scores = metric.compute(predictions=predictions, references=references, **settings)
    return {name: float(value) for name, value in scores.items()}
