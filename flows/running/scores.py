"""The scores of a run: on its parent run, on Prefect's page, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from textmill.errors import RunError
from textmill.evaluation.metrics import Metric
from textmill.evaluation.significance import Interval
from textmill.reports.report import NAME as REPORT
from textmill.reports.report import log_report
from textmill.steps.graph import BASELINE, GRAPH, LM
from textmill.tracking.intervals import metrics_by_task, score_intervals
from textmill.tracking.results import Result
from textmill.tracking.store import artifact_url
from textmill_flows.running.context import Context, log

DOUBTS = ("leaked_examples", "conflicting_examples")
"""Counts of a task's examples that make its scores doubtful, which the parent run has too."""


def record(context: Context, names: Collection[str], failures: dict[str, Exception]) -> None:
    """Put the scores and the report on the parent run, on Prefect's page and in the terminal.

    A report that the store does not take joins the failures.

    Args:
        context: the command at work.
        names: the branches that have succeeded.
        failures: the others, and why they failed.
    """
    pipeline = context.pipeline
    summary = summarise(pipeline.results, names, metrics_by_task(context.config))
    intervals = score_intervals(pipeline.store, pipeline.results)
    table = score_table(summary, intervals)
    pipeline.record_scores({**summary, **count_doubts(pipeline.results)}, table)
    page = artifact_url(pipeline.url, REPORT)
    context.page.text(f"{table}\n\n[Report]({page})", "scores", "Scores of this run")
    log.info("\n%s", table)
    reasons = {name: str(error) for name, error in failures.items()}
    problem = write_report(context, summary, intervals, reasons).result(raise_on_failure=False)
    if isinstance(problem, RunError):
        failures["report"] = problem


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, persist_result=False)
def write_report(
    context: Context,
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    failures: Mapping[str, str],
) -> State[Any]:
    """Put the page that tells of this run beside its numbers, and say where it is."""
    try:
        place = log_report(context.pipeline, context.config, summary, intervals, failures)
    except RunError as error:
        return Failed(message=str(error), data=error)
    page = artifact_url(context.pipeline.url, REPORT)
    context.page.link(page, "report of this run", "report")
    log.info("report: %s", place)
    return Completed(message=page)


def summarise(
    results: Mapping[str, Result], names: Collection[str], metrics: Mapping[str, Sequence[Metric]]
) -> dict[str, float]:
    """Return the parent run's metrics: `<task>/<metric>`, and the same under `baseline/`.

    Args:
        results: of the run's steps, by label.
        names: the branches to sum up.
        metrics: what is known of theirs, by name.
    """
    scored = GRAPH.scored(results)
    # The language model last, wherever it stands among the branches.
    ordered = sorted((name for name in names if name in scored), key=LM.__eq__)
    summary = {}
    for name in ordered:
        model = results[scored[name]].metrics()
        if name == LM:
            simple = _below("unigram/", model)
        else:
            simple = results[BASELINE.label(name)].metrics()
        for key in (metric.name for metric in metrics[name] if metric.on_parent):
            for prefix, value in (
                ("", model.get(key)),
                ("baseline/", simple.get(key)),
                ("baseline/trivial/", simple.get(f"trivial/{key}")),
            ):
                if value is not None:
                    summary[f"{prefix}{name}/{key}"] = value
    return summary


def _below(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}


def count_doubts(results: Mapping[str, Result]) -> dict[str, float]:
    """Return how many examples of each task make its scores doubtful, where there are some."""
    parts = {label: GRAPH.parse(label) for label in results}
    return {
        f"{part.task}/{key}": value
        for label, part in parts.items()
        if part is not None and part.step == BASELINE
        for key, value in results[label].metrics().items()
        if key in DOUBTS and value
    }


def score_table(summary: Mapping[str, float], intervals: Mapping[str, Interval]) -> str:
    """Return a markdown table with a row for each score of the models."""
    lines = ["| score | model | 95 % interval | baseline | trivial |", "|---|---|---|---|---|"]
    for key, value in summary.items():
        if not key.startswith("baseline/"):
            others = (summary.get(f"baseline/{key}"), summary.get(f"baseline/trivial/{key}"))
            model, *simple = (f"{v:.3f}" if v is not None else "" for v in (value, *others))
            found = intervals.get(key)
            interval = f"{found.low:.3f} to {found.high:.3f}" if found else ""
            lines.append(f"| {' | '.join([key, model, interval, *simple])} |")
    return "\n".join(lines)
