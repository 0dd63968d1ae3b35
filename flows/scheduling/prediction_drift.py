"""The trigger `drift` on the log of predictions of a server, which need not contain texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from textmill.config import Config, DriftConfig, TaskConfig
from textmill.errors import InputError
from textmill.files import digest_values
from textmill.registry.promotion import champion_results
from textmill.serving.prediction_log import LoggedTraits, read_log
from textmill.steps.graph import EVALUATE, FINETUNE
from textmill.tasks.logged.served_shift import drifted, known_traits, limit_of, shifts
from textmill.tracking.events import PastRun, result_of
from textmill.tracking.results import Result
from textmill.tracking.store import Store
from textmill_flows.running.context import say
from textmill_flows.scheduling.triggers import Decision, check_drift


def check_predictions(store: Store, config: Config, last: PastRun, data: str) -> Decision:
    """Return the decision of the trigger for the logged predictions of the models in use.

    Each is compared with its predictions for the test examples, which its evaluation has written.
    An event is one for these models and the state of the sources: retraining on the same data
    again would not change the drift.

    Args:
        store: with the models.
        config: with `retrain.drift.log`.
        last: the last finished run, whose models are in use where there is no champion.
        data: digest of the current sources.

    Raises:
        InputError: there is no such folder.
        RunError: a model or its evaluation is missing or damaged.
    """
    drift = config.retrain.drift
    assert drift.log is not None
    if not (folder := Path(drift.log)).is_dir():
        raise InputError(
            f"retrain.drift.log: {folder} is no folder: set it to that of the log of textmill "
            "serve, and serve.log to predictions."
        )
    models = {task.name: (task, *results) for task, results in _models(store, config, last)}
    runs = {name: model.run_id for name, (_, model, _) in models.items()}
    content = read_log(folder, runs, drift.max_documents)
    if content.n_damaged:
        say(f"{content.n_damaged:,} damaged lines in {folder} were left out.")
    crossed: list[str] = []
    quiet: list[str] = []
    few: list[str] = []
    for name, (task, model, tested) in models.items():
        logged = content.by_task[name]
        if len(logged.newest) < drift.min_documents:
            few.append(_too_few(name, logged))
            continue
        drifted_traits, largest = _compare(task, model, tested, logged, drift)
        crossed += drifted_traits
        quiet += largest
    rest = f"; too few predictions (minimum {drift.min_documents}): {', '.join(few)}" if few else ""
    if crossed:
        decision = check_drift(crossed, digest_values(runs), data, last, subject="the served text")
        return replace(decision, reason=f"{decision.reason}{rest}")
    if not quiet:
        return Decision(None, f"no logged predictions to compare{rest}")
    most = "; ".join(quiet)
    return Decision(None, f"the served text has not drifted from the test examples ({most}){rest}")


def _models(
    store: Store, config: Config, last: PastRun
) -> Iterator[tuple[TaskConfig, tuple[Result, Result]]]:
    """Yield the tasks with the model in use and its evaluation."""
    chosen = config.retrain.drift.tasks
    for task in config.tasks:
        if chosen and task.name not in chosen:
            continue
        if champion := champion_results(store, config.experiment, task.name):
            yield task, champion
            continue
        model, tested = (
            result_of(store, last, step.label(task.name)) for step in (FINETUNE, EVALUATE)
        )
        if model is not None and tested is not None:
            yield task, (model, tested)


def _compare(
    task: TaskConfig, model: Result, tested: Result, logged: LoggedTraits, config: DriftConfig
) -> tuple[list[str], list[str]]:
    """Return descriptions of what has drifted, and of the largest difference if nothing has."""
    found = shifts(
        logged.newest, known_traits(task, model.folder, tested.folder), config.min_documents
    )
    n = f"in {len(logged.newest):,} predictions"
    counting = drifted(found, config)
    if counting or not found:
        return [
            f"the {shift.what} of {task.name} have shifted by {shift.distance:.2f} (limit "
            f"{limit_of(shift, config):g}) {n}: {shift.detail}"
            for shift in counting
        ], []
    most = max(found, key=lambda shift: shift.distance / max(limit_of(shift, config), 1e-9))
    return [], [f"at most the {most.what} of {task.name}, by {most.distance:.2f} {n}"]


def _too_few(name: str, logged: LoggedTraits) -> str:
    others = f", and {logged.n_of_others:,} of other models" if logged.n_of_others else ""
    return f"{name} {len(logged.newest)}{others}"
