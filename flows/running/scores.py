"""Records the scores of a run in MLflow, in Prefect, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from textmill.config import BIAS_SCORES
from textmill.errors import RunError
from textmill.evaluation.learning_curve import ALL, LearningCurve
from textmill.evaluation.learning_curve import FILE as CURVE_FILE
from textmill.evaluation.metrics import Metric
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import DEVIATION, MEAN, Spread
from textmill.reports.report import NAME as REPORT
from textmill.reports.report import log_report
from textmill.reports.tables import audit_table
from textmill.reports.tables.bias_tables import bounds, group_differences, signed
from textmill.steps.graph import BASELINE, BEHAVIOUR, CURVE, GRAPH, LM
from textmill.tasks.behaviour.group_differences import GroupDifference
from textmill.tasks.behaviour.verdicts import (
    MEAN_METRIC,
    VERDICTS,
    Summary,
    from_rows,
    metrics_of_tests,
)
from textmill.tasks.language_model.memorization.memorized import Audit
from textmill.tracking.intervals import (
    PREFIXES,
    metrics_by_task,
    read_audit,
    score_intervals,
    score_spreads,
)
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
    tests = summaries_by_task(pipeline.results, names)
    bias = differences_by_task(pipeline.results, names)
    behaviour = [behaviour_table(tests, intervals)] if tests else []
    behaviour += [bias_table(bias)] if bias else []
    audit = read_audit(pipeline.results)
    audited = [audit_table.markdown(audit)] if audit else []
    scores = score_table(summary, intervals, spreads)
    table = "\n\n".join([scores, *audited, *behaviour, *curves])
    others = {**count_doubts(pipeline.results), **parent_spreads(spreads), **parent_tests(tests)}
    others |= parent_bias(pipeline.results, names) | parent_audit(audit)
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


def parent_spreads(spreads: Mapping[str, Mapping[str, Spread]]) -> dict[str, float]:
    """Return the parent run's metrics of scores over seeds or folds.

    These are `seeds/<task>/<metric>/mean` and `…/deviation`; of a cross-validation, they begin with
    `folds/`, and `baseline/folds/`.
    """
    found: dict[str, float] = {}
    for what, of_scores in spreads.items():
        for key, spread in of_scores.items():
            found |= {
                f"{PREFIXES[what]}{key}/{MEAN}": spread.mean,
                f"{PREFIXES[what]}{key}/{DEVIATION}": spread.deviation,
            }
    return found


def score_table(
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    spreads: Mapping[str, Mapping[str, Spread]],
) -> str:
    """Return a Markdown table with a row per score, and columns for those over several trainings.

    Args:
        summary: the scores.
        intervals: of the scores, by the same names.
        spreads: by the names of the columns, and of the scores.
    """
    header = ["score", "model", "95 % interval", *spreads, "baseline", "trivial"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for key, value in summary.items():
        if not key.startswith("baseline/"):
            others = (summary.get(f"baseline/{key}"), summary.get(f"baseline/trivial/{key}"))
            model, *simple = (f"{v:.3f}" if v is not None else "" for v in (value, *others))
            interval = _bounds(intervals.get(key))
            of_trainings = (str(of_scores.get(key, "")) for of_scores in spreads.values())
            lines.append(f"| {' | '.join([key, model, interval, *of_trainings, *simple])} |")
    return "\n".join(lines)


def _bounds(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"


def summaries_by_task(
    results: Mapping[str, Result], names: Iterable[str]
) -> dict[str, tuple[Summary, ...]]:
    """Return what came of the behaviour tests of those tasks that have some, by task.

    Raises:
        RunError: a result is damaged.
    """
    labels = {name: BEHAVIOUR.label(name) for name in names}
    found = {
        name: from_rows(results[label].lines(VERDICTS))
        for name, label in labels.items()
        if label in results
    }
    return {name: tests for name, tests in found.items() if tests}


def differences_by_task(
    results: Mapping[str, Result], names: Iterable[str]
) -> dict[str, tuple[GroupDifference, ...]]:
    """Return the differences between groups of those tasks that have a bias report, by task.

    Raises:
        RunError: a result is damaged.
    """
    found = {name: group_differences(results.get(BEHAVIOUR.label(name))) for name in names}
    return {name: differences for name, differences in found.items() if differences}


def parent_bias(results: Mapping[str, Result], names: Iterable[str]) -> dict[str, float]:
    """Return the parent run's metrics of bias reports: `<task>/bias/<metric>`."""
    return {
        f"{name}/{key}": value
        for name in names
        if BEHAVIOUR.label(name) in results
        for key, value in results[BEHAVIOUR.label(name)].metrics().items()
        if key.startswith(BIAS_SCORES)
    }


def parent_tests(tests: Mapping[str, Sequence[Summary]]) -> dict[str, float]:
    """Return the parent run's metrics of behaviour tests: `<task>/behaviour/<test>`."""
    return {
        f"{task}/{key}": value
        for task, summaries in tests.items()
        for key, value in metrics_of_tests(summaries).items()
    }


def behaviour_table(
    tests: Mapping[str, Sequence[Summary]], intervals: Mapping[str, Interval]
) -> str:
    """Return a Markdown table with a row per task: the mean over its tests, and the worst one.

    Args:
        tests: what came of them, by task.
        intervals: of the shares, by `<task>/<metric>`.
    """
    header = ["behaviour", "tests", "cases", "passed", "worst", "95 % interval"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, summaries in tests.items():
        n_cases = sum(one.n_cases for one in summaries)
        mean = metrics_of_tests(summaries)[MEAN_METRIC]
        worst = min(summaries, key=lambda one: one.share)
        cells = [name, f"{len(summaries)}", f"{n_cases:,}", f"{mean:.3f}", "", ""]
        if worst.failed:
            interval = _bounds(intervals.get(f"{name}/{worst.metric}"))
            cells[-2:] = f"{worst.test} {worst.share:.3f}", interval
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def parent_audit(audit: Audit | None) -> dict[str, float]:
    """Return the parent run's metrics of the memorization audit: `lm/audit/<score>`."""
    scores = {} if audit is None else audit.metrics()
    return {f"{LM}/{name}": value for name, value in scores.items()}


def bias_table(bias: Mapping[str, Sequence[GroupDifference]]) -> str:
    """Return a Markdown table with a row per task: its largest difference between two groups.

    Args:
        bias: the differences, by task.
    """
    header = ["bias", "pairs of groups", "interval without 0", "largest difference"]
    header += ["95 % interval", "answers changed"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, found in bias.items():
        n_marked = sum(one.is_marked for one in found)
        most = max(found, key=lambda one: abs(one.change.value))
        pair = most.pair
        where = f"{pair.groups[0]} → {pair.groups[1]}, {pair.origin}: {pair.label}"
        cells = [name, f"{len(found)}", f"{n_marked}", f"{where} {signed(most.change)}"]
        cells += [bounds(most.change, "+"), f"{most.flips.value:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
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
