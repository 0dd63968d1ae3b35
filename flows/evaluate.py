"""Scores: the task models beside their baselines, and the language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from flows.baselines import describe, measure_baselines
from flows.context import Context, command, log, outcome, run_step, step_task
from flows.finetune import choose_task, finetune_task
from flows.notice import notify
from flows.prepare import Prepared, place_sample, split_sources
from flows.pretrain import backbone_parts
from flows.recording import recorded_flow
from textmill.config import TaskConfig, TokensConfig
from textmill.errors import InputError, RunError
from textmill.evaluation.significance import Interval
from textmill.registry.promotion import (
    Challenger,
    backbone_challenger,
    challenge,
    task_challenger,
)
from textmill.reports.cards import log_backbone_card, log_card
from textmill.reports.report import NAME as REPORT
from textmill.reports.report import log_report
from textmill.steps.step import EVALUATE, EVALUATE_LM, TOKENS
from textmill.tasks.rows import location, settings_of
from textmill.tracking.answers import score_intervals
from textmill.tracking.results import Result, find_result, input_of
from textmill.tracking.store import artifact_url

SUMMARY = (
    "accuracy",
    "f1_macro",
    "f1",
    "precision",
    "recall",
    "bleu",
    "chrf",
    "val_loss",
    "perplexity",
    "bits_per_byte",
)
"""The metrics of steps that the parent run carries."""
DOUBTS = ("leaked_examples", "conflicting_examples")
"""What it carries of a task's examples besides, which are no scores."""


@dataclass(frozen=True)
class TaskScores:
    """The results of one task."""

    model: Result
    baseline: Result


@step_task("evaluate")
def evaluate_task(context: Context, config: TaskConfig, model: Result) -> State[Any]:
    """Measure a task model on its test examples."""
    sources = split_sources(config, "test")
    return run_step(context, EVALUATE, config, {"model": model}, sources, config)


@step_task("evaluate-lm")
def evaluate_language_model(context: Context, backbone: Result, prepared: Prepared) -> State[Any]:
    """Measure the backbone as a language model."""
    inputs = {"backbone": backbone, "tokens": prepared.tokens}
    return run_step(context, EVALUATE_LM, context.config.generation, inputs)


@task(name="branch", task_run_name="{config.name}", cache_policy=NO_CACHE, persist_result=False)
def run_branch(
    context: Context, config: TaskConfig, backbone: Result, baseline: Result
) -> State[Any]:
    """Fine-tune and evaluate one task; its steps are Prefect tasks inside this one."""
    try:
        model = outcome(finetune_task(context, config, backbone))
        log_card(context.pipeline, context.config, config)
        scores = TaskScores(outcome(evaluate_task(context, config, model)), baseline)
        log_card(context.pipeline, context.config, config)  # again, with its scores
    except (InputError, RunError) as error:
        return Failed(message=str(error), data=error)
    return Completed(data=scores)


def run_branches(
    context: Context,
    configs: Sequence[TaskConfig],
    backbone: Result,
    prepared: Prepared | None,
    baselines: Mapping[str, Result | Exception],
) -> None:
    """Evaluate tasks side by side, and the language model; summarise on the parent run.

    Args:
        context: the command at work.
        configs: the tasks.
        backbone: the pretrained model.
        prepared: what to measure the language model on; None leaves it out.
        baselines: of every task; one without a result has failed already.

    Raises:
        InputError: a task's data cannot be used; the other tasks' results stay.
        RunError: a task failed; the other tasks' results stay.
    """
    # The language model waits for its turn like a branch: memory and cores suffice for so many.
    n_branches = len(configs) + (prepared is not None)
    context.n_side_by_side = min(context.config.cluster.max_parallel_tasks, max(1, n_branches))
    futures: dict[str, PrefectFuture[Any]] = {}
    if prepared is not None:
        futures["lm"] = evaluate_language_model.submit(context, backbone, prepared)
    # The longest first: begun last, it would run on alone beside idle cores.
    for config in sorted(configs, key=training_bytes, reverse=True):
        baseline = baselines[config.name]
        if isinstance(baseline, Result):
            futures[config.name] = run_branch.submit(context, config, backbone, baseline)
    language: Result | None = None
    scores: dict[str, TaskScores] = {}
    failures = {name: e for name, e in baselines.items() if isinstance(e, Exception)}
    for name in [name for name in ("lm", *(c.name for c in configs)) if name in futures]:
        future = futures[name]
        future.wait()
        match future.state.result(raise_on_failure=False):
            case TaskScores() as found:
                scores[name] = found
            case Result() as found:
                language = found
            case Exception() as error:
                failures[name] = error
            case _:
                failures[name] = RunError(str(future.state.message))
    if language is not None:
        log_backbone_card(context.pipeline, context.config)
    record(context, summarise(language, scores), failures)
    # What only repeats another run has nothing new to register.
    if context.config.promotion.enabled and context.pipeline.scope is None:
        evaluated = [config for config in configs if config.name in scores]
        problem = promote(context, evaluated, prepared if language else None)
        if isinstance(error := problem.result(raise_on_failure=False), Exception):
            failures["promote"] = error
    if failures:
        message = describe(failures)
        are_input = all(isinstance(error, InputError) for error in failures.values())
        raise (InputError if are_input else RunError)(message)


def training_bytes(config: TaskConfig) -> float:
    """Return how much a task trains on: the size of its training files, times the epochs."""
    if config.hub:
        return math.inf  # unknown
    files = [Path(location(config, name)) for name in settings_of(config, "train")]
    return config.finetune.epochs * sum(file.stat().st_size for file in files if file.exists())


def record(context: Context, summary: Mapping[str, float], failures: dict[str, Exception]) -> None:
    """Put the scores and the report on the parent run, on Prefect's page and in the terminal.

    A report that the store does not take joins the failures.
    """
    pipeline = context.pipeline
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


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, persist_result=False)
def promote(
    context: Context, configs: Sequence[TaskConfig], prepared: Prepared | None
) -> State[Any]:
    """Register the models of this run, and let each challenge the champion of its name.

    Args:
        context: the command at work.
        configs: the tasks that were evaluated.
        prepared: what the backbone was measured on; None leaves it out.
    """
    pipeline, lines = context.pipeline, []
    problems: list[InputError | RunError] = []

    def go(challenger: Callable[[], Challenger], remeasure: Callable[[Result], Result]) -> None:
        try:
            came = challenge(pipeline, context.config, challenger(), remeasure)
            lines.append(came.line)
            log.info(came.line)
            if came.is_promoted:
                facts = {"run_id": pipeline.run_id, "run_url": pipeline.url}
                notify(context.config, "promoted", came.line, facts)
        except (InputError, RunError) as error:
            problems.append(error)

    if prepared is not None:
        go(
            partial(backbone_challenger, pipeline, context.config),
            partial(remeasure_backbone, context),
        )
    for config in configs:
        challenger = partial(task_challenger, pipeline, context.config, config)
        go(challenger, partial(remeasure_task, context, config))
    pipeline.champions = lines
    context.page.text("\n".join(f"- {line}" for line in lines), "promotion", "Champions")
    if problems:
        kind = InputError if all(isinstance(p, InputError) for p in problems) else RunError
        message = "\n".join(map(str, problems))
        return Failed(message=message, data=kind(message))
    return Completed(message="; ".join(lines))


def remeasure_task(context: Context, config: TaskConfig, model: Result) -> Result:
    """Return how another model does on the test examples of a task."""
    sources = split_sources(config, "test")
    return context.pipeline.run(EVALUATE, config, {"model": model}, sources, config, is_part=False)


def remeasure_backbone(context: Context, backbone: Result) -> Result:
    """Return how another backbone does on this run's held-out text, in its own tokens."""
    pipeline = context.pipeline
    tokenizer = find_result(pipeline.store, input_of(backbone, "tokenizer"))
    inputs = {"corpus": pipeline.results["clean"], "tokenizer": tokenizer}
    tokens = pipeline.run(TOKENS, TokensConfig(), inputs, is_part=False)
    inputs = {"backbone": backbone, "tokens": tokens}
    return pipeline.run(EVALUATE_LM, context.config.generation, inputs, is_part=False)


def summarise(language: Result | None, scores: Mapping[str, TaskScores]) -> dict[str, float]:
    """Return the parent run's metrics: `<task>/<metric>`, and the same under `baseline/`."""
    models = {name: found.model.metrics() for name, found in scores.items()}
    simple = {name: found.baseline.metrics() for name, found in scores.items()}
    if language is not None:
        models["lm"] = language.metrics()
        simple["lm"] = {
            key.removeprefix("unigram/"): value
            for key, value in models["lm"].items()
            if key.startswith("unigram/")
        }
    summary = {}
    for name in models:
        for key in SUMMARY:
            for prefix, value in (
                ("", models[name].get(key)),
                ("baseline/", simple[name].get(key)),
                ("baseline/trivial/", simple[name].get(f"trivial/{key}")),
            ):
                if value is not None:
                    summary[f"{prefix}{name}/{key}"] = value
    return summary


def count_doubts(results: Mapping[str, Result]) -> dict[str, float]:
    """Return how many examples of each task make its scores doubtful, where there are some."""
    return {
        f"{label.removeprefix('baseline ')}/{key}": value
        for label, result in results.items()
        if label.startswith("baseline ")
        for key, value in result.metrics().items()
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


@recorded_flow("evaluate")
def evaluate(
    name: str | None = None, config: str = "demo", overrides: list[str] | None = None
) -> None:
    """Evaluate one task, or all and the language model, and compute first what that needs."""
    with command("evaluate", config, overrides or [], name) as context:
        if name is not None:
            choose_task(context, name)  # before hours of work
        place_sample(context)
        tasks = context.config.tasks if name is None else (choose_task(context, name),)
        baselines = measure_baselines(context, tasks)
        prepared, backbone = backbone_parts(context)
        run_branches(context, tasks, backbone, prepared if name is None else None, baselines)
