"""Scores of simple models, measured before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.client.schemas.objects import State

from flows.context import Context, log, run_step, step_task
from flows.prepare import split_sources
from textmill.config import TaskConfig
from textmill.errors import InputError, RunError
from textmill.evaluation.notes import read_notes
from textmill.steps.step import BASELINE
from textmill.tracking.results import Result


@step_task("baseline")
def measure_baseline(context: Context, config: TaskConfig) -> State[Any]:
    """Measure simple models on a task."""
    sources = split_sources(config, "train", "test")
    # They are not fine-tuned: how that is done must not change their key.
    default = type(config).model_fields["finetune"].default
    settings = config.model_copy(update={"finetune": default})
    return run_step(context, BASELINE, settings, sources=sources, for_task=config)


def measure_baselines(
    context: Context, configs: Sequence[TaskConfig]
) -> dict[str, Result | Exception]:
    """Measure simple models on tasks, side by side; return their results or why there is none.

    Comes before anything is trained: baselines read all examples, and so find bad ones in seconds
    where a branch would after hours.

    Raises:
        InputError: not one task has examples that can be used.
    """
    context.n_side_by_side = min(context.config.cluster.max_parallel_tasks, max(1, len(configs)))
    futures = {config.name: measure_baseline.submit(context, config) for config in configs}
    found: dict[str, Result | Exception] = {}
    for name, future in futures.items():
        future.wait()
        value = future.state.result(raise_on_failure=False)
        is_known = isinstance(value, Result | Exception)
        found[name] = value if is_known else RunError(str(future.state.message))
    context.n_side_by_side = 1
    bad = {name: error for name, error in found.items() if isinstance(error, InputError)}
    if bad and len(bad) == len(configs):
        raise InputError(describe(bad))
    for name, error in bad.items():
        log.warning("%s: %s The rest goes on without it.", name, error)
    for name, result in found.items():
        for note in read_notes(result.folder) if isinstance(result, Result) else ():
            log.warning("%s: %s.", name, note)
    return found


def describe(failures: Mapping[str, Exception]) -> str:
    """Return what failed, a line each."""
    return "\n".join(f"{name}: {error}" for name, error in failures.items())
