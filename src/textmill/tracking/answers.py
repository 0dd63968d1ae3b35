"""What models have answered to test examples, and how sure that makes their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Run

from textmill.evaluation.significance import LANGUAGE_MODEL, Interval, Row, intervals, tabulate
from textmill.steps.graph import EVALUATE_LM, GRAPH
from textmill.tracking.artifacts import read_manifest, read_output_lines
from textmill.tracking.results import Result
from textmill.tracking.store import Store

DOCUMENTS = "documents.jsonl"  # of textmill.training.evaluate_lm, which would load torch here


@dataclass(frozen=True)
class Answered:
    """The test examples of an evaluation with a model's answers."""

    kind: str
    rows: list[Row]
    signatures: dict[str, str]


def read_answers(store: Store, run: Run) -> Answered:
    """Return the answers of an evaluation's run.

    Raises:
        RunError: the files are missing or damaged.
    """
    manifest = read_manifest(store, run)
    is_language_model = manifest["step"] == EVALUATE_LM.name
    kind = LANGUAGE_MODEL if is_language_model else manifest["config"]["kind"]
    name = DOCUMENTS if is_language_model else "predictions.jsonl"
    rows: list[Row] = list(read_output_lines(store, run, name))
    prefix = "signature."
    signed = {k.removeprefix(prefix): v for k, v in run.data.tags.items() if k.startswith(prefix)}
    return Answered(kind, rows, signed)


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
    for task, label in GRAPH.scored(results).items():
        answered = read_answers(store, store.client.get_run(results[label].run_id))
        try:
            answers = tabulate(answered.kind, [answered.rows], answered.signatures)
        except ValueError:
            continue  # nothing was tested
        found |= {f"{task}/{name}": value for name, value in intervals(answers, 0).items()}
    return found
