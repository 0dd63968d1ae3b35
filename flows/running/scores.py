"""Records the scores of a run in MLflow, in Prefect, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from textmill.errors import RunError
from textmill.evaluation.learning_curve import ALL, LearningCurve
from textmill.evaluation.learning_curve import FILE as CURVE_FILE
from textmill.evaluation.metrics import Metric
from textmill.evaluation.seed_scores import DEVIATION, MEAN, PREFIX, Spread
from textmill.evaluation.significance import Interval
from textmill.reports.report import NAME as REPORT
from textmill.reports.report import log_report
from textmill.steps.graph import BASELINE, CURVE, GRAPH, LM
from textmill.tracking.intervals import metrics_by_task, score_intervals, score_spreads
from textmill.tracking.results import Result
from textmill.tracking.store import artifact_url
from textmill_flows.running.context import Context, log

DOUBTS = ("leaked_examples", "conflicting_examples")
"""Metrics of a task's examples that make its scores unreliable, also logged to the parent run."""


def record(context: Context, names: Collection[str], failures: dict[str, Exception]) -> None:
    """Record the scores and the report in the parent run, in Prefect and in the terminal.

    If the report cannot be stored, the error is added to the failures.

    Args:
        context: the running command.
        names: the successful branches.
        failures: the errors of the failed branches.
    """
    pipeline = context.pipeline
    summary = summarise(pipeline.results, names, metrics_by_task(context.config))
    intervals = score_intervals(pipeline.store, pipeline.results)
    spreads = score_spreads(pipeline.results)
    curves = [curve_table(name, pipeline.results) for name in names if _has_curve(context, name)]
    table = "\n\n".join([score_table(summary, intervals, spreads), *curves])
    others = {**count_doubts(pipeline.results), **parent_spreads(spreads)}
    pipeline.record_scores({**summary, **others}, table)
    page = artifact_url(pipeline.url, REPORT)
    context.page.text(f"{table}\n\n[Report]({page})", "scores", "Scores of this run")
    log.info("\n%s", table)
    reasons = {name: str(error) for name, error in failures.items()}
    problem = write_report(context, summary, intervals, reasons).result(raise_on_failure=False)
    if isinstance(problem, RunError):
        failures["report"] = problem


def record_curve(context: Context, name: str) -> None:
    """Record the learning curve of a task in the parent run, in Prefect and in the terminal."""
    pipeline = context.pipeline
    metrics = pipeline.results[CURVE.label(name)].metrics()
    table = curve_table(name, pipeline.results)
    scores = {f"{name}/{key}": value for key, value in metrics.items() if key.startswith("curve/")}
    pipeline.record_scores(scores, table)
    context.page.text(table, "curve", f"Learning curve of {name}")
    log.info("\n%s", table)


def _has_curve(context: Context, name: str) -> bool:
    return CURVE.label(name) in context.pipeline.results


@task(name="report", task_run_name="report", cache_policy=NO_CACHE, persist_result=False)
def write_report(
    context: Context,
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    failures: Mapping[str, str],
) -> State[Any]:
    """Log the report of this run to MLflow, and print its path."""
    try:
        path = log_report(context.pipeline, context.config, summary, intervals, failures)
    except RunError as error:
        return Failed(message=str(error), data=error)
    url = artifact_url(context.pipeline.url, REPORT)
    context.page.link(url, "report of this run", "report")
    log.info("report: %s", path)
    return Completed(message=url)


def summarise(
    results: Mapping[str, Result], names: Collection[str], metrics: Mapping[str, Sequence[Metric]]
) -> dict[str, float]:
    """Return the parent run's metrics: `<task>/<metric>`, and the same under `baseline/`.

    Args:
        results: the results of the run's steps, by label.
        names: the branches to include.
        metrics: the definitions of their metrics, by the name of the branch.
    """
    scored = GRAPH.scored(results)
    # The language model is last, whatever its position among the branches.
    ordered = sorted((name for name in names if name in scored), key=LM.__eq__)
    summary = {}
    for name in ordered:
        model = results[scored[name]].metrics()
        if name == LM:
            simple = _with_prefix("unigram/", model)
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


def _with_prefix(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}


def count_doubts(results: Mapping[str, Result]) -> dict[str, float]:
    """Return the nonzero numbers of examples that make a task's scores unreliable."""
    parts = {label: GRAPH.parse(label) for label in results}
    return {
        f"{part.task}/{key}": value
        for label, part in parts.items()
        if part is not None and part.step == BASELINE
        for key, value in results[label].metrics().items()
        if key in DOUBTS and value
    }


def parent_spreads(spreads: Mapping[str, Spread]) -> dict[str, float]:
    """Return the parent run's metrics of scores over seeds: `seeds/<task>/<metric>/mean`, …."""
    found: dict[str, float] = {}
    for key, spread in spreads.items():
        found |= {
            f"{PREFIX}{key}/{MEAN}": spread.mean,
            f"{PREFIX}{key}/{DEVIATION}": spread.deviation,
        }
    return found


def score_table(
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    spreads: Mapping[str, Spread] | None = None,
) -> str:
    """Return a Markdown table with a row per score; scores over seeds have a column, if any."""
    header = ["score", "model", "95 % interval", "baseline", "trivial"]
    if spreads:
        header.insert(3, "over seeds")
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for key, value in summary.items():
        if not key.startswith("baseline/"):
            others = (summary.get(f"baseline/{key}"), summary.get(f"baseline/trivial/{key}"))
            model, *simple = (f"{v:.3f}" if v is not None else "" for v in (value, *others))
            found = intervals.get(key)
            interval = f"{found.low:.3f} to {found.high:.3f}" if found else ""
            if spreads:
                simple.insert(0, str(spreads.get(key, "")))
            lines.append(f"| {' | '.join([key, model, interval, *simple])} |")
    return "\n".join(lines)


def curve_table(name: str, results: Mapping[str, Result]) -> str:
    """Return a Markdown table of a task's learning curve, with a row per arm.

    A cell has the mean over the seeds and, after ±, the standard deviation.
    """
    curve = LearningCurve.model_validate(results[CURVE.label(name)].json(CURVE_FILE))

    def cell(arm: str, size: int) -> str:
        found = curve.summary(arm, size)
        mean = f"{found.mean:.3f}"
        return mean if found.deviation is None else f"{mean} ± {found.deviation:.3f}"

    *sizes, largest = [f"{size:,}" for size in curve.sizes]
    header = [f"{name}/{curve.metric} by labels", *sizes, f"{ALL} {largest}"]
    rows = [[arm, *(cell(arm, size) for size in curve.sizes)] for arm in curve.arms]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
