"""Definitions of metrics, and their computation with Hugging Face `evaluate`.

Metrics are subclasses of `evaluate.Metric`: `evaluate.load` would download a script from the Hub.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

Row = Mapping[str, Any]
"""An entry of a predictions file: a test example, its reference and a model's prediction."""


SLICE = "slice/"
"""Prefix of the scores of slices of a test set."""


@dataclass(frozen=True)
class Metric:
    """The definition of a metric of a kind of task."""

    name: str
    lower_is_better: bool = False
    leads: bool = False
    """Whether models of the kind are promoted by this metric; each kind has exactly one."""
    on_parent: bool = True
    """Whether it is logged on the parent run, as `<task>/<metric>`, and in the table of scores."""
    has_interval: bool = True
    """Whether it has one: not if resampled examples have worse scores, as sums of absolute values
    are."""
    of_example: Callable[[Row], float] | None = None
    """The value for one row, if the metric of a test set is the mean over its rows."""


def leading(metrics: Iterable[Metric]) -> Metric:
    """Return the metric that models are promoted by."""
    return next(metric for metric in metrics if metric.leads)


def lower_is_better(metrics: Iterable[Metric], name: str) -> bool:
    """Return whether lower is better; False for scores without a definition, as of a class.

    The score of some of the examples has the name of the metric first, `bits_per_byte/de`; that of
    a slice has it last, `slice/language/de/perplexity`.
    """
    name = name.rpartition("/")[2] if name.startswith(SLICE) else name.partition("/")[0]
    return any(metric.lower_is_better for metric in metrics if metric.name == name)


def means(metrics: Iterable[Metric], rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics that are means over rows, by name; 0 if there are no rows."""
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
    """Return the scores of a test set, by name, computed by an `evaluate.Metric`.

    Args:
        function: computes scores from lists of predictions and references, and the settings.
        values: the features of `predictions` and `references`.
        predictions: one per test example.
        references: one per test example.
        settings: keyword arguments of the function.
    """
    import datasets  # noqa: F401  # uses transformers itself

    # With transformers, it imports all pipelines and torch: 3 s of every step that scores.
    with not_installed("transformers"):
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

    # The default cache on disk would be shared by concurrent processes.
    metric = Scores(keep_in_memory=True)
    scores = metric.compute(predictions=predictions, references=references, **settings)
    return {name: float(value) for name, value in scores.items()}


@contextmanager
def not_installed(name: str) -> Iterator[None]:
    """Let packages that are imported meanwhile find another one not to be installed."""
    loaded = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # what `import` refuses
    try:
        yield
    finally:
        del sys.modules[name]
        if loaded is not None:
            sys.modules[name] = loaded
