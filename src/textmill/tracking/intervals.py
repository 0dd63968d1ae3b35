"""What models have answered to test examples, and how sure that makes their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Run

from textmill.config import LANGUAGE_MODEL, Config
from textmill.evaluation.metrics import Metric, Row
from textmill.evaluation.significance import Answers, Interval, intervals
from textmill.steps.graph import EVALUATE_LM, GRAPH, LM
from textmill.tasks.kinds import definitions
from textmill.tasks.language_model.metrics import DOCUMENTS
from textmill.tasks.predictions import PREDICTIONS, SIGNATURE_TAG
from textmill.tasks.statistics import tabulate
from textmill.tracking.artifacts import read_manifest, read_output_lines
from textmill.tracking.lookup import read_runs
from textmill.tracking.results import Result
from textmill.tracking.store import Store


@dataclass(frozen=True)
class Answered:
    """The test examples of an evaluation with a model's answers."""

    kind: str
    rows: list[Row]
    signatures: dict[str, str]
    extensions: tuple[str, ...] = ()
    """Names of those that define further metrics."""

    def tabulate(self, *others: Answered) -> Answers:
        """Return these answers, and after them those of others, as statistics.

        Raises:
            ValueError: the test examples are not the same, or there are none.
        """
        rows = [answered.rows for answered in (self, *others)]
        return tabulate(self.kind, rows, self.signatures, self.extensions)


def read_answers(store: Store, run: Run) -> Answered:
    """Return the answers of an evaluation's run.

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
    return Answered(kind, rows, signed, tuple(manifest["config"].get("metrics", ())))


def metrics_by_task(config: Config) -> dict[str, tuple[Metric, ...]]:
    """Return what is known of the metrics of each task; the language model is the task `lm`."""
    of_tasks = {task.name: definitions(task.kind, task.metrics) for task in config.tasks}
    return {LM: definitions(LANGUAGE_MODEL), **of_tasks}


def score_intervals(store: Store, results: Mapping[str, Result]) -> dict[str, Interval]:
    """Return the scores of a pipeline's evaluations with their 95 % intervals.

    Args:
        store: where the results are.
        results: by label.

    Returns:
        By `<task>/<metric>`; the language model is the task `lm`.

    Raises:
        RunError: a result is missing or damaged.
    """
    found: dict[str, Interval] = {}
    ids = {task: results[label].run_id for task, label in GRAPH.scored(results).items()}
    runs = read_runs(store, ids.values())
    for task, run_id in ids.items():
        answered = read_answers(store, runs[run_id])
        try:
            answers = answered.tabulate()
        except ValueError:
            continue  # nothing was tested
        found |= {f"{task}/{name}": value for name, value in intervals(answers, 0).items()}
    return found
