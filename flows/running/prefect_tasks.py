"""Execution of the graph on Prefect: one task per part, checks and branches in parallel."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed

from textmill.config import TaskConfig, open_sizes
from textmill.errors import InputError, RunError
from textmill.evaluation.notes import read_notes
from textmill.reports.cards import log_backbone_card, log_card
from textmill.steps.chosen import FILE as SIZES
from textmill.steps.chosen import read_sizes, with_sizes
from textmill.steps.graph import BEHAVIOUR, BUDGET, EVALUATE, FINETUNE, FOLDS, GRAPH
from textmill.steps.parts import Part
from textmill.tracking.raw_data import find_sources, with_fixed_labels, with_sample
from textmill.tracking.results import Result
from textmill_flows.running.context import Context, log, outcome, run_step, say
from textmill_flows.running.gpus import check_gpus
from textmill_flows.running.recording import quiet
from textmill_flows.running.registration import promote
from textmill_flows.running.scores import record

Branches = Mapping[str, tuple[Part, ...]]


def run_parts(context: Context, parts: tuple[Part, ...]) -> None:
    """Run parts of the graph: sample data, checks in parallel, the trunk, branches in parallel.

    Raises:
        InputError: this machine lacks a GPU; or data cannot be used, then independent parts are
            completed.
        RunError: a step failed; independent parts are completed.
    """
    check_gpus(context.config, parts)
    stages = GRAPH.stages(parts)
    if stages.sample is not None:
        sample = compute(context, stages.sample)
        context.config = with_fixed_labels(with_sample(context.config, str(sample.folder)))
    failures = run_checks(context, stages.checks)
    for part in stages.trunk:
        if part.step is BUDGET:
            choose_sizes(context, part, failures)
        else:
            compute(context, part)
    scored = {
        name: branch
        for name, branch in stages.branches.items()
        if any(part.scores for part in branch)
    }
    if scored:
        # Parts that depend on a failed check are skipped.
        lost = GRAPH.after(context.config, parts, *(label for label, _ in failures.values()))
        can_run = {name: branch for name, branch in scored.items() if not {*branch} & {*lost}}
        errors = {name: error for name, (_, error) in failures.items()}
        run_branches(context, can_run, errors)
    for name in stages.branches.keys() - scored.keys():
        run_in_order(context, stages.branches[name])


def choose_sizes(context: Context, part: Part, failed: Collection[str]) -> None:
    """Compute the sizes for the budget, and continue with them; failed tasks have no part in it.

    Raises:
        InputError: the budget is too small.
        RunError: the step failed.
    """
    config = context.config
    tasks = tuple(task for task in config.tasks if task.name not in failed)
    context.config = config.model_copy(update={"tasks": tasks})
    sizes = read_sizes(compute(context, part).file(SIZES))
    context.config = with_sizes(config, sizes)
    context.task_seconds = sizes.task_seconds
    context.pipeline.log_sizes(open_sizes(config), context.config)
    for reason in sizes.reasons:
        say(f"{part.label}: {reason}")


def as_task(part: Part) -> Task[..., State[Any]]:
    """Return the Prefect task that runs a part.

    Prefect neither caches nor persists results: they are in MLflow.
    """
    return task(
        name=part.step.name,
        task_run_name=part.label,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(quiet(run_part))


def run_part(context: Context, part: Part) -> State[Any]:
    """Run a part of the graph on the results so far, as the body of a Prefect task."""
    config, results = context.config, context.pipeline.results
    return run_step(
        context,
        part,
        {name: results[label] for name, label in GRAPH.inputs(part, config).items()},
        lambda: find_sources(part.reads(config)),
    )


def compute(context: Context, part: Part) -> Result:
    """Return the result of a part.

    Raises:
        InputError: the step could not use its input.
        RunError: the step failed.
    """
    return outcome(as_task(part)(context, part))


def run_checks(context: Context, parts: tuple[Part, ...]) -> dict[str, tuple[str, Exception]]:
    """Run the checks of examples in parallel; return label and error of the first failed, by task.

    They read all examples, and behaviour tests, before training, and so find invalid ones in
    seconds instead of hours.

    Raises:
        InputError: no task has valid examples.
    """
    share_threads(context, len(parts))
    futures = {part: as_task(part).submit(context, part) for part in parts}
    failures: dict[str, tuple[str, Exception]] = {}
    for part, future in futures.items():
        name = str(part.task)
        found = wait_for(future)
        if isinstance(found, Exception):
            failures.setdefault(name, (part.label, found))
        else:
            for note in read_notes(found.folder):
                log.warning("%s: %s.", name, note)
    context.n_side_by_side = 1
    bad = {name: error for name, (_, error) in failures.items() if isinstance(error, InputError)}
    if bad and len(bad) == len({part.task for part in parts}):
        raise InputError(describe(bad))
    for name, error in bad.items():
        log.warning("%s: %s The other tasks continue.", name, error)
    return failures


def run_branches(context: Context, branches: Branches, failures: dict[str, Exception]) -> None:
    """Run branches in parallel; record their scores, the report and promotions.

    Args:
        context: the running command.
        branches: by the name of the task, or of the language model's scores.
        failures: errors of tasks that have already failed.

    Raises:
        InputError: a task's data cannot be used; other tasks' results are kept.
        RunError: a task failed; other tasks' results are kept.
    """
    # The language model counts as a branch, because memory and cores limit their number.
    share_threads(context, len(branches) + len(failures))
    futures = {name: submit(context, branches[name]) for name in longest_first(context, branches)}
    done: list[str] = []
    for name in branches:
        found = wait_for(futures[name])
        if isinstance(found, Exception):
            failures[name] = found
        else:
            done.append(name)
    if any(branches[name][-1].task is None for name in done):
        log_backbone_card(context.pipeline, context.config)
    record(context, done, failures)
    # A reproduction has nothing new to register.
    if context.config.promotion.enabled and context.pipeline.scope is None:
        problem = promote(context, done).result(raise_on_failure=False)
        if isinstance(problem, Exception):
            failures["promote"] = problem
    if failures:
        are_input = all(isinstance(error, InputError) for error in failures.values())
        raise (InputError if are_input else RunError)(describe(failures))


def submit(context: Context, branch: tuple[Part, ...]) -> PrefectFuture[Any]:
    """Submit a branch, as one task with its steps inside; a single shared step directly."""
    [first, *others] = branch
    if first.task is None and not others:
        return as_task(first).submit(context, first)
    return run_branch.with_options(task_run_name=first.branch).submit(context, branch)


@task(name="branch", cache_policy=NO_CACHE, persist_result=False)
def run_branch(context: Context, branch: tuple[Part, ...]) -> State[Any]:
    """Fine-tune and evaluate one task, or evaluate the language model.

    The steps are Prefect tasks inside this one.
    """
    try:
        return Completed(data=run_in_order(context, branch))
    except (InputError, RunError) as error:
        return Failed(message=str(error), data=error)


def run_in_order(context: Context, branch: tuple[Part, ...]) -> Result:
    """Run the steps of a task, updating its model card; return the last result.

    Raises:
        InputError: a step could not use its input.
        RunError: a step failed.
    """
    for part in branch:
        result = compute(context, part)
        config = part.task_config(context.config)
        if config is not None and part.step in (FINETUNE, EVALUATE, BEHAVIOUR, FOLDS):
            log_card(context.pipeline, context.config, config)
    return result


def wait_for(future: PrefectFuture[Any]) -> Result | Exception:
    """Wait for a task; return its result or error."""
    future.wait()
    found = future.state.result(raise_on_failure=False)
    if isinstance(found, Result | Exception):
        return found
    return RunError(str(future.state.message))


def share_threads(context: Context, n: int) -> None:
    """Split the CPU threads among n steps, up to the number that run in parallel."""
    context.n_side_by_side = min(context.config.cluster.max_parallel_tasks, max(1, n))


def longest_first(context: Context, branches: Branches) -> list[str]:
    """Return the names of branches, the longest first, to minimise the total time (Graham 1969).

    A budget forecasts the durations of tasks, of which that of the language model's scores is a
    fraction; without one, the amount of data stands for them.
    """
    if context.task_seconds:
        return sorted(branches, key=lambda name: context.task_seconds.get(name, 0.0), reverse=True)

    def n_bytes(name: str) -> float:
        config = branches[name][-1].task_config(context.config)
        return math.inf if config is None else training_bytes(config)

    return sorted(branches, key=n_bytes, reverse=True)


def training_bytes(config: TaskConfig) -> float:
    """Return a task's amount of training data: of its files, times networks, times epochs if set.

    Without a number of epochs, small files are seen more often: all take about as long.
    """
    if config.hub:
        return math.inf  # unknown
    files = [Path(getattr(config, setting)) for setting in config.settings_of("train")]
    size = sum(file.stat().st_size for file in files if file.exists())
    return (config.finetune.epochs or 1) * config.finetune.n_trainings * size


def describe(failures: Mapping[str, Exception]) -> str:
    """Return the errors, one line each."""
    return "\n".join(f"{name}: {error}" for name, error in failures.items())
