"""What was evaluated: predictions for test examples, intervals of scores, and the audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mlflow.entities import Run

from textmill.config import LANGUAGE_MODEL, Config
from textmill.evaluation.metrics import Metric, Row
from textmill.evaluation.proportions import proportion_interval
from textmill.evaluation.significance import ExampleStatistics, Interval, intervals
from textmill.evaluation.spreads import FOLDS, SEEDS, Spread, read_spreads
from textmill.steps.graph import AUDIT, BEHAVIOUR, EVALUATE_LM, GRAPH, LM
from textmill.steps.graph import FOLDS as FOLDS_STEP
from textmill.tasks.behaviour.verdicts import VERDICTS, from_rows
from textmill.tasks.kinds import BASELINE, definitions
from textmill.tasks.language_model.memorization.memorized import FILE as AUDIT_FILE
from textmill.tasks.language_model.memorization.memorized import Audit
from textmill.tasks.language_model.metrics import DOCUMENTS
from textmill.tasks.predictions import PREDICTIONS, SIGNATURE_TAG
from textmill.tasks.slices import main_metrics, metric_name, rows_by_slice
from textmill.tasks.statistics import tabulate
from textmill.tracking.artifacts import read_manifest, read_output_lines
from textmill.tracking.lookup import read_runs
from textmill.tracking.results import Result
from textmill.tracking.store import Store


@dataclass(frozen=True)
class Predictions:
    """The test examples of an evaluation with a model's predictions."""

    kind: str
    rows: list[Row]
    signatures: dict[str, str]
    """Signatures of the metrics that have one, such as sacreBLEU's, by metric."""
    extensions: tuple[str, ...] = ()
    """Names of the extensions that define further metrics."""

    def tabulate(self, *others: Predictions) -> ExampleStatistics:
        """Return the statistics per example of these predictions, followed by those of others.

        Raises:
            ValueError: the test examples differ, or there are none.
        """
        rows = [predictions.rows for predictions in (self, *others)]
        return tabulate(self.kind, rows, self.signatures, self.extensions)


def read_predictions(store: Store, run: Run) -> Predictions:
    """Return the predictions of the run of an evaluation.

    Raises:
        RunError: the files are missing or damaged.
    """
    manifest = read_manifest(store, run)
    is_language_model = manifest["step"] == EVALUATE_LM.name
    kind = LANGUAGE_MODEL if is_language_model else manifest["config"]["kind"]
    name = DOCUMENTS if is_language_model else PREDICTIONS
    rows: list[Row] = list(read_output_lines(store, run, name))
    signed = {
        tag.removeprefix(SIGNATURE_TAG): value
        for tag, value in run.data.tags.items()
        if tag.startswith(SIGNATURE_TAG)
    }
    return Predictions(kind, rows, signed, tuple(manifest["config"].get("metrics", ())))


def metrics_by_task(config: Config) -> dict[str, tuple[Metric, ...]]:
    """Return the metrics of each task; the language model is the task `lm`."""
    of_tasks = {task.name: definitions(task.kind, task.metrics) for task in config.tasks}
    return {LM: definitions(LANGUAGE_MODEL), **of_tasks}


def read_audit(results: Mapping[str, Result]) -> Audit | None:
    """Return what the backbone of a pipeline has memorized; None: it is not audited.

    Raises:
        RunError: the result is damaged.
    """
    result = results.get(AUDIT.label())
    return None if result is None else Audit.model_validate(result.json(AUDIT_FILE))


OVER_SEEDS, OVER_FOLDS, BASELINE_OVER_FOLDS = "over seeds", "over folds", "baseline over folds"
"""What scores of several trainings are called in tables."""
PREFIXES = {
    OVER_SEEDS: SEEDS,
    OVER_FOLDS: FOLDS,
    BASELINE_OVER_FOLDS: f"{BASELINE}/{FOLDS}",
}
"""The prefixes of their metrics."""


def score_spreads(results: Mapping[str, Result]) -> dict[str, dict[str, Spread]]:
    """Return the scores of a pipeline's tasks over several trainings, by `<task>/<metric>`.

    Args:
        results: of the pipeline, by label.

    Returns:
        By what they are called in tables; those that no task has are left out.

    Raises:
        RunError: a result is damaged.
    """
    parts = {label: GRAPH.parse(label) for label in results}
    folded = {p.task: label for label, p in parts.items() if p and p.step is FOLDS_STEP and p.task}
    found = {
        what: {
            f"{task}/{name}": spread
            for task, label in (GRAPH.scored(results) if what == OVER_SEEDS else folded).items()
            for name, spread in read_spreads(results[label].metrics(), prefix).items()
        }
        for what, prefix in PREFIXES.items()
    }
    return {what: spreads for what, spreads in found.items() if spreads}


def score_intervals(store: Store, results: Mapping[str, Result]) -> dict[str, Interval]:
    """Return the scores of a pipeline's evaluations and behaviour tests with 95 % intervals.

    Args:
        store: that contains the results.
        results: by label.

    Returns:
        Intervals by `<task>/<metric>`, also of slices of the test examples; the language model is
        the task `lm`.

    Raises:
        RunError: a result is missing or damaged.
    """
    found: dict[str, Interval] = {}
    ids = {task: results[label].run_id for task, label in GRAPH.scored(results).items()}
    runs = read_runs(store, ids.values())
    for task, run_id in ids.items():
        predictions = read_predictions(store, runs[run_id])
        try:
            examples = predictions.tabulate()
        except ValueError:
            continue  # there are no test examples
        found |= {f"{task}/{name}": value for name, value in intervals(examples, 0).items()}
        found |= {f"{task}/{name}": value for name, value in _of_slices(predictions)}
    for label, result in results.items():
        part = GRAPH.parse(label)
        if part is not None and part.step is BEHAVIOUR:
            for test in from_rows(result.lines(VERDICTS)):
                interval = proportion_interval(test.outcomes, test.groupings)
                found[f"{part.task}/{test.metric}"] = interval
    return found


def _of_slices(predictions: Predictions) -> Iterator[tuple[str, Interval]]:
    """Yield the names of the main metrics of every slice of the test examples, with intervals."""
    names = main_metrics(predictions.kind, predictions.extensions)
    for place, rows in rows_by_slice(predictions.rows).items():
        found = intervals(replace(predictions, rows=rows).tabulate(), 0)
        yield from ((metric_name(place, name), found[name]) for name in names if name in found)
